import type { Clock } from "@almanac/core";
import { createTokenBucket, type TokenBucket } from "./token-bucket.ts";

/** What is to be written for one occurrence; undefined: nothing. */
interface Correlated {
  /** Occurrences with the same identity are counted in one Event. */
  readonly identity: string;
  readonly message: string;
}

interface EventCorrelator {
  correlate(occurrence: {
    readonly object: string;
    readonly type: string;
    readonly reason: string;
    readonly message: string;
  }): Correlated | undefined;
}

interface Similar {
  readonly messages: Set<string>;
  lastAt: number;
}

/** Differing messages about the same reason and object beyond which they are written as one. Source: client-go, tools/record. */
const maxSimilar = 10;
const similarForMs = 600_000;
/** Events per object at once, and after that one in five minutes. Source: as above. */
const perObject = { perSecond: 1 / 300, burst: 25 };
/** Objects and reasons remembered; the least recently used are forgotten. Source: as above. */
const maxRemembered = 4096;

/** Keeps one talkative object from filling etcd: aggregates similar events and limits those of each object. Memory is bounded. */
export function createEventCorrelator(clock: Clock): EventCorrelator {
  const similar = new Map<string, Similar>();
  const buckets = new Map<string, TokenBucket>();
  return {
    correlate({ object, type, reason, message }) {
      const bucket = recent(buckets, object, () => createTokenBucket(perObject, clock));
      if (!bucket.tryTake()) return undefined;
      const group = JSON.stringify([object, type, reason]);
      const now = clock.monotonic();
      const entry = recent(similar, group, () => ({ messages: new Set<string>(), lastAt: now }));
      if (now - entry.lastAt > similarForMs) entry.messages.clear();
      entry.lastAt = now;
      if (!entry.messages.has(message) && entry.messages.size >= maxSimilar) {
        return { identity: `${group} combined`, message: `(combined from similar events): ${message}` };
      }
      entry.messages.add(message);
      return { identity: `${group} ${message}`, message };
    },
  };
}

/** The entry of `key`, made if need be, as the most recently used of `map`. */
export function recent<V>(map: Map<string, V>, key: string, make: () => V): V {
  const value = map.get(key) ?? make();
  map.delete(key);
  map.set(key, value);
  if (map.size > maxRemembered) for (const oldest of map.keys()) return (map.delete(oldest), value);
  return value;
}
