import type { Clock, Logger } from "@almanac/core";
import type { KubeObject, ResourceDefinition } from "./objects.ts";
import type { ResourceClient } from "./resource.ts";

export type InformerEvent<T> =
  /** `initial`: it was there at the first list, or when the handler was added. */
  | { readonly type: "add"; readonly object: T; readonly initial: boolean }
  /** `resync`: nothing changed, `old` and `object` are the same. */
  | { readonly type: "update"; readonly old: T; readonly object: T; readonly resync: boolean }
  /** `finalStateUnknown`: the deletion itself was missed; `object` is the last state seen. */
  | { readonly type: "delete"; readonly object: T; readonly finalStateUnknown: boolean };

export interface InformerOptions<T> {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Values by which `byIndex` finds an object. One that throws is logged and indexes nothing. */
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
  /** Wall-clock time, in milliseconds since the epoch, of the last answer, event or bookmark. */
  readonly lastActivityMs: number | undefined;
  /** Failures since the last healthy watch. */
  readonly failures: number;
  readonly lastError: Error | undefined;
  readonly objects: number;
  readonly resourceVersion: string | undefined;
}

/** A local copy of a resource's objects that follows the server. */
export interface Informer<T extends KubeObject> {
  readonly definition: ResourceDefinition;
  /** Lists and watches until `signal` aborts, and never ends by itself. A second call is an error. */
  start(signal: AbortSignal): void;
  /** Resolves after the first complete list was delivered to the handlers. Rejects with the signal's reason. */
  synced(signal?: AbortSignal): Promise<void>;
  get(namespace: string | undefined, name: string): T | undefined;
  list(namespace?: string): T[];
  byIndex(index: string, value: string): T[];
  /** Called for every change, in order; first with an `add` for each object that is there already. What it throws is logged. */
  onEvent(handler: (event: InformerEvent<T>) => void): Disposable;
  /**
   * Puts an object that a write just returned into the store, if it is newer than what is there, and tells the handlers. So a
   * reconcile that follows reads its own writes. With a label or field selector only objects already in the store are taken.
   */
  observe(object: T): void;
  status(): InformerStatus;
}

export declare function createInformer<T extends KubeObject>(
  resource: ResourceClient<T>,
  options?: InformerOptions<T>,
): Informer<T>;
