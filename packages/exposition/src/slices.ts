import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "@almanac/core";

/**
 * How long work may hold the event loop at a time. A step between two looks at the clock takes a fraction of it.
 */
const sliceMs = 2;

/** Runs a generator to its end, giving the event loop a turn after each slice of time; `onValue` gets what it yields. */
export async function runInSlices<Value, Result>(
  steps: Generator<Value, Result>,
  clock: Clock,
  onValue: (value: Value) => void,
): Promise<Result> {
  let sliceEnd = clock.monotonic() + sliceMs;
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    onValue(step.value);
    if (clock.monotonic() < sliceEnd) continue;
    await nextTurn();
    sliceEnd = clock.monotonic() + sliceMs;
  }
}
