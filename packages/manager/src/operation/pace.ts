import { count as countField, time, whole } from "./decode.ts";

/** Attempts that ended badly, and when the next may begin. */
export interface Failures {
  readonly count: number;
  readonly retryAtMs: number;
  /** A changed specification may be tried at once. */
  readonly generation: number;
}

export const decodeFailures = whole<Failures>({ count: countField, retryAtMs: time, generation: countField });

const shortestPollMs = 200;
const longestPollMs = 5_000;

/** Time to the next question about something that began `ageMs` ago: a quarter of its age, 200 ms to 5 s. */
export function pollDelay(ageMs: number): number {
  return Math.min(longestPollMs, Math.max(shortestPollMs, ageMs / 4));
}

const firstRetryMs = 1_000;
const longestRetryMs = 300_000;

/** The record of one more failed attempt: a second's pause first, doubling to five minutes, plus up to 10 %. */
export function nextFailure(
  before: Failures | undefined,
  now: { readonly nowMs: number; readonly generation: number },
  random: () => number,
): Failures {
  const count = countOf(before, now.generation) + 1;
  const delayMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (count - 1)) * (1 + random() / 10);
  return { count, retryAtMs: Math.ceil(now.nowMs + delayMs), generation: now.generation };
}

/** Failed attempts at this very specification. */
export function countOf(failures: Failures | undefined, generation: number): number {
  return failures?.generation === generation ? failures.count : 0;
}

/**
 * Milliseconds until the next attempt at this very specification; 0: now. A time further away than any pause is, `longestMs`, was noted by a
 * clock that has been set back since, or by somebody else: nobody waits for it.
 */
export function retryIn(
  failures: Failures | undefined,
  now: { readonly nowMs: number; readonly generation: number },
  longestMs: number = longestRetryMs * 1.1,
): number {
  if (failures === undefined || countOf(failures, now.generation) === 0) return 0;
  const inMs = Math.max(0, failures.retryAtMs - now.nowMs);
  // Times are rounded up.
  return inMs > Math.round(longestMs) + 1 ? 0 : inMs;
}
