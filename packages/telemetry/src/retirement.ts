import type { Attributes } from "@opentelemetry/api";
import { systemClock, type Clock, type Timer } from "@almanac/core";

export interface Retirement extends Disposable {
  /** Removes the series with all of these labels after `afterMs`; called again for the same labels, that time starts anew. */
  retire(labels: Attributes): void;
  /** Takes `retire` back. */
  retain(labels: Attributes): void;
}

interface RetirementOptions {
  readonly afterMs: number;
  readonly remove: (labels: Attributes) => void;
  readonly clock?: Clock;
}

/** Series of what is gone stay for a while, so that their last increments are still scraped. One timer, however many are waiting. */
export function createRetirement({ afterMs, remove, clock = systemClock }: RetirementOptions): Retirement {
  // All wait equally long, so the order of insertion is the order of their ends.
  const waiting = new Map<string, { readonly labels: Attributes; readonly dueMs: number }>();
  let timer: Timer | undefined;

  function schedule(): void {
    timer?.cancel();
    timer = undefined;
    const [first] = waiting.values();
    if (first === undefined) return;
    timer = clock.setTimeout(removeDue, first.dueMs - clock.monotonic(), { keepAlive: false });
  }

  function removeDue(): void {
    for (const [key, { labels, dueMs }] of waiting) {
      if (dueMs > clock.monotonic()) break;
      waiting.delete(key);
      remove(labels);
    }
    schedule();
  }

  return {
    retire(labels) {
      const key = keyOf(labels);
      waiting.delete(key);
      waiting.set(key, { labels: { ...labels }, dueMs: clock.monotonic() + afterMs });
      schedule();
    },
    retain(labels) {
      if (waiting.delete(keyOf(labels))) schedule();
    },
    [Symbol.dispose]() {
      waiting.clear();
      schedule();
    },
  };
}

function keyOf(labels: Attributes): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
