import { describe, expect, it } from "vitest";
import { afterCheck } from "./health.ts";
import type { HealthState } from "./health.ts";

const fresh: HealthState = { healthy: undefined, failures: 0, successes: 0 };

function verdicts(start: HealthState, checks: string, failures: number, successes: number): string {
  let state = start;
  return [...checks]
    .map((check) => {
      state = afterCheck(state, check === "+", { failures, successes });
      return state.healthy === true ? "+" : "-";
    })
    .join("");
}

describe("afterCheck", () => {
  it.each([
    ["a first success is enough by default", fresh, "+", 3, 1, "+"],
    ["a first failure is enough for one that was never healthy", fresh, "-", 3, 1, "-"],
    ["failures below the threshold change nothing", fresh, "+--+--+", 3, 1, "+++++++"],
    ["failures in a row at the threshold do", fresh, "+---", 3, 1, "+++-"],
    ["a success in between starts the row anew", fresh, "+--+---", 3, 1, "++++++-"],
    ["several successes in a row may be asked for", fresh, "++-+++", 1, 3, "-----+"],
  ])("%s", (_name, start, checks, failures, successes, expected) => {
    expect(verdicts(start, checks, failures, successes)).toBe(expected);
  });
});
