import { systemClock, type Clock, type Timer } from "@almanac/core";
import { createTokenBucket } from "@almanac/kube";
import { createKeyBackoff, type BackoffOptions } from "./backoff.ts";
import { createQueueMetrics, type QueueInstruments } from "./queue-metrics.ts";

export type Priority = "normal" | "low";

export interface WorkQueueOptions<K> {
  /** The metrics' `name`. */
  readonly name: string;
  /** Identity of a key: what makes two the same. */
  readonly keyOf: (key: K) => string;
  readonly clock?: Clock;
  /** Per-key delay of `retry`, doubling from `baseMs` to `maxMs`. Default: 5 ms to 1,000 s. */
  readonly backoff?: BackoffOptions;
  /** Limits the retries of all keys together. Default: none. */
  readonly retryRate?: { readonly perSecond: number; readonly burst: number };
  readonly instruments?: QueueInstruments;
}

/** What put a key into the queue, for whoever traces it. */
export interface WorkCause {
  /** E.g. `update VirtualMachine`. */
  readonly name: string;
  /** When it was noticed, milliseconds since the epoch. */
  readonly atMs: number;
}

export interface WorkItem<K> {
  readonly key: K;
  /** Of the first `add` that named one; undefined for delayed ones and retries. */
  readonly cause: WorkCause | undefined;
  /** From the first `add` until now, in seconds. */
  readonly waitedSeconds: number;
  /** The highest that it was asked for with. */
  readonly priority: Priority;
}

/** Keys to work on: each at most once in the queue and at most once in work. Disposing ends its timers and metrics. */
export interface WorkQueue<K> extends Disposable {
  /** Ready now. A key in work is queued again once it is done. `low` lets others pass, but not for ever. */
  add(key: K, options?: { readonly priority?: Priority; readonly cause?: WorkCause | undefined }): void;
  /** Ready after `delayMs`; of several the earliest time and the highest priority count. */
  addAfter(key: K, delayMs: number, options?: { readonly priority?: Priority }): void;
  /**
   * Ready after the key's back-off, which doubles. Returns the delay in milliseconds. With the priority of the item that failed, tries that
   * fail over and over do not overtake what someone has just asked for.
   */
  retry(key: K, options?: { readonly priority?: Priority }): number;
  /** The key's back-off starts over. */
  forget(key: K): void;
  /** How often `retry` was called since the last `forget`. */
  retries(key: K): number;
  /** The next key, which the caller must give back with `done`. Undefined after `shutdown`. Rejects with the signal's reason. */
  take(signal?: AbortSignal): Promise<WorkItem<K> | undefined>;
  done(key: K): void;
  /** No more keys are handed out, nothing is added, what waits is dropped. */
  shutdown(): void;
  /** Resolves when nothing is in work. Rejects with the signal's reason. */
  idle(signal?: AbortSignal): Promise<void>;
  /** Keys ready and waiting; not those delayed, nor those in work. */
  readonly depth: number;
  /** Keys in work. */
  readonly working: number;
  /** For how long the longest running key is in work, in milliseconds; 0 when none is. */
  longestRunningMs(): number;
}

interface Waiting<K> {
  readonly key: K;
  readonly addedAtMs: number;
  readonly cause: WorkCause | undefined;
}

interface Delayed {
  readonly timer: Timer;
  readonly dueAtMs: number;
  priority: Priority;
}

interface Taker<K> {
  readonly resolve: (item: WorkItem<K> | undefined) => void;
}

/** Every so many takes the low queue goes first: a steady stream of changes must not keep resyncs from ever happening. */
const lowTurn = 8;

/** Source: client-go, util/workqueue; priorities: controller-runtime's priority queue. */
export function createWorkQueue<K>(options: WorkQueueOptions<K>): WorkQueue<K> {
  const { keyOf, clock = systemClock } = options;
  const backoff = createKeyBackoff(options.backoff);
  const bucket = options.retryRate === undefined ? undefined : createTokenBucket(options.retryRate, clock);
  // Maps keep insertion order and delete anywhere in constant time, which a promotion needs.
  const ready = { normal: new Map<string, Waiting<K>>(), low: new Map<string, Waiting<K>>() };
  const again = new Map<string, Waiting<K> & { priority: Priority }>();
  const delayed = new Map<string, Delayed>();
  const inWork = new Map<string, number>();
  const takers = new Set<Taker<K>>();
  const idlers = new Set<() => void>();
  let takes = 0;
  let closed = false;

  const depth = (): number => ready.normal.size + ready.low.size;
  const metrics = createQueueMetrics(
    options.name,
    {
      get depth() {
        return depth();
      },
      workingSinceMs: () => inWork.values(),
    },
    clock,
    options.instruments,
  );

  function next(): WorkItem<K> | undefined {
    const lowFirst = ready.normal.size === 0 || (ready.low.size > 0 && takes % lowTurn === lowTurn - 1);
    const priority = lowFirst ? "low" : "normal";
    const from = ready[priority];
    for (const [id, { key, addedAtMs, cause }] of from) {
      from.delete(id);
      takes += 1;
      const now = clock.monotonic();
      inWork.set(id, now);
      const waitedSeconds = (now - addedAtMs) / 1000;
      metrics.taken(waitedSeconds);
      return { key, cause, waitedSeconds, priority };
    }
    return undefined;
  }

  function serve(): void {
    for (const taker of takers) {
      const item = next();
      if (item === undefined) return;
      takers.delete(taker);
      taker.resolve(item);
    }
  }

  function enqueue(id: string, waiting: Waiting<K>, priority: Priority): void {
    ready[priority].set(id, waiting);
    serve();
  }

  function add(key: K, priority: Priority, cause?: WorkCause): void {
    if (closed) return;
    const id = keyOf(key);
    if (inWork.has(id)) {
      const known = again.get(id);
      if (known === undefined) {
        again.set(id, { key, addedAtMs: clock.monotonic(), cause, priority });
        metrics.added();
      } else if (priority === "normal") {
        known.priority = "normal";
      }
      return;
    }
    if (ready.normal.has(id)) return;
    const low = ready.low.get(id);
    if (low === undefined) {
      metrics.added();
      enqueue(id, { key, addedAtMs: clock.monotonic(), cause }, priority);
    } else if (priority === "normal") {
      ready.low.delete(id);
      ready.normal.set(id, { ...low, cause: low.cause ?? cause });
    }
  }

  function addAfter(key: K, delayMs: number, priority: Priority): void {
    if (closed) return;
    if (!(delayMs > 0)) {
      add(key, priority);
      return;
    }
    const id = keyOf(key);
    const dueAtMs = clock.monotonic() + delayMs;
    const known = delayed.get(id);
    if (known !== undefined && known.dueAtMs <= dueAtMs) {
      if (priority === "normal") known.priority = "normal";
      return;
    }
    known?.timer.cancel();
    const entry: Delayed = {
      dueAtMs,
      priority: known?.priority === "normal" ? "normal" : priority,
      timer: clock.setTimeout(() => {
        delayed.delete(id);
        add(key, entry.priority);
      }, delayMs),
    };
    delayed.set(id, entry);
  }

  function shutdown(): void {
    if (closed) return;
    closed = true;
    for (const { timer } of delayed.values()) timer.cancel();
    delayed.clear();
    ready.normal.clear();
    ready.low.clear();
    again.clear();
    for (const taker of takers) taker.resolve(undefined);
    takers.clear();
  }

  return {
    add: (key, { priority = "normal", cause } = {}) => add(key, priority, cause),
    addAfter: (key, delayMs, { priority = "normal" } = {}) => addAfter(key, delayMs, priority),
    retry(key, { priority = "normal" } = {}) {
      const delayMs = Math.max(backoff.next(keyOf(key)), bucket?.reserve() ?? 0);
      metrics.retried();
      addAfter(key, delayMs, priority);
      return delayMs;
    },
    forget: (key) => backoff.forget(keyOf(key)),
    retries: (key) => backoff.failures(keyOf(key)),
    async take(signal) {
      signal?.throwIfAborted();
      if (closed) return undefined;
      const item = next();
      if (item !== undefined) return item;
      return new Promise((resolve, reject) => {
        const taker: Taker<K> = {
          resolve(given) {
            signal?.removeEventListener("abort", onAbort);
            resolve(given);
          },
        };
        function onAbort(): void {
          takers.delete(taker);
          reject(signal?.reason as Error);
        }
        signal?.addEventListener("abort", onAbort, { once: true });
        takers.add(taker);
      });
    },
    done(key) {
      const id = keyOf(key);
      const since = inWork.get(id);
      if (since === undefined) return;
      inWork.delete(id);
      metrics.finished((clock.monotonic() - since) / 1000);
      const waiting = again.get(id);
      if (waiting !== undefined) {
        again.delete(id);
        enqueue(id, waiting, waiting.priority);
      }
      if (inWork.size === 0) {
        for (const wake of idlers) wake();
        idlers.clear();
      }
    },
    shutdown,
    async idle(signal) {
      signal?.throwIfAborted();
      if (inWork.size === 0) return;
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          idlers.delete(wake);
          reject(signal?.reason as Error);
        };
        const wake = (): void => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        };
        signal?.addEventListener("abort", onAbort, { once: true });
        idlers.add(wake);
      });
    },
    get depth() {
      return depth();
    },
    get working() {
      return inWork.size;
    },
    longestRunningMs() {
      let longest = 0;
      for (const since of inWork.values()) longest = Math.max(longest, clock.monotonic() - since);
      return longest;
    },
    [Symbol.dispose]() {
      shutdown();
      metrics[Symbol.dispose]();
    },
  };
}
