import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FieldSet } from "./field-set.ts";
import {
  createFieldSetBuilder,
  decodeFieldsV1,
  difference,
  encodeFieldsV1,
  equalSets,
  intersection,
  printPaths,
  union,
} from "./field-set.ts";

function setOf(...paths: string[][]): FieldSet {
  const builder = createFieldSetBuilder();
  for (const path of paths) builder.add(path);
  return builder.build();
}

describe("encodeFieldsV1", () => {
  it("writes names, keys, values and indices in order, and a dot where a path ends and goes on", () => {
    const set = setOf(
      ["f:spec", "i:10"],
      ["f:spec", "i:9"],
      ["f:spec", 'v:"b"'],
      ["f:spec", 'k:{"name":"x","port":80}', "f:name"],
      ["f:spec", 'k:{"name":"x","port":80}'],
      ["f:spec", "f:a"],
      ["f:metadata", "f:labels", "f:app"],
      ["f:metadata", "f:labels"],
    );
    expect(JSON.stringify(encodeFieldsV1(set))).toBe(
      JSON.stringify({
        "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
        "f:spec": {
          "f:a": {},
          'k:{"name":"x","port":80}': { ".": {}, "f:name": {} },
          'v:"b"': {},
          "i:9": {},
          "i:10": {},
        },
      }),
    );
    expect(printPaths(set)).toEqual([
      ".metadata.labels",
      ".metadata.labels.app",
      ".spec.a",
      '.spec[name="x",port=80]',
      '.spec[="b"]',
      ".spec[9]",
      ".spec[10]",
      '.spec[name="x",port=80].name',
    ]);
  });
});

describe("decodeFieldsV1", () => {
  it("reads keys in any order and leaves out what it does not know", () => {
    const set = decodeFieldsV1({
      "f:spec": { 'k:{"port": 80, "name": "x"}': { ".": {} }, "q:later": {}, "k:broken": {}, "i:x": {}, "f:odd": 1 },
      ".": {},
    });
    expect(printPaths(set)).toEqual(['.spec[name="x",port=80]']);
  });

  it.each([[null], [1], ["x"], [[]]])("reads %j as no path at all", (fields) => {
    expect(decodeFieldsV1(fields).size).toBe(0);
  });
});

const element = fc.oneof(
  fc.string().map((name) => `f:${name}`),
  fc.constantFrom(
    "f:a",
    "f:b",
    "f:__proto__",
    'k:{"name":"a"}',
    'k:{"name":"b","port":1}',
    'v:"x"',
    "v:1",
    "i:0",
    "i:12",
  ),
);
const set = fc
  .array(fc.array(element, { minLength: 1, maxLength: 4 }), { maxLength: 8 })
  .map((paths) => setOf(...paths));

describe("field sets", () => {
  it("survive the way to FieldsV1 and back", () => {
    fc.assert(
      fc.property(set, (paths) => {
        const decoded = decodeFieldsV1(JSON.parse(JSON.stringify(encodeFieldsV1(paths))) as never);
        expect(equalSets(decoded, paths)).toBe(true);
        expect(printPaths(decoded)).toEqual(printPaths(paths));
      }),
    );
  });

  it("behave as sets of paths", () => {
    fc.assert(
      fc.property(set, set, (left, right) => {
        const inLeft = new Set(printPaths(left));
        const inRight = new Set(printPaths(right));
        const only = [...inLeft].filter((path) => !inRight.has(path));
        expect(new Set(printPaths(union(left, right)))).toEqual(new Set([...inLeft, ...inRight]));
        expect(new Set(printPaths(difference(left, right)))).toEqual(new Set(only));
        expect(new Set(printPaths(intersection(left, right)))).toEqual(
          new Set([...inLeft].filter((path) => inRight.has(path))),
        );
        expect(equalSets(left, right)).toBe(only.length === 0 && inLeft.size === inRight.size);
      }),
    );
  });
});
