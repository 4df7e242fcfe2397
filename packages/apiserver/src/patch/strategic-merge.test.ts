import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json, JsonObject } from "../schema/json.ts";
import { PatchError } from "./error.ts";
import { strategicMergePatch } from "./strategic-merge.ts";
import type { StrategicSchema } from "./strategic-schemas.ts";
import { strategicSchemas } from "./strategic-schemas.ts";

const schema: StrategicSchema = {
  fields: {
    items: { mergeKey: "name", strategy: ["merge"], fields: { tags: { strategy: ["merge"] } } },
    tags: { strategy: ["merge"] },
    replaced: { strategy: ["replace"] },
    union: { strategy: ["retainKeys"] },
  },
};

describe("strategicMergePatch", () => {
  it.each<[string, JsonObject, JsonObject, JsonObject]>([
    ["merges objects", { a: { x: 1, y: 2 } }, { a: { y: 3 } }, { a: { x: 1, y: 3 } }],
    ["deletes with null", { a: 1, b: 2 }, { a: null, c: null }, { b: 2 }],
    ["replaces lists without a strategy", { list: [1, 2] }, { list: [3] }, { list: [3] }],
    [
      "merges items by key",
      { items: [{ name: "a", v: 1 }, { name: "b" }] },
      { items: [{ name: "a", w: 2 }] },
      { items: [{ name: "a", v: 1, w: 2 }, { name: "b" }] },
    ],
    [
      "adds items before those the patch does not name",
      { items: [{ name: "a" }] },
      { items: [{ name: "b" }] },
      { items: [{ name: "b" }, { name: "a" }] },
    ],
    [
      "deletes an item",
      { items: [{ name: "a" }, { name: "b" }] },
      { items: [{ name: "a", $patch: "delete" }] },
      { items: [{ name: "b" }] },
    ],
    [
      "replaces a merged list",
      { items: [{ name: "a" }, { name: "b" }] },
      { items: [{ $patch: "replace" }, { name: "c" }] },
      { items: [{ name: "c" }] },
    ],
    [
      "replaces an item",
      { items: [{ name: "a", v: 1 }] },
      {
        items: [
          { name: "a", w: 1 },
          { name: "a", $patch: "delete" },
        ],
      },
      { items: [{ name: "a", w: 1 }] },
    ],
    ["merges primitives once each", { tags: ["a", "b"] }, { tags: ["b", "c"] }, { tags: ["a", "b", "c"] }],
    ["deletes primitives", { tags: ["a", "b", "c"] }, { "$deleteFromPrimitiveList/tags": ["a", "c"] }, { tags: ["b"] }],
    [
      "merges primitives of items",
      { items: [{ name: "a", tags: ["x"] }] },
      { items: [{ name: "a", tags: ["y"], "$deleteFromPrimitiveList/tags": ["x"] }] },
      { items: [{ name: "a", tags: ["y"] }] },
    ],
    [
      "orders items, with those it does not name before what followed them",
      { items: [{ name: "a" }, { name: "b" }, { name: "c" }] },
      { "$setElementOrder/items": [{ name: "c" }, { name: "a" }] },
      { items: [{ name: "b" }, { name: "c" }, { name: "a" }] },
    ],
    [
      "orders and merges",
      { items: [{ name: "a" }, { name: "b" }] },
      { "$setElementOrder/items": [{ name: "c" }, { name: "b" }], items: [{ name: "c", v: 1 }] },
      { items: [{ name: "c", v: 1 }, { name: "a" }, { name: "b" }] },
    ],
    [
      "orders and deletes",
      { items: [{ name: "a" }, { name: "b" }] },
      { "$setElementOrder/items": [{ name: "b" }], items: [{ name: "a", $patch: "delete" }] },
      { items: [{ name: "b" }] },
    ],
    [
      "orders primitives and deletes some",
      { tags: ["a", "b", "c"] },
      { "$setElementOrder/tags": ["c", "b"], "$deleteFromPrimitiveList/tags": ["a"] },
      { tags: ["c", "b"] },
    ],
    [
      "orders a list that is new",
      {},
      { "$setElementOrder/items": [{ name: "a" }], items: [{ name: "a" }] },
      { items: [{ name: "a" }] },
    ],
    [
      "keeps what is deleted and added at once",
      { tags: ["a"] },
      { "$deleteFromPrimitiveList/tags": ["a", "b"], tags: ["b"] },
      { tags: ["b"] },
    ],
    [
      "drops objects with directives that meet nothing",
      {},
      { a: { b: { $patch: "delete" }, c: 1 }, d: { $patch: "replace", x: 1 } },
      { a: { c: 1 } },
    ],
    ["forgets an order without a list", {}, { "$setElementOrder/items": [{ name: "a" }] }, {}],
    ["replaces an object on demand", { a: { x: 1 } }, { a: { $patch: "replace", y: 2 } }, { a: { y: 2 } }],
    ["empties an object on demand", { a: { x: 1 } }, { a: { $patch: "delete" } }, { a: {} }],
    ["merges an object on demand", { a: { x: 1 } }, { a: { $patch: "merge", y: 2 } }, { a: { x: 1, y: 2 } }],
    ["replaces an object by strategy", { replaced: { x: 1 } }, { replaced: { y: 2 } }, { replaced: { y: 2 } }],
    [
      "retains keys",
      { union: { type: "a", a: 1 } },
      { union: { $retainKeys: ["type", "b"], type: "b", b: 2 } },
      { union: { type: "b", b: 2 } },
    ],
    [
      "drops directives and nulls of what is new",
      {},
      { a: { $retainKeys: ["b"], b: { c: null, d: 1 } } },
      { a: { b: { d: 1 } } },
    ],
    ["overwrites another kind of value", { a: [1] }, { a: { b: 1 } }, { a: { b: 1 } }],
  ])("%s", (_name, target, patch, expected) => {
    const before = structuredClone({ target, patch });
    expect(strategicMergePatch(target, patch, schema)).toEqual(expected);
    expect({ target, patch }).toEqual(before);
  });

  it.each<[string, JsonObject, JsonObject, string]>([
    [
      "an unknown directive",
      { a: {} },
      { a: { $patch: "shake" } },
      '.a.$patch: must be replace, merge or delete, got "shake"',
    ],
    ["an item without its key", { items: [{ name: "a" }] }, { items: [{ v: 1 }] }, ".items[0]: name is missing"],
    ["an item that is no object", { items: [{ name: "a" }] }, { items: [1] }, ".items[0]: must be an object with name"],
    [
      "a deletion without key",
      { items: [{ name: "a" }] },
      { items: [{ $patch: "delete" }] },
      ".items[0]: $patch delete needs name",
    ],
    [
      "a merge directive in a list",
      { items: [{ name: "a" }] },
      { items: [{ name: "a", $patch: "merge" }] },
      ".items[0].$patch",
    ],
    [
      "an order that forgets an item",
      { items: [] },
      { "$setElementOrder/items": [], items: [{ name: "a" }] },
      ".$setElementOrder/items: the order in the patch's list doesn't match it at",
    ],
    [
      "an order that is no list",
      { items: [] },
      { "$setElementOrder/items": {} },
      ".$setElementOrder/items: must be a list",
    ],
    [
      "deletions that are no list",
      { tags: [] },
      { "$deleteFromPrimitiveList/tags": "a" },
      ".$deleteFromPrimitiveList/tags: must be a list",
    ],
    ["keys to retain without those it sets", {}, { $retainKeys: ["a"], b: 1 }, ".$retainKeys: must name b"],
  ])("refuses %s", (_name, target, patch, reason) => {
    expect(() => strategicMergePatch(target, patch, schema)).toThrow(PatchError);
    expect(() => strategicMergePatch(target, patch, schema)).toThrow(reason);
  });

  it("patches a deployment as kubectl does", () => {
    const container = (name: string, image: string, rest: JsonObject = {}): JsonObject => ({ name, image, ...rest });
    const deployment = (containers: Json[], extra: JsonObject = {}): JsonObject => ({
      metadata: { name: "web", finalizers: ["a/b"] },
      spec: { template: { spec: { containers, ...extra } } },
    });
    const target = deployment([
      container("app", "app:1", { env: [{ name: "A", value: "1" }], ports: [{ containerPort: 80, name: "http" }] }),
      container("sidecar", "proxy:1"),
    ]);
    const patch: JsonObject = {
      metadata: { finalizers: ["c/d"] },
      spec: {
        template: {
          spec: {
            "$setElementOrder/containers": [{ name: "app" }],
            containers: [
              {
                name: "app",
                image: "app:2",
                env: [{ name: "B", value: "2" }],
                ports: [{ containerPort: 80, name: "web" }],
              },
              { name: "sidecar", $patch: "delete" },
            ],
            tolerations: [{ key: "x" }],
          },
        },
      },
    };
    expect(strategicMergePatch(target, patch, strategicSchemas["Deployment"] ?? {})).toEqual({
      metadata: { name: "web", finalizers: ["c/d", "a/b"] },
      spec: {
        template: {
          spec: {
            containers: [
              container("app", "app:2", {
                env: [
                  { name: "B", value: "2" },
                  { name: "A", value: "1" },
                ],
                ports: [{ containerPort: 80, name: "web" }],
              }),
            ],
            tolerations: [{ key: "x" }],
          },
        },
      },
    });
  });

  it("turns any list into any other by the difference of the two", () => {
    const item = fc.record({ name: fc.constantFrom("a", "b", "c", "d", "e"), v: fc.integer({ max: 3, min: 0 }) });
    const list = fc.uniqueArray(item, { selector: ({ name }) => name }).map((items): JsonObject[] => items);
    fc.assert(
      fc.property(list, list, (from, to) => {
        const names = new Set(to.map(({ name }) => name));
        const patch: JsonObject = {
          "$setElementOrder/items": to.map(({ name }) => ({ name: name ?? null })),
          items: [
            ...to,
            ...from
              .filter(({ name }) => !names.has(name))
              .map(({ name }) => ({ name: name ?? null, $patch: "delete" })),
          ],
        };
        const patched = strategicMergePatch({ items: from }, patch, schema);
        expect(patched["items"]).toEqual(to);
      }),
    );
  });

  it("throws nothing but PatchError", () => {
    const key = fc.constantFrom(
      "items",
      "tags",
      "union",
      "name",
      "$patch",
      "$retainKeys",
      "$setElementOrder/items",
      "$deleteFromPrimitiveList/tags",
    );
    const value = fc.letrec<{ json: Json }>((tie) => ({
      json: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom<Json>("delete", "replace", "a", 1, null),
        fc.array(tie("json"), { maxLength: 3 }),
        fc.dictionary(key, tie("json"), { maxKeys: 4 }),
      ),
    })).json;
    const object = fc.dictionary(key, value, { maxKeys: 5 });
    fc.assert(
      fc.property(object, object, (target, patch) => {
        try {
          strategicMergePatch(target, patch, schema);
        } catch (error) {
          expect(error).toBeInstanceOf(PatchError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
