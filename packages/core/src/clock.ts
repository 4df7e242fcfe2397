/** A pending timer. */
export interface Timer {
  /** Idempotent; after it the callback never runs. */
  cancel(): void;
}

/** Time, as a dependency: long-lived parts receive it, so that tests can move it by hand. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch. May step backwards. */
  now(): number;
  /** Milliseconds from an arbitrary start, with sub-millisecond fraction. Never steps backwards; use it for durations. */
  monotonic(): number;
  /** Runs `callback` once after `delayMs`. With `keepAlive: false` the timer does not keep the process running. Default: true. */
  setTimeout(callback: () => void, delayMs: number, options?: { readonly keepAlive?: boolean }): Timer;
}

// Node clamps longer delays to 1 ms, which would turn "in a month" into "now, for ever".
const longestDelayMs = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(callback, delayMs, options) {
    const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), longestDelayMs));
    if (options?.keepAlive === false) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/**
 * Resolves after `ms` milliseconds. Rejects with the signal's reason as soon as `signal` aborts, leaving neither timer nor
 * listener behind.
 */
export function sleep(
  ms: number,
  options: { readonly signal?: AbortSignal | undefined; readonly clock?: Clock } = {},
): Promise<void> {
  const { signal, clock = systemClock } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    function onAbort(): void {
      timer.cancel();
      reject(signal?.reason as Error);
    }
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
