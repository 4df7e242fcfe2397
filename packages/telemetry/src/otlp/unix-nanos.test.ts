import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unixNanos, unixNanosText } from "./unix-nanos.ts";

/** Beyond what a double of milliseconds can tell apart, nothing can be exact. */
const times = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 43 }),
  fc.double({ min: 0, max: 4e12, noNaN: true }),
  fc.constantFrom(0, 1, 0.000001, 999.9999999, 1.7e12, 2 ** 43),
);

/** The same with numbers that have no limit. */
function exact(timeMs: number): bigint {
  const whole = Math.floor(timeMs);
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((timeMs - whole) * 1e6));
}

describe("unixNanos", () => {
  it("is exact", () => {
    fc.assert(
      fc.property(times, (timeMs) => {
        const { low, high } = unixNanos(timeMs);
        expect((BigInt(high) << 32n) + BigInt(low)).toBe(exact(timeMs));
      }),
    );
  });

  it.each([-1, NaN, Infinity, -Infinity, 2 ** 60])("makes 0 of %d", (timeMs) => {
    expect(unixNanos(timeMs)).toEqual({ low: 0, high: 0 });
    expect(unixNanosText(timeMs)).toBe("0");
  });
});

describe("unixNanosText", () => {
  it("has all digits", () => {
    fc.assert(
      fc.property(times, (timeMs) => {
        expect(unixNanosText(timeMs)).toBe(String(exact(timeMs)));
      }),
    );
  });
});
