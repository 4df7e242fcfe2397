import { describe, expect, it } from "vitest";
import { age, humanDuration } from "./age.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

describe("humanDuration", () => {
  it.each([
    [-3 * second, "<invalid>"],
    [-500, "0s"],
    [0, "0s"],
    [119 * second, "119s"],
    [2 * minute, "2m"],
    [9 * minute + 5 * second, "9m5s"],
    [179 * minute, "179m"],
    [3 * hour, "3h"],
    [7 * hour + 59 * minute, "7h59m"],
    [47 * hour, "47h"],
    [2 * day, "2d"],
    [7 * day + 3 * hour, "7d3h"],
    [8 * day + 3 * hour, "8d"],
    [729 * day, "729d"],
    [730 * day + day, "2y1d"],
    [365 * 9 * day, "9y"],
  ])("prints %i ms as %s", (ms, expected) => {
    expect(humanDuration(ms)).toBe(expected);
  });
});

describe("age", () => {
  it.each([
    [undefined, "<unknown>"],
    ["", "<unknown>"],
    ["yesterday", "<invalid>"],
    ["2026-01-01T00:00:00Z", "5s"],
  ])("of %s is %s", (time, expected) => {
    expect(age(time, Date.UTC(2026, 0, 1, 0, 0, 5))).toBe(expected);
  });
});
