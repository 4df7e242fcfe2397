import type { StoreEvent } from "./entry.ts";

/** The newest events of one resource, oldest first, bounded by count and bytes. */
export interface History {
  /** Watches from this revision on can be served; older ones are too old. */
  readonly floor: number;
  push(event: StoreEvent): void;
  /** Events after `revision`, oldest first; undefined when some of them have been forgotten. */
  since(revision: number): readonly StoreEvent[] | undefined;
  /** Forgets everything up to `revision`. */
  clear(revision: number): void;
}

export interface HistoryOptions {
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** Revision before which nothing is known. */
  readonly floor: number;
}

export function createHistory(options: HistoryOptions): History {
  const { maxEvents, maxBytes } = options;
  let floor = options.floor;
  let events: StoreEvent[] = [];
  let first = 0;
  let bytes = 0;

  function evict(): void {
    while (events.length - first > maxEvents || (bytes > maxBytes && first < events.length)) {
      const oldest = events[first];
      if (oldest === undefined) break;
      first++;
      bytes -= oldest.entry.json.length;
      floor = oldest.revision;
    }
    // Shifting costs the length of the array, so the dead front is dropped only when it is half of it.
    if (first > 64 && first * 2 > events.length) {
      events = events.slice(first);
      first = 0;
    }
  }

  return {
    get floor() {
      return floor;
    },
    push(event) {
      events.push(event);
      bytes += event.entry.json.length;
      evict();
    },
    since(revision) {
      if (revision < floor) return undefined;
      let low = first;
      let high = events.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((events[middle]?.revision ?? 0) <= revision) low = middle + 1;
        else high = middle;
      }
      return events.slice(low);
    },
    clear(revision) {
      events = [];
      first = 0;
      bytes = 0;
      floor = revision;
    },
  };
}
