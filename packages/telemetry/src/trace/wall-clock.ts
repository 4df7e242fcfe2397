import type { HrTime } from "@opentelemetry/api";
import { millisToHrTime } from "@opentelemetry/core";

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

let lastOffset = Number.NaN;
let [offsetSeconds, offsetNanos]: HrTime = [0, 0];

/** A time of `performance.now()` as OpenTelemetry writes times: seconds since 1970, and nanoseconds. */
export function toHrTime(now: number, offset: number): HrTime {
  if (offset !== lastOffset) {
    [offsetSeconds, offsetNanos] = millisToHrTime(offset);
    lastOffset = offset;
  }
  // Apart from the offset, beside which there would be no room for nanoseconds in a double.
  const seconds = Math.trunc(now / 1_000);
  const nanos = offsetNanos + Math.round((now - seconds * 1_000) * 1e6);
  const carried = Math.floor(nanos / 1e9);
  return [offsetSeconds + seconds + carried, nanos - carried * 1e9];
}
