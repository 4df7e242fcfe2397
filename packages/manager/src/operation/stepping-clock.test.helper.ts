import { systemClock, type Clock } from "@almanac/core";

/** The system's clock, whose times a story sets forward or back. */
export interface SteppingClock extends Clock {
  /** Somebody sets the wall clock; the monotonic one goes on. Milliseconds. */
  step(ms: number): void;
  /** So much time passes at once, by both; timers do not notice. Milliseconds. */
  skip(ms: number): void;
}

export function createSteppingClock(): SteppingClock {
  let steppedMs = 0;
  let skippedMs = 0;
  return {
    now: () => systemClock.now() + steppedMs + skippedMs,
    monotonic: () => systemClock.monotonic() + skippedMs,
    setTimeout: systemClock.setTimeout.bind(systemClock),
    step: (ms) => void (steppedMs += ms),
    skip: (ms) => void (skippedMs += ms),
  };
}
