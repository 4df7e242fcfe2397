import { describe, expect, it } from "vitest";
import { createAges } from "./ages.ts";

/** A clock whose wall time can be set apart from its monotonic time. */
function createSteppedClock() {
  const at = { wallMs: 1_000_000, monotonicMs: 50 };
  return {
    at,
    pass(ms: number) {
      at.wallMs += ms;
      at.monotonicMs += ms;
    },
    clock: {
      now: () => at.wallMs,
      monotonic: () => at.monotonicMs,
      setTimeout: () => ({ cancel() {} }),
    },
  };
}

describe("createAges", () => {
  it.each([7_200_000, -3_600_000])("is not misled by a step of %i ms", (stepMs) => {
    const { at, clock, pass } = createSteppedClock();
    const ages = createAges(clock);
    const sinceMs = clock.now();
    expect(ages.of("a", "Create", sinceMs)).toBe(0);
    pass(1_000);
    at.wallMs += stepMs;
    expect(ages.of("a", "Create", sinceMs)).toBe(1_000);
    pass(500);
    expect(ages.of("a", "Create", sinceMs)).toBe(1_500);
  });

  it("believes the wall clock of what another process began, but not that it began in the future", () => {
    const { clock, pass } = createSteppedClock();
    const ages = createAges(clock);
    expect(ages.of("a", "Create", clock.now() - 9_000)).toBe(9_000);
    const ahead = clock.now() + 60_000;
    expect(ages.of("a", "Delete", ahead)).toBe(0);
    pass(2_000);
    expect(ages.of("a", "Delete", ahead)).toBe(2_000);
    expect(ages.of("a", "Create", clock.now() - 1)).toBe(1);
  });

  it("remembers a bounded number", () => {
    const { at, clock } = createSteppedClock();
    const ages = createAges(clock);
    const sinceMs = clock.now();
    for (let number = 0; number <= 100_000; number++) ages.of(`${number}`, "Create", sinceMs);
    at.wallMs += 5_000;
    expect(ages.of("0", "Create", sinceMs)).toBe(5_000);
    expect(ages.of("100000", "Create", sinceMs)).toBe(0);
  });
});
