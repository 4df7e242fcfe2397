import { describe, expect, it } from "vitest";
import { findCondition, withCondition, withoutCondition } from "./conditions.ts";

const first = { generation: 1, nowMs: Date.UTC(2026, 0, 1) };
const later = { generation: 2, nowMs: Date.UTC(2026, 0, 2) };

describe("withCondition", () => {
  it("moves the transition time only when the status changes", () => {
    const before = withCondition(undefined, { type: "Ready", status: "False", reason: "A", message: "a" }, first);
    const same = withCondition(before, { type: "Ready", status: "False", reason: "B", message: "b" }, later);
    expect(same).toEqual([
      {
        type: "Ready",
        status: "False",
        reason: "B",
        message: "b",
        lastTransitionTime: "2026-01-01T00:00:00Z",
        observedGeneration: 2,
      },
    ]);
    const changed = withCondition(same, { type: "Ready", status: "True", reason: "C", message: "c" }, later);
    expect(changed[0]?.lastTransitionTime).toBe("2026-01-02T00:00:00Z");
  });

  it("keeps the others where they are and does not change its argument", () => {
    const before = ["A", "B", "C"].reduce<ReturnType<typeof withCondition>>(
      (all, type) => withCondition(all, { type, status: "True", reason: "X", message: "" }, first),
      [],
    );
    const frozen = structuredClone(before);
    const after = withCondition(before, { type: "B", status: "False", reason: "Y", message: "" }, later);
    expect(after.map(({ type }) => type)).toEqual(["A", "B", "C"]);
    expect(before).toEqual(frozen);
    expect(withoutCondition(after, "B").map(({ type }) => type)).toEqual(["A", "C"]);
    expect(findCondition(after, "B")?.reason).toBe("Y");
  });

  it("cuts a message that the API would refuse", () => {
    const [condition] = withCondition(
      [],
      { type: "Ready", status: "True", reason: "X", message: "x".repeat(40_000) },
      first,
    );
    expect(condition?.message).toHaveLength(32_768);
  });
});
