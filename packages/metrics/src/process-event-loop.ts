import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { stack } from "@almanac/catalog";
import { sharedReading } from "./shared-reading.ts";
import type { Instruments } from "./types.ts";

const nanosecondsPerSecond = 1e9;
const resolutionMs = 10;
const resolutionSeconds = resolutionMs / 1000;

/** Delay of the event loop: one probe per collection, and a sampled distribution between collections. */
export function observeEventLoop(instruments: Instruments<typeof stack>): Disposable[] {
  const monitor = monitorEventLoopDelay({ resolution: resolutionMs });
  monitor.enable();

  const delays = sharedReading(() => {
    // Without a sample the histogram answers with the largest 64-bit number and NaN.
    if (monitor.count === 0) return undefined;
    // Node samples the time between two timer runs, its own interval included, which is no delay.
    const delay = (nanoseconds: number): number => Math.max(0, nanoseconds / nanosecondsPerSecond - resolutionSeconds);
    const reading = {
      min: delay(monitor.min),
      max: delay(monitor.max),
      mean: delay(monitor.mean),
      stddev: monitor.stddev / nanosecondsPerSecond,
      p50: delay(monitor.percentile(50)),
      p90: delay(monitor.percentile(90)),
      p99: delay(monitor.percentile(99)),
    };
    monitor.reset();
    return reading;
  });

  type Statistic = keyof NonNullable<ReturnType<typeof delays>>;
  const statistic = (name: Statistic) =>
    instruments[`nodejs_eventloop_lag_${name}_seconds`].observe((observe) => {
      const reading = delays();
      if (reading !== undefined) observe(reading[name]);
    });

  return [
    instruments.nodejs_eventloop_lag_seconds.observe(async (observe) => {
      const queuedAt = performance.now();
      await nextTurn();
      observe((performance.now() - queuedAt) / 1000);
    }),
    ...(["min", "max", "mean", "stddev", "p50", "p90", "p99"] as const).map(statistic),
    { [Symbol.dispose]: () => void monitor.disable() },
  ];
}
