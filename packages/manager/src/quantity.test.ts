import { describe, expect, it } from "vitest";
import { parseBytes, parseGibibytes, parseMebibytes } from "./quantity.ts";

describe("parseBytes", () => {
  it.each([
    ["4Gi", 4 * 2 ** 30],
    [1_073_741_824, 2 ** 30],
    ["1073741824", 2 ** 30],
    ["512M", 512e6],
    ["1e9", 1e9],
    ["1.5Gi", 1.5 * 2 ** 30],
    ["128974848000m", 128_974_848],
    ["+2Ki", 2048],
  ])("reads %s", (quantity, bytes) => {
    expect(parseBytes(quantity, "spec.memory")).toBe(bytes);
  });

  it.each(["", "Gi", "-1Gi", 0, "4GiB", "four", "1e400"])("refuses %j and names the field", (quantity) => {
    expect(() => parseBytes(quantity, "spec.memory")).toThrow(/^\[invalid_spec\] spec\.memory is /);
  });
});

describe("parseMebibytes", () => {
  it("rounds up, so that a machine never gets less than was asked for", () => {
    expect(parseMebibytes("1000M", "spec.memory")).toBe(954);
    expect(parseMebibytes("2Gi", "spec.memory")).toBe(2048);
  });
});

describe("parseGibibytes", () => {
  it("rounds up", () => {
    expect(parseGibibytes("40Gi", "size")).toBe(40);
    expect(parseGibibytes("40001Mi", "size")).toBe(40);
    expect(parseGibibytes("40961Mi", "size")).toBe(41);
  });
});
