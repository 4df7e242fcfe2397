import { setMaxListeners } from "node:events";
import { silentLogger, systemClock, type Clock, type Logger, type Timer } from "@almanac/core";
import { createCache, type InformerEvent } from "./cache.ts";
import { KubeError } from "./error.ts";
import { parseLabelSelector } from "./label-selector.ts";
import { apiVersionOf, isOfKind, keyOf, type KubeObject, type ResourceDefinition } from "./objects.ts";
import { runReflector, type ReflectorHealth } from "./reflector.ts";
import type { ResourceClient } from "./resource.ts";
import { createStore } from "./store.ts";

export interface InformerOptions<T> {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Values by which `byIndex` finds an object. One that throws is logged and indexes nothing. `namespace` is built in. */
  readonly indexers?: Readonly<Record<string, (object: T) => readonly string[]>>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Sends every object again as an update, so often (plus up to 10 %). Default: never. */
  readonly resyncMs?: number;
  /** What is kept of an object. Default: everything but `metadata.managedFields`. */
  readonly transform?: (object: T) => T;
  /** No byte from the server for so long, not even a bookmark: the watch is opened anew. Default: 150,000 (bookmarks come every minute). */
  readonly idleTimeoutMs?: number;
  /** Source of jitter, in [0, 1). Default: Math.random. */
  readonly random?: () => number;
}

export interface InformerStatus {
  readonly synced: boolean;
  /** Wall-clock time, in milliseconds since the epoch, of the last list, event or bookmark. */
  readonly lastActivityMs: number | undefined;
  /** Failures since the last healthy watch. */
  readonly failures: number;
  /** Why the last list or watch ended; undefined when it ended as it should. */
  readonly lastError: Error | undefined;
  readonly objects: number;
  readonly resourceVersion: string | undefined;
}

/** A local copy of a resource's objects that follows the server. What it hands out is shared: copy before changing. */
export interface Informer<T extends KubeObject> {
  readonly definition: ResourceDefinition;
  /** Lists and watches until `signal` aborts, and never ends by itself. A second call throws `invalid_options`. */
  start(signal: AbortSignal): void;
  /** True once `start` was called. */
  readonly started: boolean;
  /** Resolves after the first complete list was delivered to the handlers. Rejects with the reason of `signal` or of `start`'s. */
  synced(signal?: AbortSignal): Promise<void>;
  get(namespace: string | undefined, name: string): T | undefined;
  list(namespace?: string): T[];
  /** Throws `invalid_options` for an index that does not exist. */
  byIndex(index: string, value: string): T[];
  /**
   * Called for every change, in order, with the time it was noticed (milliseconds since the epoch); first with an `add` for each object
   * that is there already. What it throws is logged.
   */
  onEvent(handler: (event: InformerEvent<T>, noticedAtMs: number) => void): Disposable;
  /**
   * Puts an object that a write just returned into the store, if it is newer than what is there, and tells the handlers. So a
   * reconcile that follows reads its own writes. A new object that the informer's selection leaves out is not taken, nor with a field
   * selector any new one: only the server can tell. Throws `invalid_options` for an object of another kind.
   */
  observe(object: T): void;
  status(): InformerStatus;
}

interface Handler<T> {
  readonly handle: (event: InformerEvent<T>, noticedAtMs: number) => void;
  /** Number of the first event it gets; earlier ones were part of what it was shown when it was added. */
  readonly since: number;
}

export function createInformer<T extends KubeObject>(
  resource: ResourceClient<T>,
  options: InformerOptions<T> = {},
): Informer<T> {
  const { clock = systemClock, random = Math.random, idleTimeoutMs = 150_000, resyncMs, namespace } = options;
  const { labelSelector, fieldSelector } = options;
  if (!(idleTimeoutMs > 0))
    throw new KubeError("invalid_options", `idleTimeoutMs must be positive, got ${idleTimeoutMs}`);
  if (resyncMs !== undefined && !(resyncMs > 0))
    throw new KubeError("invalid_options", `resyncMs must be positive, got ${resyncMs}`);
  const { definition } = resource;
  const selects = labelSelector === undefined ? () => true : parseLabelSelector(labelSelector);
  const logger = (options.logger ?? silentLogger).child({ informer: definition.plural });
  const store = createStore<T>({
    ...(options.indexers === undefined ? {} : { indexers: options.indexers }),
    onIndexError: (index, key, error) => logger.error("an indexer threw", { index, key, error }),
  });
  const handlers = new Set<Handler<T>>();
  const waiting: { readonly number: number; readonly event: InformerEvent<T>; readonly atMs: number }[] = [];
  let delivering = false;
  let events = 0;

  function tell(handler: Handler<T>, event: InformerEvent<T>, atMs: number): void {
    try {
      handler.handle(event, atMs);
    } catch (error) {
      logger.error("an event handler threw", { event: event.type, key: keyOf(event.object.metadata), error });
    }
  }

  /** In order, even when a handler causes the next event. */
  function emit(event: InformerEvent<T>): void {
    waiting.push({ number: events++, event, atMs: clock.now() });
    if (delivering) return;
    delivering = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      for (const handler of handlers) if (next.number >= handler.since) tell(handler, next.event, next.atMs);
    }
    delivering = false;
  }

  const cache = createCache(store, { transform: options.transform ?? withoutManagedFields, emit, logger });
  const health: ReflectorHealth = { lastActivityMs: undefined, lastError: undefined, failures: 0, lists: 0 };
  let running: AbortSignal | undefined;
  let wake: () => void = () => {};
  const firstSync = new Promise<void>((resolve) => (wake = resolve));

  function keepResyncing(signal: AbortSignal, everyMs: number): void {
    let timer: Timer;
    const arm = (): Timer =>
      clock.setTimeout(
        () => {
          for (const object of [...store.values()]) emit({ type: "update", old: object, object, resync: true });
          timer = arm();
        },
        everyMs * (1 + random() / 10),
      );
    timer = arm();
    signal.addEventListener("abort", () => timer.cancel(), { once: true });
  }

  return {
    definition,
    start(signal) {
      if (running !== undefined)
        throw new KubeError("invalid_options", `the informer of ${definition.plural} was started before: make another`);
      running = signal;
      if (signal.aborted) return;
      // Shared by all informers of a process.
      setMaxListeners(0, signal);
      if (resyncMs !== undefined) keepResyncing(signal, resyncMs);
      const selection = { namespace, labelSelector, fieldSelector };
      const run = { ...selection, resource, cache, health, idleTimeoutMs, clock, logger, random, onListed: wake };
      // It handles every failure itself; a defect in it must not end the process or be lost.
      runReflector(run, signal).catch((error: unknown) => logger.error("the reflector ended", { error }));
    },
    get started() {
      return running !== undefined;
    },
    synced(signal) {
      return until(firstSync, [signal, running]);
    },
    get: (of, name) => store.get(keyOf({ namespace: definition.namespaced ? (of ?? "") : "", name })),
    list: (of) => (of === undefined ? [...store.values()] : store.byIndex("namespace", of)),
    byIndex: (index, value) => store.byIndex(index, value),
    onEvent(handle) {
      const handler = { handle, since: events };
      const atMs = clock.now();
      for (const object of [...store.values()]) tell(handler, { type: "add", object, initial: true }, atMs);
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
    observe(object) {
      if (!isOfKind(object, definition)) {
        throw new KubeError(
          "invalid_options",
          `the informer of ${definition.kind} (${apiVersionOf(definition)}) cannot observe ` +
            `${object.kind} (${object.apiVersion}) ${keyOf(object.metadata)}: call observe of that kind's informer`,
        );
      }
      if (namespace !== undefined && object.metadata.namespace !== namespace) return;
      const isSelected = fieldSelector === undefined && selects?.(object.metadata.labels ?? {}) === true;
      // The caller goes on with its object; the store's must stay as it is.
      cache.observe(copyJson(object), !isSelected);
    },
    status: () => ({
      synced: health.lists > 0,
      lastActivityMs: health.lastActivityMs,
      failures: health.failures,
      lastError: health.lastError,
      objects: store.size,
      resourceVersion: cache.position,
    }),
  };
}

/** Written by the server for itself, often larger than the rest of the object. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  // Not deleted: that would turn each object that is kept into a hash table of its own.
  const { managedFields: _dropped, ...metadata } = object.metadata;
  object.metadata = metadata;
  return object;
}

/** A copy of what JSON can say, at a fraction of structuredClone's cost; texts are shared. */
function copyJson<V>(value: V): V {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as V;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const entry = copyJson((value as Readonly<Record<string, unknown>>)[key]);
    // As JSON.parse does it: an annotation may have any name.
    if (key === "__proto__")
      Object.defineProperty(copy, key, { value: entry, enumerable: true, writable: true, configurable: true });
    else copy[key] = entry;
  }
  return copy as V;
}

/** The promise, or the reason of whichever signal aborts first. Leaves no listener behind. */
function until(promise: Promise<void>, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  const present = signals.filter((signal) => signal !== undefined);
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      for (const [index, signal] of present.entries()) signal.removeEventListener("abort", listeners[index]!);
      act();
    };
    const listeners = present.map((signal) => () => settle(() => reject(signal.reason as Error)));
    promise.then(() => settle(resolve), reject);
    for (const [index, signal] of present.entries()) {
      if (signal.aborted) listeners[index]!();
      else signal.addEventListener("abort", listeners[index]!, { once: true });
    }
  });
}
