import { describe, expect, it } from "vitest";
import { parseDuration } from "./duration.ts";

describe("parseDuration", () => {
  it.each([
    ["300ms", 300],
    ["30s", 30_000],
    ["1.5h", 5_400_000],
    ["2h45m", 9_900_000],
    [".5s", 500],
    ["1m0.5s", 60_500],
    ["250us", 0.25],
    ["250µs", 0.25],
  ])("reads %s", (text, ms) => {
    expect(parseDuration(text, "spec.x")).toBeCloseTo(ms);
  });

  it.each(["", "30", "s", "30 s", "-1s", "0s", "1d", "1s2", "1e3s"])("refuses %j and names the field", (text) => {
    expect(() => parseDuration(text, "spec.healthCheck.interval")).toThrow(
      `[invalid_spec] spec.healthCheck.interval is ${JSON.stringify(text)}; write a duration greater than 0`,
    );
  });
});
