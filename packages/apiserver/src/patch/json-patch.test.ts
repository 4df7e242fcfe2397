import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../schema/json.ts";
import { PatchError } from "./error.ts";
import { jsonPatch } from "./json-patch.ts";

describe("jsonPatch", () => {
  it.each<[string, Json, Json[], Json]>([
    ["adds a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
    [
      "adds an item before another",
      { foo: ["bar", "baz"] },
      [{ op: "add", path: "/foo/1", value: "qux" }],
      { foo: ["bar", "qux", "baz"] },
    ],
    ["adds an item at the end", { foo: [1] }, [{ op: "add", path: "/foo/-", value: [2] }], { foo: [1, [2]] }],
    ["adds at the length", { foo: [1] }, [{ op: "add", path: "/foo/1", value: 2 }], { foo: [1, 2] }],
    ["replaces by adding", { foo: 1 }, [{ op: "add", path: "/foo", value: null }], { foo: null }],
    ["removes a member", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
    ["removes an item", { foo: [1, 2, 3] }, [{ op: "remove", path: "/foo/1" }], { foo: [1, 3] }],
    ["takes a missing value for null", {}, [{ op: "add", path: "/a" }], { a: null }],
    ["replaces a member that is not there", {}, [{ op: "replace", path: "/a", value: 1 }], { a: 1 }],
    ["replaces a member", { foo: 1 }, [{ op: "replace", path: "/foo", value: 2 }], { foo: 2 }],
    ["replaces an item", { foo: [1, 2] }, [{ op: "replace", path: "/foo/0", value: 9 }], { foo: [9, 2] }],
    ["replaces the document", { foo: 1 }, [{ op: "replace", path: "", value: [1] }], [1]],
    ["moves a member", { a: { b: 1 }, c: {} }, [{ op: "move", from: "/a/b", path: "/c/d" }], { a: {}, c: { d: 1 } }],
    ["moves an item", { a: [1, 2, 3, 4] }, [{ op: "move", from: "/a/1", path: "/a/3" }], { a: [1, 3, 4, 2] }],
    [
      "copies deeply",
      { a: { b: [1] } },
      [
        { op: "copy", from: "/a", path: "/c" },
        { op: "add", path: "/c/b/-", value: 2 },
      ],
      { a: { b: [1] }, c: { b: [1, 2] } },
    ],
    ["tests", { a: { b: [1, "2"] } }, [{ op: "test", path: "/a", value: { b: [1, "2"] } }], { a: { b: [1, "2"] } }],
    [
      "unescapes pointers",
      { "a/b": 1, "m~n": 2 },
      [
        { op: "remove", path: "/a~1b" },
        { op: "replace", path: "/m~0n", value: 3 },
      ],
      { "m~n": 3 },
    ],
    ["tells ~01 from ~1", { "~1": 1 }, [{ op: "remove", path: "/~01" }], {}],
    ["takes the empty key", { "": 1 }, [{ op: "remove", path: "/" }], {}],
    ["ignores other members", { a: 1 }, [{ op: "remove", path: "/a", comment: "x" }], {}],
  ])("%s", (_name, target, operations, expected) => {
    const before = structuredClone(target);
    expect(jsonPatch(target, operations)).toEqual(expected);
    expect(target).toEqual(before);
  });

  it.each<[string, Json, unknown, string, string]>([
    ["a patch that is no list", {}, {}, "invalid", "list of operations"],
    ["an operation that is no object", {}, [1], "invalid", "operation 0: must be an object"],
    ["an unknown op", {}, [{ op: "spam", path: "" }], "invalid", "operation 0 (spam )"],
    ["a missing path", {}, [{ op: "add", value: 1 }], "invalid", "operation 0: path must be a string"],
    ["a missing from", {}, [{ op: "move", path: "/a" }], "invalid", "from must be a string"],
    ["a pointer without slash", {}, [{ op: "add", path: "a", value: 1 }], "invalid", "no JSON pointer"],
    ["a wrong escape", {}, [{ op: "add", path: "/~2", value: 1 }], "invalid", "no JSON pointer"],
    [
      "a missing parent",
      {},
      [{ op: "add", path: "/a/b", value: 1 }],
      "invalid",
      "operation 0 (add /a/b): there is nothing at path",
    ],
    ["a scalar parent", { a: 1 }, [{ op: "add", path: "/a/b", value: 1 }], "invalid", "there is nothing at path"],
    ["a missing member to remove", {}, [{ op: "remove", path: "/a" }], "invalid", "there is nothing at path"],
    ["an index beyond the end", { a: [] }, [{ op: "add", path: "/a/1", value: 1 }], "invalid", 'no place "1"'],
    [
      "an index with a zero in front",
      { a: [1, 2] },
      [{ op: "remove", path: "/a/01" }],
      "invalid",
      "there is nothing at path",
    ],
    [
      "a move into itself",
      { a: { b: 1 } },
      [{ op: "move", from: "/a", path: "/a/b" }],
      "invalid",
      "cannot move into itself",
    ],
    ["removing everything", {}, [{ op: "remove", path: "" }], "invalid", "whole document"],
    [
      "members of Object.prototype",
      {},
      [{ op: "remove", path: "/constructor" }],
      "invalid",
      "there is nothing at path",
    ],
    ["a failed test", { a: 1 }, [{ op: "test", path: "/a", value: "1" }], "test_failed", "operation 0 (test /a)"],
    ["a test of nothing", {}, [{ op: "test", path: "/a", value: null }], "test_failed", "operation 0 (test /a)"],
    [
      "too many operations",
      {},
      Array.from({ length: 10_001 }, () => ({ op: "test", path: "", value: {} })),
      "invalid",
      "at most 10000",
    ],
  ])("refuses %s", (_name, target, operations, code, reason) => {
    const run = (): Json => jsonPatch(target, operations);
    expect(run).toThrow(PatchError);
    expect(run).toThrow(reason);
    expect(run).toThrow(`[${code}]`);
  });

  it("stops copies that would blow up the document", () => {
    const doubling = Array.from({ length: 40 }, () => ({ op: "copy", from: "/a", path: "/a/-" }));
    expect(() => jsonPatch({ a: ["x".repeat(1000)] }, doubling)).toThrow("copies may add at most");
  });

  it("sets a member named __proto__ without reaching the prototype", () => {
    const operations = JSON.parse('[{"op": "add", "path": "/__proto__", "value": {"x": 1}}]') as unknown;
    const patched = jsonPatch({}, operations) as object;
    expect(Object.keys(patched)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(patched)).toBe(Object.prototype);
  });

  it("undoes an add with a remove, and a move with the move back", () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
    const escape = (key: string): string => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json), fc.string(), json, (target, key, value) => {
        const without = { ...target };
        delete without[key];
        const path = escape(key);
        const added = jsonPatch(without, [{ op: "add", path, value }]);
        expect(
          jsonPatch(added, [
            { op: "test", path, value },
            { op: "remove", path },
          ]),
        ).toEqual(without);
        const elsewhere = escape(`${key}!`);
        const moved = jsonPatch({ [key]: value }, [{ op: "move", from: path, path: elsewhere }]);
        expect(jsonPatch(moved, [{ op: "move", from: elsewhere, path }])).toEqual({ [key]: value });
      }),
    );
  });

  it("throws nothing but PatchError", () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
    const pointer = fc
      .array(fc.constantFrom("a", "b", "0", "1", "-", "~0"), { maxLength: 3 })
      .map((parts) => parts.map((part) => `/${part}`).join(""));
    const operation = fc.record(
      {
        op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "x"),
        path: fc.oneof(pointer, json),
        from: pointer,
        value: json,
      },
      { requiredKeys: ["op"] },
    );
    const target = fc.dictionary(fc.constantFrom("a", "b"), fc.oneof(json, fc.array(json)));
    fc.assert(
      fc.property(target, fc.array(fc.oneof(operation, json), { maxLength: 6 }), (document, operations) => {
        const before = JSON.stringify(document);
        try {
          jsonPatch(document, operations);
        } catch (error) {
          expect(error).toBeInstanceOf(PatchError);
        }
        expect(JSON.stringify(document)).toBe(before);
      }),
    );
  });
});
