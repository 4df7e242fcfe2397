import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { statusPatch } from "./status-patch.ts";

type Json = Record<string, unknown>;

/** RFC 7386, written from its pseudo code. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Json = typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

describe("statusPatch", () => {
  it("is undefined for equal statuses, whatever the order of their keys", () => {
    expect(statusPatch({ a: 1, b: { c: 1, d: 2 } }, { b: { d: 2, c: 1 }, a: 1 })).toBeUndefined();
    expect(statusPatch(undefined, {})).toBeUndefined();
  });

  it("names what changed only, and removes what is gone", () => {
    expect(statusPatch({ id: "vm-1", ips: ["a"], phase: "Running" }, { ips: ["b"], phase: "Running" })).toEqual({
      id: null,
      ips: ["b"],
    });
    expect(statusPatch({ runtime: { phase: "Pending", message: "wait" } }, { runtime: { phase: "Running" } })).toEqual({
      runtime: { phase: "Running", message: null },
    });
  });

  // Invariant: applied to the old status, the patch gives the new one.
  it("turns any status of this API's depth into any other", () => {
    const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string(), { maxLength: 2 }));
    const keys = fc.constantFrom("a", "b", "c", "d");
    const flat = fc.dictionary(keys, scalar);
    const status = fc.dictionary(keys, fc.oneof(scalar, flat));
    fc.assert(
      fc.property(status, status, (from, to) => {
        expect(merge(from, statusPatch(from, to) ?? {})).toEqual(to);
      }),
      { seed: 20_260_101 },
    );
  });
});
