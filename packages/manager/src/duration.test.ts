import { describe, expect, it } from "vitest";
import { parseDuration, parsePause } from "./duration.ts";

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

describe("parsePause", () => {
  it.each([
    ["0", 0],
    ["0s", 0],
    ["0h0m", 0],
    ["90m", 5_400_000],
  ])("reads %s", (text, ms) => {
    expect(parsePause(text, "spec.x")).toBe(ms);
  });

  it.each(["", "-5m", "5", "0d", "soon"])("refuses %j without asking for more than 0", (text) => {
    expect(() => parsePause(text, "spec.x")).toThrow(
      `[invalid_spec] spec.x is ${JSON.stringify(text)}; write a duration of at least 0`,
    );
  });
});
