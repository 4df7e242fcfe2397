import type { Clock } from "@almanac/core";
import type { QueueInstruments } from "./queue-metrics.ts";

export interface WorkQueueOptions<K> {
  /** The metrics' `name`. */
  readonly name: string;
  /** Identity of a key. Default: the key itself, which must then be a string. */
  readonly keyOf?: (key: K) => string;
  readonly clock?: Clock;
  /** Per-key delay of `retry`, doubling from `baseMs` to `maxMs`. Default: 5 ms to 1,000 s. */
  readonly backoff?: { readonly baseMs?: number; readonly maxMs?: number };
  /** Limits the retries of all keys together. Default: none. */
  readonly retryRate?: { readonly perSecond: number; readonly burst: number };
  readonly instruments?: QueueInstruments;
}

export interface WorkItem<K> {
  readonly key: K;
  /** How long it waited, in seconds. */
  readonly waitedSeconds: number;
}

/** Keys to work on: each at most once in the queue and at most once in work. */
export interface WorkQueue<K> extends Disposable {
  /** Ready now. A key in work is queued again once it is done. `low` lets others pass, but not for ever. */
  add(key: K, options?: { readonly priority?: "normal" | "low" }): void;
  /** Ready after `delayMs`; of several the earliest counts. */
  addAfter(key: K, delayMs: number): void;
  /** Ready after the key's back-off, which doubles. Returns the delay in milliseconds. */
  retry(key: K): number;
  /** The key's back-off starts over. */
  forget(key: K): void;
  /** How often `retry` was called since the last `forget`. */
  retries(key: K): number;
  /** The next key, which the caller must give back with `done`. Undefined after `shutdown`. Rejects with the signal's reason. */
  take(signal?: AbortSignal): Promise<WorkItem<K> | undefined>;
  done(key: K): void;
  /** No more keys are handed out, nothing is added. */
  shutdown(): void;
  /** Resolves when nothing is in work. */
  idle(signal?: AbortSignal): Promise<void>;
  /** Keys ready and waiting; not those delayed, nor those in work. */
  readonly depth: number;
  /** Keys in work. */
  readonly working: number;
  /** Since when the longest running key is in work, in milliseconds; 0 when none is. */
  longestRunningMs(): number;
}

export declare function createWorkQueue<K = string>(options: WorkQueueOptions<K>): WorkQueue<K>;
