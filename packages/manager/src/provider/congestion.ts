import type { Clock, Logger } from "@almanac/core";

interface CongestionOptions {
  /** Slow calls at the same time, before others are put off. */
  readonly limit: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Knows how many calls to a Provider are without an answer for long, and who was put off for them. */
interface Congestion {
  /** How long the holder of the ticket should wait before it asks, milliseconds; 0: now. */
  delayMs(ticket: string): number;
  /** Settles as `answer` does. */
  watch<T>(answer: Promise<T>): Promise<T>;
}

/** An answer that takes longer is slow. */
const slowAfterMs = 1_000;
const shortestDelayMs = 1_000;
const longestDelayMs = 30_000;
/** However many are put off, they come back one by one in such a time: looking in vain costs something too. */
const spacingMs = 10;

/** Memory grows with those that are put off, and is given back once calls are answered again. */
export function createCongestion({ limit, clock, logger }: CongestionOptions): Congestion {
  const putOff = new Set<string>();
  let slow = 0;
  let isTold = false;

  function relax(): void {
    slow -= 1;
    if (slow > 0) return;
    putOff.clear();
    if (!isTold) return;
    isTold = false;
    logger.info("The provider has answered what it had left waiting");
  }

  return {
    delayMs(ticket) {
      if (slow < limit) {
        putOff.delete(ticket);
        return 0;
      }
      if (!isTold) {
        isTold = true;
        logger.warn("The provider leaves requests without an answer: others are put off", { slow, limit });
      }
      putOff.add(ticket);
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
