/** A server's Retry-After is taken for so long at most: what told it may be well again within seconds. */
export const longestRetryAfterMs = 30_000;

interface Backoff {
  /** Milliseconds to wait now; doubles with every call. */
  next(): number;
  reset(): void;
  /** Calls of `next` since the last `reset`. */
  readonly failures: number;
}

/** Between one and two times a delay that doubles from `baseMs` to `maxMs`. Source of the defaults: client-go's reflector. */
export function createJitteredBackoff(
  options: { readonly baseMs?: number; readonly maxMs?: number; readonly random?: () => number } = {},
): Backoff {
  const { baseMs = 800, maxMs = 30_000, random = Math.random } = options;
  let failures = 0;
  return {
    next() {
      const delay = Math.min(baseMs * 2 ** failures, maxMs);
      failures += 1;
      return delay * (1 + random());
    },
    reset() {
      failures = 0;
    },
    get failures() {
      return failures;
    },
  };
}
