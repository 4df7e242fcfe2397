import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../schema/json.ts";
import { isObject } from "../schema/json.ts";
import { mergePatch } from "./merge-patch.ts";

describe("mergePatch", () => {
  // The cases of RFC 7386, appendix A.
  it.each<[Json, Json, Json]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j patched with %j is %j", (target, patch, expected) => {
    const before = structuredClone(target);
    expect(mergePatch(target, patch)).toEqual(expected);
    expect(target).toEqual(before);
  });

  it("refuses what nests too deeply", () => {
    let patch: Json = {};
    for (let depth = 0; depth < 1000; depth++) patch = { a: patch };
    expect(() => mergePatch({}, patch)).toThrow("[invalid] objects and lists may nest at most 500 levels deep");
  });

  const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;

  it("changes nothing the second time", () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const once = mergePatch(target, patch);
        expect(mergePatch(once, patch)).toEqual(once);
      }),
    );
  });

  it("turns anything into anything without nulls, by the difference of the two", () => {
    fc.assert(
      fc.property(json.map(withoutNulls), json.map(withoutNulls), (from, to) => {
        expect(mergePatch(from, diff(from, to))).toEqual(to);
      }),
    );
  });
});

function withoutNulls(value: Json): Json {
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutNulls(member)]));
}

function diff(from: Json, to: Json): Json {
  if (!isObject(from) || !isObject(to)) return to;
  const patch: [string, Json][] = [];
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) patch.push([key, null]);
  for (const [key, value] of Object.entries(to)) {
    patch.push([key, Object.hasOwn(from, key) ? diff(from[key] ?? null, value) : value]);
  }
  return Object.fromEntries(patch);
}
