import { describe, expect, it } from "vitest";
import { nextFailure, pollDelay } from "./pace.ts";

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
