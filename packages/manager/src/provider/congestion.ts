import type { Clock, Logger } from "@almanac/core";

interface CongestionOptions {
  /** Slow calls at the same time, before others are put off. */
  readonly limit: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Knows how many calls to a Provider are without an answer for long, and who was put off for them. */
interface Congestion {
  /**
   * How long the holder of the ticket should wait before it asks, milliseconds; 0: now. Who is put off is woken once the Provider answers
   * again.
   */
  delayMs(ticket: string, wake?: () => void): number;
  /** Settles as `answer` does. */
  watch<T>(answer: Promise<T>): Promise<T>;
}

/** An answer that takes longer is slow. */
const slowAfterMs = 1_000;
const shortestDelayMs = 1_000;
const longestDelayMs = 30_000;
/** However many are put off, they look again one by one in such a time meanwhile: looking in vain costs something too. */
const spacingMs = 10;

/** Memory grows with those that are put off, and is given back once calls are answered again. */
export function createCongestion({ limit, clock, logger }: CongestionOptions): Congestion {
  const putOff = new Map<string, (() => void) | undefined>();
  let slow = 0;
  let isTold = false;

  function relax(): void {
    slow -= 1;
    if (slow > 0) return;
    const wakes = [...putOff.values()];
    putOff.clear();
    for (const wake of wakes) wake?.();
    if (!isTold) return;
    isTold = false;
    logger.info("The provider has answered what it had left waiting", { woken: wakes.length });
  }

  return {
    delayMs(ticket, wake) {
      if (slow < limit) {
        putOff.delete(ticket);
        return 0;
      }
      if (!isTold) {
        isTold = true;
        logger.warn("The provider leaves requests without an answer: others are put off", { slow, limit });
      }
      putOff.set(ticket, wake);
      return Math.min(longestDelayMs, Math.max(shortestDelayMs, putOff.size * spacingMs));
    },
    async watch(answer) {
      let isSlow = false;
      const timer = clock.setTimeout(() => {
        isSlow = true;
        slow += 1;
      }, slowAfterMs);
      try {
        return await answer;
      } finally {
        timer.cancel();
        if (isSlow) relax();
      }
    },
  };
}
