import type { HrTime } from "@opentelemetry/api";
import { addHrTimes, millisToHrTime } from "@opentelemetry/core";

let offsetMs = performance.timeOrigin;

/**
 * What to add to times of `performance.now()` to have those of the wall clock, in milliseconds. It is the same for all spans until the wall
 * clock is set, so that times of one process are in order to the microsecond.
 */
export function wallOffsetMs(now: number): number {
  const wall = Date.now();
  // The wall clock tells whole milliseconds that have passed.
  const ahead = wall - (now + offsetMs);
  if (ahead > 1 || ahead < -2) offsetMs = wall - now;
  return offsetMs;
}

/** A time of `performance.now()` as OpenTelemetry writes times: seconds since 1970, and nanoseconds. */
export function toHrTime(now: number, offset: number): HrTime {
  return addHrTimes(millisToHrTime(offset), millisToHrTime(now));
}
