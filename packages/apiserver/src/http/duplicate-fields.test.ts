import { describe, expect, it } from "vitest";
import type { Json } from "../schema/index.ts";
import { duplicateFields } from "./duplicate-fields.ts";

describe("duplicateFields", () => {
  it.each<[string, string[]]>([
    ['{"a":1,"b":{"a":2}}', []],
    ['{ "a": [1, 2], "b": "a" }', []],
    ['{"a":1,"a":2}', ["a"]],
    ['{"spec":{"a":"x","b":1,"a":"y"}}', ["spec.a"]],
    ['{"l":[{"k":1},{"k":1,"k":2}]}', ["l[1].k"]],
    ['{"a":{"b":1},"a":{"b":1,"b":2},"c":[[{"d":1,"d":1}]]}', ["a", "a.b", "c[0][0].d"]],
    ['{"a":"\\"a\\":1,","a":2}', ["a"]],
    ['{"\\u0061":1,"a":2}', ["a"]],
    ["[]", []],
    ['"text"', []],
  ])("finds in %s: %j", (text, expected) => {
    expect(duplicateFields(text, JSON.parse(text) as Json)).toEqual(expected);
  });
});
