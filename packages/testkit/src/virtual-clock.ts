import type { Clock } from "@almanac/core";

/** A clock that stands still until it is advanced. */
export interface VirtualClock extends Clock {
  /** Moves time on by `ms`, running due timers in order and letting promise callbacks settle after each. */
  advance(ms: number): Promise<void>;
  /** Timers not yet run or cancelled. */
  readonly pending: number;
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Starts at `startMs` since the epoch (default 2026-01-01T00:00:00Z). */
export function createVirtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  let elapsed = 0;
  let order = 0;
  const entries = new Set<Entry>();

  function nextDue(limit: number): Entry | undefined {
    let due: Entry | undefined;
    for (const entry of entries) {
      if (entry.at > limit) continue;
      if (due === undefined || entry.at < due.at || (entry.at === due.at && entry.order < due.order)) due = entry;
    }
    return due;
  }

  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    setTimeout(callback, delayMs) {
      const entry: Entry = { at: elapsed + Math.max(delayMs, 0), order: order++, callback };
      entries.add(entry);
      return { cancel: () => void entries.delete(entry) };
    },
    async advance(ms) {
      const limit = elapsed + ms;
      await settle();
      for (let due = nextDue(limit); due !== undefined; due = nextDue(limit)) {
        entries.delete(due);
        elapsed = Math.max(elapsed, due.at);
        due.callback();
        await settle();
      }
      elapsed = limit;
      await settle();
    },
    get pending() {
      return entries.size;
    },
  };
}

/** Lets promise chains run dry: setImmediate comes after every queued microtask. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
