import { describe, expect, it } from "vitest";
import { formatBound, formatValue } from "./number.ts";

describe("formatValue", () => {
  it.each([
    [0, "0"],
    [-0, "-0"],
    [1.5, "1.5"],
    [0.1 + 0.2, "0.30000000000000004"],
    [1_234_567, "1234567"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
    [2 ** 64, "18446744073709552000"],
    [1e21, "1e+21"],
    [5e-324, "5e-324"],
    [Number.MAX_VALUE, "1.7976931348623157e+308"],
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "-Inf"],
  ])("writes %d as %s", (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
});

describe("formatBound", () => {
  // The right column follows the examples of OpenMetrics 1.0.0, "Canonical Numbers".
  it.each([
    [0, "0", "0.0"],
    [-0, "-0", "-0.0"],
    [0.001, "0.001", "0.001"],
    [0.0001, "0.0001", "0.0001"],
    [0.00001, "1e-05", "1e-05"],
    [1e-10, "1e-10", "1e-10"],
    [0.99, "0.99", "0.99"],
    [1, "1", "1.0"],
    [10, "10", "10.0"],
    [-2.5, "-2.5", "-2.5"],
    [100_000, "100000", "100000.0"],
    [299_992, "299992", "299992.0"],
    [1_000_000, "1e+06", "1e+06"],
    [1_234_567, "1.234567e+06", "1.234567e+06"],
    [1e10, "1e+10", "1e+10"],
    [1e100, "1e+100", "1e+100"],
    [Infinity, "+Inf", "+Inf"],
  ])("writes the bound %d as %s in text and %s in OpenMetrics", (bound, text, openMetrics) => {
    expect(formatBound(bound, false)).toBe(text);
    expect(formatBound(bound, true)).toBe(openMetrics);
  });
});
