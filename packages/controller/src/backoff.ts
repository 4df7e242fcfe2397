import { ControllerError } from "./error.ts";

export interface BackoffOptions {
  /** First delay. Default: 5. */
  readonly baseMs?: number;
  /** Longest delay. Default: 1,000,000. */
  readonly maxMs?: number;
}

/** Delay per key that doubles with every failure until it is forgotten. Memory grows with the keys that fail. */
interface KeyBackoff {
  next(key: string): number;
  failures(key: string): number;
  forget(key: string): void;
}

/** Source of the defaults: client-go, DefaultTypedControllerRateLimiter. Throws ControllerError `invalid_options`. */
export function createKeyBackoff(options: BackoffOptions = {}): KeyBackoff {
  const { baseMs = 5, maxMs = 1_000_000 } = options;
  if (!(baseMs > 0 && baseMs <= maxMs)) {
    throw new ControllerError(
      "invalid_options",
      `a back-off needs 0 < baseMs <= maxMs, got baseMs=${baseMs} maxMs=${maxMs}`,
    );
  }
  const failures = new Map<string, number>();
  return {
    next(key) {
      const seen = failures.get(key) ?? 0;
      failures.set(key, seen + 1);
      // 2 ** seen overflows to Infinity, which min() turns back into the cap.
      return Math.min(baseMs * 2 ** seen, maxMs);
    },
    failures: (key) => failures.get(key) ?? 0,
    forget: (key) => void failures.delete(key),
  };
}
