import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describeError } from "@almanac/core";
import type { Clock, Logger, Timer } from "@almanac/core";

/**
 * Gives memory back after a busy time. V8 lets its heap grow while much is allocated and starts no collection in a process that rests, so one
 * that has made thousands of machines would keep the garbage of that for hours. After one collection V8 shrinks the heap by itself.
 */
export interface IdleCollector extends Disposable {
  /** A reconcile ended. */
  note(): void;
}

const windowMs = 10_000;
/** Less in a window leaves no garbage worth a pause. */
const busy = 1_000;

/** Collects at most once per busy time, when a window of ten seconds had less than a tenth of the busiest one's reconciles. */
export function createIdleCollector(options: {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: one full collection by V8, about 100 ms for 100 MiB that are in use. */
  readonly collect?: () => void;
}): IdleCollector {
  const { clock, logger, collect = collectOnce } = options;
  let inWindow = 0;
  let busiest = 0;
  let timer: Timer = arm();

  function arm(): Timer {
    return clock.setTimeout(() => {
      look();
      timer = arm();
    }, windowMs);
  }

  function look(): void {
    busiest = Math.max(busiest, inWindow);
    const isQuiet = inWindow * 10 < busiest;
    inWindow = 0;
    if (busiest < busy || !isQuiet) return;
    busiest = 0;
    try {
      collect();
    } catch (error) {
      // Only memory is at stake, and V8 collects in time anyway.
      logger.debug("Memory was not given back", { error: describeError(error) });
    }
  }

  return {
    note: () => void (inWindow += 1),
    [Symbol.dispose]: () => timer.cancel(),
  };
}

function collectOnce(): void {
  // The function is there only for whoever asks for it; asking for it at run time needs a context of its own.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: { type: "major"; execution: "async" }) => unknown;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", execution: "async" });
}
