import { describe, expect, it } from "vitest";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { retentionOf } from "./retention.ts";

const hourMs = 3_600_000;

function snapshot(name: string, createdAtMs: number | undefined, spec: object = {}): VMSnapshot {
  const journal = JSON.stringify(createdAtMs === undefined ? {} : { uid: name, id: name, createdAtMs });
  return {
    metadata: { name, uid: name, annotations: { "almanac.dev/operation": journal } },
    spec: { vmRef: { name: "web" }, ...spec },
  } as unknown as VMSnapshot;
}

const policy = (retentionPolicy: object, pinned = false) => ({ retentionPolicy, metadata: { pinned } });

describe("retentionOf", () => {
  it.each([
    ["no policy", {}, undefined],
    ["a policy without limits", policy({ gracePeriod: "1h" }), undefined],
    ["an age, with a day of grace", policy({ maxAge: "2h" }), [2 * hourMs, 26 * hourMs]],
    ["an age without grace", policy({ maxAge: "2h", gracePeriod: "0s" }), [2 * hourMs, 2 * hourMs]],
    ["an age of one that is pinned", policy({ maxAge: "2h" }, true), undefined],
    [
      "pins that do not count",
      policy({ maxAge: "2h", gracePeriod: "0s", preservePinned: false }, true),
      [2 * hourMs, 2 * hourMs],
    ],
    ["a count that is not reached", policy({ maxCount: 3, gracePeriod: "0s" }), undefined],
    ["a count reached by the second newer one", policy({ maxCount: 2, gracePeriod: "1h" }), [20, 20 + hourMs]],
    ["whatever comes first", policy({ maxCount: 1, maxAge: "2h", gracePeriod: "0s" }), [10, 10]],
  ] as [string, object, [number, number] | undefined][])("reckons with %s", (_what, spec, expected) => {
    const siblings = [
      snapshot("newer", 10),
      snapshot("newest", 20),
      snapshot("underway", undefined),
      snapshot("older", -10),
      snapshot("fixed", 5, { metadata: { pinned: true } }),
    ];
    const found = retentionOf(snapshot("it", 0, spec), siblings);
    expect(found === undefined ? undefined : [found.expiresAtMs, found.deletesAtMs]).toEqual(expected);
  });

  it("expires one of two that came at the same moment", () => {
    const spec = policy({ maxCount: 1, gracePeriod: "0s" });
    const [a, b] = [snapshot("a", 0, spec), snapshot("b", 0, spec)];
    expect([retentionOf(a, [a, b]), retentionOf(b, [a, b])].filter((found) => found !== undefined)).toHaveLength(1);
  });

  it("names a duration that cannot be understood", () => {
    expect(() => retentionOf(snapshot("it", 0, policy({ maxAge: "soon" })), [])).toThrow(
      /spec\.retentionPolicy\.maxAge is "soon"/,
    );
  });
});
