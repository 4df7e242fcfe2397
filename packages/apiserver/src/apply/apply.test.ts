// Longer than most: the cases and the laws share one schema and one way to apply.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileSchema } from "../schema/compile.ts";
import type { Json, JsonObject } from "../schema/json.ts";
import type { ApplyOptions } from "./apply.ts";
import { applyServerSide, checkApplied } from "./apply.ts";
import { builtinSchema } from "./builtin-schemas.ts";
import { describeConflicts } from "./describe-conflicts.ts";
import { ApplyError } from "./error.ts";
import { trackUpdate } from "./track-update.ts";

const schema = compileSchema({
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        a: { type: "integer" },
        b: { type: "integer" },
        inner: { type: "object", properties: { x: { type: "integer" }, y: { type: "integer" } } },
        map: { type: "object", additionalProperties: { type: "string" } },
        atomicMap: { type: "object", additionalProperties: { type: "string" }, "x-kubernetes-map-type": "atomic" },
        atomicList: { type: "array", items: { type: "string" } },
        set: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
        list: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name", "kind"],
          items: {
            type: "object",
            required: ["name"],
            properties: {
              name: { type: "string" },
              kind: { type: "string", default: "k" },
              value: { type: "integer" },
              set: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
            },
          },
        },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
    },
    status: { type: "object", properties: { ready: { type: "boolean" } } },
  },
});

const apiVersion = "test.example/v1";
const identity = { apiVersion, kind: "Thing", metadata: { name: "t" } };
const times = ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"] as const;

interface Applying {
  readonly live?: JsonObject | undefined;
  readonly manager?: string;
  readonly force?: boolean;
  readonly time?: string;
  readonly more?: Partial<ApplyOptions>;
}

function tryApply(
  spec: Json,
  { live, manager = "one", force = false, time = times[0], more = {} }: Applying = {},
): ReturnType<typeof applyServerSide> {
  return applyServerSide({ live, applied: { ...identity, spec }, manager, force, apiVersion, schema, time, ...more });
}

function apply(spec: Json, options: Applying = {}): JsonObject {
  const result = tryApply(spec, options);
  if ("conflicts" in result) throw new Error(describeConflicts(result.conflicts).message);
  return result.object;
}

function update(live: JsonObject | undefined, spec: Json, manager = "updater", time: string = times[0]): JsonObject {
  const metadata = live === undefined ? identity.metadata : (live["metadata"] as JsonObject);
  return trackUpdate({ live, updated: { ...identity, metadata, spec }, manager, apiVersion, schema, time });
}

function managed(object: JsonObject): JsonObject[] {
  return ((object["metadata"] as JsonObject)["managedFields"] ?? []) as JsonObject[];
}

function fieldsOf(object: JsonObject, manager: string): Json | undefined {
  return managed(object).find((entry) => entry["manager"] === manager)?.["fieldsV1"];
}

describe("applyServerSide", () => {
  it("creates an object whose fields belong to the applier, but for identity and metadata of the server", () => {
    const object = apply({
      a: 1,
      map: { x: "1" },
      atomicMap: { x: "1" },
      atomicList: ["p"],
      set: ["s"],
      list: [{ name: "n", value: 1 }],
      free: { deep: { er: [1] } },
      inner: {},
    });
    expect(object["spec"]).toEqual({
      a: 1,
      map: { x: "1" },
      atomicMap: { x: "1" },
      atomicList: ["p"],
      set: ["s"],
      list: [{ name: "n", value: 1 }],
      free: { deep: { er: [1] } },
      inner: {},
    });
    expect(managed(object)).toEqual([
      {
        manager: "one",
        operation: "Apply",
        apiVersion,
        time: times[0],
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:spec": {
            "f:a": {},
            "f:atomicList": {},
            "f:atomicMap": {},
            "f:free": { "f:deep": { ".": {}, "f:er": {} } },
            "f:inner": {},
            "f:list": { 'k:{"kind":"k","name":"n"}': { ".": {}, "f:name": {}, "f:value": {} } },
            "f:map": { "f:x": {} },
            "f:set": { 'v:"s"': {} },
          },
        },
      },
    ]);
  });

  it("keeps its time when nothing changes, and takes a new one when something does", () => {
    const first = apply({ a: 1 });
    expect(apply({ a: 1 }, { live: first, time: times[1] })).toEqual(first);
    expect(managed(apply({ a: 2 }, { live: first, time: times[1] }))[0]).toMatchObject({ time: times[1] });
    expect(managed(apply({ a: 1, b: 1 }, { live: first, time: times[1] }))[0]).toMatchObject({ time: times[1] });
  });

  it.each<[string, Json, Json, Json]>([
    ["a field", { a: 1, b: 1 }, { a: 1 }, { a: 1 }],
    ["a struct", { a: 1, inner: { x: 1 } }, { a: 1 }, { a: 1 }],
    ["a field of a struct", { inner: { x: 1, y: 1 } }, { inner: { y: 1 } }, { inner: { y: 1 } }],
    ["a key of a map", { map: { x: "1", y: "2" } }, { map: { y: "2" } }, { map: { y: "2" } }],
    ["an item of a set", { set: ["a", "b"] }, { set: ["b"] }, { set: ["b"] }],
    [
      "an item of a list",
      { list: [{ name: "a" }, { name: "b", value: 1 }] },
      { list: [{ name: "a" }] },
      { list: [{ name: "a" }] },
    ],
    ["a field of an item", { list: [{ name: "a", value: 1 }] }, { list: [{ name: "a" }] }, { list: [{ name: "a" }] }],
    [
      "an item of an item's set",
      { list: [{ name: "a", set: ["x", "y"] }] },
      { list: [{ name: "a", set: ["y"] }] },
      { list: [{ name: "a", set: ["y"] }] },
    ],
    ["free fields", { free: { a: { b: 1, c: 1 } } }, { free: { a: { c: 1 } } }, { free: { a: { c: 1 } } }],
    [
      "an atomic map as a whole",
      { atomicMap: { x: "1", y: "1" } },
      { atomicMap: { y: "2" } },
      { atomicMap: { y: "2" } },
    ],
    ["an atomic list as a whole", { atomicList: ["a", "b"] }, { atomicList: ["c"] }, { atomicList: ["c"] }],
  ])("removes what is no longer applied: %s", (_name, before, after, expected) => {
    const object = apply(after, { live: apply(before) });
    expect(object["spec"]).toEqual(expected);
  });

  it("keeps an object that is applied empty, and removes one that lost its last field", () => {
    const live = apply({ inner: { x: 1 }, map: { p: "1" } });
    expect(apply({ inner: {} }, { live })["spec"]).toEqual({ inner: {} });
  });

  it("conflicts where another owns another value, and says where and with whom", () => {
    const live = apply({ a: 1, b: 1, list: [{ name: "n", value: 1 }], set: ["x"] });
    const result = tryApply({ a: 2, b: 1, list: [{ name: "n", value: 2 }], set: ["x", "y"] }, { live, manager: "two" });
    expect(result).toEqual({
      conflicts: [
        { manager: "one", operation: "Apply", apiVersion, time: times[0], field: ".spec.a" },
        {
          manager: "one",
          operation: "Apply",
          apiVersion,
          time: times[0],
          field: '.spec.list[kind="k",name="n"].value',
        },
      ],
    });
    if (!("conflicts" in result)) throw new Error("no conflicts");
    expect(describeConflicts(result.conflicts)).toEqual({
      message: 'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.a\n- .spec.list[kind="k",name="n"].value',
      causes: [
        { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".spec.a" },
        {
          reason: "FieldManagerConflict",
          message: 'conflict with "one"',
          field: '.spec.list[kind="k",name="n"].value',
        },
      ],
    });
  });

  it("conflicts with updaters, too", () => {
    const live = update(undefined, { a: 1 }, "kubectl-edit");
    const result = tryApply({ a: 2 }, { live });
    if (!("conflicts" in result)) throw new Error("no conflicts");
    expect(describeConflicts(result.conflicts).message).toBe(
      `Apply failed with 1 conflict: conflict with "kubectl-edit" using ${apiVersion}: .spec.a`,
    );
  });

  it("takes over with force, and leaves the former owner the rest", () => {
    const live = apply({ a: 1, b: 1 });
    const object = apply({ a: 2 }, { live, manager: "two", force: true });
    expect(object["spec"]).toEqual({ a: 2, b: 1 });
    expect(fieldsOf(object, "one")).toEqual({ "f:spec": { "f:b": {} } });
    expect(fieldsOf(object, "two")).toEqual({ "f:spec": { "f:a": {} } });
  });

  it("drops a manager that lost everything", () => {
    const object = apply({ a: 2 }, { live: apply({ a: 1 }), manager: "two", force: true });
    expect(managed(object).map((entry) => entry["manager"])).toEqual(["two"]);
  });

  it("shares equal values, and removes them only with their last owner", () => {
    const both = apply({ a: 1 }, { live: apply({ a: 1, b: 1 }), manager: "two" });
    const afterOne = apply({ b: 1 }, { live: both });
    expect(afterOne["spec"]).toEqual({ a: 1, b: 1 });
    const afterTwo = apply({}, { live: afterOne, manager: "two" });
    expect(afterTwo["spec"]).toEqual({ b: 1 });
  });

  it("removes an item that is applied no longer together with what updaters own of it, unless they own the item", () => {
    const one = apply({ list: [{ name: "a", value: 1 }] });
    const ofItem = update(one, { list: [{ name: "a", value: 1, set: ["u"] }] });
    expect(apply({}, { live: ofItem })["spec"]).toEqual({});
    const both = apply({ list: [{ name: "a", set: ["u"] }] }, { live: one, manager: "two" });
    expect(apply({}, { live: both })["spec"]).toEqual({ list: [{ name: "a", set: ["u"] }] });
  });

  it("removes sub-items of dropped items that nobody owns, and keeps the items of others", () => {
    const one = apply({ list: [{ name: "a" }, { name: "b", set: ["c"] }] });
    const two = apply({ list: [{ name: "b", set: ["d"] }] }, { live: one, manager: "two" });
    expect(apply({ list: [{ name: "a" }] }, { live: two })["spec"]).toEqual({
      list: [{ name: "a" }, { name: "b", set: ["d"] }],
    });
  });

  it("merges lists in the applied order, around what only the server has", () => {
    const order = (live: string[], applied: string[]): Json | undefined =>
      (apply({ set: applied }, { live: update(undefined, { set: live }) })["spec"] as JsonObject)["set"];
    expect(order(["a", "b", "c", "d"], ["d", "b", "new"])).toEqual(["a", "c", "d", "b", "new"]);
    expect(order(["b", "x", "d"], ["new", "d", "b"])).toEqual(["x", "new", "d", "b"]);
    expect(order(["a", "b"], ["b", "a"])).toEqual(["b", "a"]);
    expect(order(["a"], ["b", "c"])).toEqual(["a", "b", "c"]);
  });

  it("gives an untracked object's fields to before-first-apply", () => {
    const live = { ...identity, spec: { a: 1, b: 1 } };
    const result = tryApply({ a: 2 }, { live, time: times[1] });
    expect(result).toMatchObject({
      conflicts: [{ manager: "before-first-apply", operation: "Update", field: ".spec.a" }],
    });
    const object = apply({ a: 1 }, { live, time: times[1] });
    expect(managed(object).map((entry) => [entry["manager"], entry["operation"]])).toEqual([
      ["one", "Apply"],
      ["before-first-apply", "Update"],
    ]);
  });

  it("keeps appliers apart by subresource, and fields that a request cannot change out of it", () => {
    const main = apply({ a: 1 });
    const status = applyServerSide({
      live: main,
      applied: { ...identity, spec: { a: 9 }, status: { ready: true } },
      manager: "one",
      force: false,
      apiVersion,
      schema,
      time: times[1],
      subresource: "status",
    });
    if (!("object" in status)) throw new Error("conflicts");
    expect(managed(status.object)).toMatchObject([
      { manager: "one", fieldsV1: { "f:spec": { "f:a": {} } } },
      { manager: "one", subresource: "status", fieldsV1: { "f:status": { "f:ready": {} } } },
    ]);
  });

  it.each<[string, Json, string]>([
    [
      "an undeclared field",
      { nope: 1 },
      "failed to create typed patch object (/t; test.example/v1, Kind=Thing): .spec.nope: field not declared in schema",
    ],
    [
      "two items with one key",
      { list: [{ name: "a" }, { name: "a", kind: "k" }] },
      '.spec.list: duplicate entries for key [kind="k",name="a"]',
    ],
    ["an item twice in a set", { set: ["a", "a"] }, '.spec.set: duplicate entries for key [="a"]'],
    [
      "null in a set",
      { set: [null] },
      ".spec.set: element 0: associative list without keys has an element that's an explicit null",
    ],
    [
      "several at once",
      { nope: 1, list: [1] },
      "errors:\n  .spec.nope: field not declared in schema\n  .spec.list: element 0",
    ],
  ])("refuses %s", (_name, spec, reason) => {
    expect(() => apply(spec)).toThrow(ApplyError);
    expect(() => apply(spec)).toThrow(reason);
  });

  it("identifies an item by the keys that it has", () => {
    const object = apply({ list: [{ value: 1 }] });
    expect(object["spec"]).toEqual({ list: [{ value: 1 }] });
    expect(fieldsOf(object, "one")).toMatchObject({ "f:spec": { "f:list": { 'k:{"kind":"k"}': { "f:value": {} } } } });
  });

  it("refuses values of another kind than the schema's", () => {
    expect(() => apply({ a: { b: 1 }, inner: 5, list: "x" })).toThrow(
      [
        "errors:",
        "  .spec.a: expected numeric (int or float), got map[string]interface {}",
        "  .spec.inner: expected map, got &{5}",
        "  .spec.list: expected list, got &{x}",
      ].join("\n"),
    );
  });

  it("survives stored lists with equal keys", () => {
    const live = update(undefined, { list: [{ name: "a", value: 1 }, { name: "a", value: 2 }, { name: "b" }] });
    const object = apply({ list: [{ name: "b", value: 3 }] }, { live });
    expect(object["spec"]).toEqual({
      list: [
        { name: "a", value: 1 },
        { name: "a", value: 2 },
        { name: "b", value: 3 },
      ],
    });
    expect(apply({ list: [{ name: "a", value: 9 }] }, { live, force: true })["spec"]).toEqual({
      list: [{ name: "a", value: 9 }, { name: "b" }],
    });
  });

  it("merges built-in kinds by the types of their Go structs", () => {
    const deployment = (image: string, extra: JsonObject = {}): JsonObject => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", labels: { app: "web" }, ownerReferences: [{ uid: "u", name: "o" }] },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          spec: {
            containers: [{ name: "app", image, ports: [{ containerPort: 80 }], env: [{ name: "A", value: "1" }] }],
            ...extra,
          },
        },
      },
    });
    const base = {
      manager: "one",
      force: false,
      apiVersion: "apps/v1",
      schema: builtinSchema("Deployment"),
      time: times[0],
    };
    const first = applyServerSide({
      ...base,
      live: undefined,
      applied: deployment("a:1", { tolerations: [{ key: "x" }] }),
    });
    if (!("object" in first)) throw new Error("conflicts");
    expect(fieldsOf(first.object, "one")).toEqual({
      "f:metadata": { "f:labels": { "f:app": {} }, "f:ownerReferences": { 'k:{"uid":"u"}': {} } },
      "f:spec": {
        "f:selector": {},
        "f:template": {
          "f:spec": {
            "f:containers": {
              'k:{"name":"app"}': {
                ".": {},
                "f:env": { 'k:{"name":"A"}': { ".": {}, "f:name": {}, "f:value": {} } },
                "f:image": {},
                "f:name": {},
                "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
              },
            },
            "f:tolerations": {},
          },
        },
      },
    });
    const second = applyServerSide({ ...base, manager: "two", live: first.object, applied: deployment("a:2") });
    expect(second).toMatchObject({ conflicts: [{ field: '.spec.template.spec.containers[name="app"].image' }] });
  });
});

describe("checkApplied", () => {
  it.each<[JsonObject, string | undefined]>([
    [{ apiVersion }, undefined],
    [{ apiVersion, metadata: { managedFields: null } }, undefined],
    [{ apiVersion, metadata: { managedFields: [] } }, "metadata.managedFields must be nil"],
  ])("%j: %s", (applied, problem) => {
    expect(checkApplied(applied)).toBe(problem);
  });
});

describe("the laws of applying", () => {
  const item = fc.record(
    { name: fc.constantFrom("a", "b", "c"), value: fc.integer({ min: 0, max: 2 }) },
    { requiredKeys: ["name"] },
  );
  const spec = fc.record(
    {
      a: fc.integer({ min: 0, max: 2 }),
      b: fc.integer({ min: 0, max: 2 }),
      inner: fc.record({ x: fc.integer({ min: 0, max: 2 }), y: fc.integer({ min: 0, max: 2 }) }, { requiredKeys: [] }),
      map: fc.dictionary(fc.constantFrom("p", "q", "r"), fc.constantFrom("1", "2")),
      atomicList: fc.array(fc.constantFrom("p", "q"), { maxLength: 2 }),
      set: fc.uniqueArray(fc.constantFrom("p", "q", "r")),
      list: fc.uniqueArray(item, { selector: ({ name }) => name }),
      free: fc.dictionary(
        fc.constantFrom("p", "q"),
        fc.dictionary(fc.constantFrom("r", "s"), fc.constantFrom<Json>(1, 2, [1])),
      ),
    },
    { requiredKeys: [] },
  ) as unknown as fc.Arbitrary<JsonObject>;

  it("changes nothing the second time", () => {
    fc.assert(
      fc.property(spec, spec, (before, wanted) => {
        const once = apply(wanted, { live: update(undefined, before), force: true });
        expect(apply(wanted, { live: once, time: times[2] })).toEqual(once);
      }),
    );
  });

  it("makes everything that is applied true", () => {
    fc.assert(
      fc.property(spec, spec, spec, (stored, before, wanted) => {
        const live = apply(before, { live: update(undefined, stored), manager: "two", force: true });
        const object = apply(wanted, { live, force: true });
        expect(tryApply(wanted, { live: object, manager: "third" })).toHaveProperty("object");
        for (const key of ["a", "b", "atomicList"]) {
          if (Object.hasOwn(wanted, key)) expect((object["spec"] as JsonObject)[key]).toEqual(wanted[key]);
        }
      }),
    );
  });

  it("leaves nothing of a configuration that is taken back, and everything of the others", () => {
    fc.assert(
      fc.property(spec.map(owned), spec, (theirs, ours) => {
        const live = apply(theirs, { manager: "two" });
        const applied = tryApply(ours, { live });
        fc.pre("object" in applied);
        const back = apply({}, { live: apply(ours, { live }) });
        // Order in lists is the only trace that may remain.
        expect(normalized(back["spec"] ?? {})).toEqual(
          normalized(apply(theirs, { manager: "two", live: back })["spec"] ?? {}),
        );
        expect(fieldsOf(back, "two")).toEqual(fieldsOf(live, "two"));
      }),
    );
  });

  it("gives the same object in either order where two managers share no field", () => {
    const half = (keys: string[]) => (value: JsonObject) =>
      Object.fromEntries(Object.entries(owned(value)).filter(([key]) => keys.includes(key)));
    fc.assert(
      fc.property(
        spec.map(half(["a", "map", "set"])),
        spec.map(half(["b", "inner", "list", "free"])),
        (left, right) => {
          const leftFirst = apply(right, { manager: "r", live: apply(left, { manager: "l" }) });
          const rightFirst = apply(left, { manager: "l", live: apply(right, { manager: "r" }) });
          expect(leftFirst["spec"]).toEqual(rightFirst["spec"]);
          // Their times differ: who changes nothing but owners has none.
          for (const manager of ["l", "r"]) expect(fieldsOf(leftFirst, manager)).toEqual(fieldsOf(rightFirst, manager));
        },
      ),
    );
  });

  it("conflicts exactly when force would take something away", () => {
    fc.assert(
      fc.property(spec, spec, (theirs, ours) => {
        const live = apply(theirs, { manager: "two" });
        const result = tryApply(ours, { live });
        const forced = apply(ours, { live, force: true });
        const kept = JSON.stringify(fieldsOf(forced, "two")) === JSON.stringify(fieldsOf(live, "two"));
        expect("object" in result).toBe(kept);
      }),
    );
  });

  it("throws nothing but ApplyError, whatever is stored or applied", () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
    const wild = fc.dictionary(
      fc.constantFrom("a", "inner", "map", "set", "list", "free", "x"),
      fc.oneof(json, fc.array(json, { maxLength: 3 })),
    );
    fc.assert(
      fc.property(wild, wild, json, (stored, applied, managedFields) => {
        const live = { ...identity, metadata: { name: "t", managedFields }, spec: stored };
        try {
          tryApply(applied, { live, force: true });
        } catch (error) {
          expect(error).toBeInstanceOf(ApplyError);
        }
      }),
    );
  });
});

/**
 * Without empty lists and objects: an empty list of items is owned by nobody, and an object that loses its last field is gone, even
 * if somebody else had applied it empty.
 */
function owned(spec: JsonObject): JsonObject {
  const isEmpty = (value: Json): boolean =>
    typeof value === "object" && value !== null && Object.keys(value).length === 0;
  const inner = (value: Json): Json =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? owned(value) : value;
  const entries = Object.entries(spec).map(([key, value]): [string, Json] => [key, inner(value)]);
  return Object.fromEntries(entries.filter(([, value]) => !isEmpty(value)));
}

function normalized(value: Json): Json {
  if (Array.isArray(value))
    return value.map(normalized).sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, normalized(member)]));
}
