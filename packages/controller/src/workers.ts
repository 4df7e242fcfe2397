import { context as contexts, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Clock } from "@almanac/core";

interface WorkersOptions {
  /** Workers at the same time. */
  readonly count: number;
  /** A wait as long as this gives its worker's place to another. */
  readonly lendAfterMs: number;
  readonly clock: Clock;
  /** One piece of work. False: there will be no more. Must not reject. */
  readonly work: () => Promise<boolean>;
}

/** A fixed number of workers, of which those that wait for somebody else are not counted. */
export interface Workers {
  /** Settles as `waiting` does. Called within a piece of work; after `lendAfterMs` another worker takes its place. */
  readonly lend: <T>(waiting: Promise<T>) => Promise<T>;
  /** Resolves when `work` has told every worker that there is no more. */
  readonly ended: Promise<void>;
}

/** Starts them. After a wait there is one too many, until the next of them ends its piece of work: nobody is made to wait twice. */
export function createWorkers(options: WorkersOptions): Workers {
  const { count, lendAfterMs, clock, work } = options;
  const ended = Promise.withResolvers<void>();
  let present = 0;
  let surplus = 0;

  async function serve(): Promise<void> {
    while (await work()) {
      if (surplus === 0) continue;
      surplus -= 1;
      break;
    }
    present -= 1;
    if (present === 0) ended.resolve();
  }

  // Within the trace of whoever starts it, or lends, all that comes after would belong to it.
  const hire = contexts.bind(ROOT_CONTEXT, () => {
    present += 1;
    void serve();
  });

  for (let started = 0; started < count; started++) hire();
  return {
    async lend(waiting) {
      let lent = false;
      const timer = clock.setTimeout(() => {
        lent = true;
        if (surplus > 0) surplus -= 1;
        else hire();
      }, lendAfterMs);
      try {
        return await waiting;
      } finally {
        timer.cancel();
        if (lent) surplus += 1;
      }
    },
    ended: ended.promise,
  };
}
