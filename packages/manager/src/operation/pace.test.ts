import { describe, expect, it } from "vitest";
import { nextFailure, pollDelay, retryIn } from "./pace.ts";

const now = 1_000_000;

describe("pollDelay", () => {
  it("grows with age between 200 ms and 5 s", () => {
    expect([0, 800, 4_000, 20_000, 3_600_000].map(pollDelay)).toEqual([200, 200, 1_000, 5_000, 5_000]);
  });
});

describe("nextFailure", () => {
  it("doubles from a second to five minutes and begins anew with another generation", () => {
    const delays: number[] = [];
    let failures: ReturnType<typeof nextFailure> | undefined;
    for (let count = 0; count < 11; count++) {
      failures = nextFailure(failures, { nowMs: now, generation: 1 }, () => 0);
      delays.push(failures.retryAtMs - now);
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 1_000));
    expect(nextFailure(failures, { nowMs: now, generation: 2 }, () => 0.5)).toEqual({
      count: 1,
      retryAtMs: now + 1_050,
      generation: 2,
    });
  });
});

describe("retryIn", () => {
  const failed = (inMs: number, generation = 1) => ({ count: 1, retryAtMs: now + inMs, generation });

  it.each([
    [failed(5_000), 5_000],
    [failed(-1), 0],
    [failed(5_000, 2), 0],
    [undefined, 0],
    [failed(330_000), 330_000],
    // Nothing here ever waits that long.
    [failed(330_002), 0],
    [failed(9e12), 0],
  ])("of %j is %j", (failures, inMs) => {
    expect(retryIn(failures, { nowMs: now, generation: 1 })).toBe(inMs);
  });

  it("believes a longer pause where one was asked for", () => {
    expect(retryIn(failed(3_600_000), { nowMs: now, generation: 1 }, 3_600_000)).toBe(3_600_000);
  });
});
