import type { Clock } from "@almanac/core";

/** How long things have been going on whose beginning is kept on an object, in milliseconds since the epoch. */
export interface Ages {
  /**
   * Milliseconds since `sinceMs`, never less than 0. From the first question on it is the monotonic clock that counts: what this process
   * began, or has once seen, grows no older and no younger by a step of the wall clock. `what` names it, one at a time of each object.
   */
  of(uid: string, what: string, sinceMs: number): number;
}

/** More are never under way at a time; what is forgotten is measured by the wall clock again. */
const most = 100_000;

export function createAges(clock: Clock): Ages {
  const seen = new Map<string, { readonly sinceMs: number; readonly monotonicMs: number }>();
  return {
    of(uid, what, sinceMs) {
      const key = `${uid} ${what}`;
      const known = seen.get(key);
      if (known?.sinceMs === sinceMs) return clock.monotonic() - known.monotonicMs;
      const ageMs = Math.max(0, clock.now() - sinceMs);
      seen.delete(key);
      seen.set(key, { sinceMs, monotonicMs: clock.monotonic() - ageMs });
      // Maps keep the order of insertion: the first is the oldest.
      if (seen.size > most) seen.delete(seen.keys().next().value ?? key);
      return ageMs;
    },
  };
}
