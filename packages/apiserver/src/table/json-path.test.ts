import { describe, expect, it } from "vitest";
import { compileJsonPath } from "./json-path.ts";

const object = {
  spec: { size: 3, "odd.key": "x", tags: ["a", "b", "c"] },
  status: {
    conditions: [
      { type: "Ready", status: "True", count: 2 },
      { type: "Synced", status: "False", count: 5 },
    ],
    ips: [],
  },
};

describe("compileJsonPath", () => {
  it.each([
    [".spec.size", [3]],
    ["$.spec.size", [3]],
    [".spec['odd.key']", ["x"]],
    [".spec.odd\\.key", ["x"]],
    [".spec.tags[0]", ["a"]],
    [".spec.tags[-1]", ["c"]],
    [".spec.tags[1:3]", ["b", "c"]],
    [".spec.tags[*]", ["a", "b", "c"]],
    [".spec.tags.*", ["a", "b", "c"]],
    ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
    [".status.conditions[?(@.type == 'Synced')].count", [5]],
    [".status.conditions[?(@.count > 2)].type", ["Synced"]],
    [".status.conditions[?(@.missing)].type", []],
    [".status.conditions[*].type", ["Ready", "Synced"]],
    ["..status", [object.status, "True", "False"]],
    [".status.ips[*]", []],
    [".spec.size.deeper", []],
    [".nothing.at.all", []],
  ])("finds what %s names", (path, expected) => {
    expect(compileJsonPath(path)?.(object)).toEqual(expected);
  });

  it.each([["spec.size"], [".spec["], [".a[b]"], [".a[?(@.b ~ 1)]"], [".a..[0]"]])("refuses %s", (path) => {
    expect(compileJsonPath(path)).toBeUndefined();
  });
});
