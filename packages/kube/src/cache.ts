import type { Logger } from "@almanac/core";
import { compareResourceVersions, type KubeObject } from "./objects.ts";
import { storeKey, type Store } from "./store.ts";
import type { WatchEvent } from "./resource.ts";

export type InformerEvent<T> =
  /** `initial`: it was there at the first list, or when the handler was added. */
  | { readonly type: "add"; readonly object: T; readonly initial: boolean }
  /** `resync`: nothing changed, `old` and `object` are the same. */
  | { readonly type: "update"; readonly old: T; readonly object: T; readonly resync: boolean }
  /** `finalStateUnknown`: the deletion itself was missed; `object` is the last state seen. */
  | { readonly type: "delete"; readonly object: T; readonly finalStateUnknown: boolean };

/** Turns what the server says into the state of a store and the events of its changes. */
export interface Cache<T extends KubeObject> {
  /** A list is about to be read; writes observed from now on may be newer than it. */
  beginList(): void;
  /** The list is complete: it becomes the store's content. */
  replace(items: readonly T[], resourceVersion: string, initial: boolean): void;
  /** One event of the watch. True when it was news. */
  apply(event: WatchEvent<T>): boolean;
  /** An object that a write returned. */
  observe(object: T, knownOnly: boolean): void;
  /** Up to where the server's history is known: the version to watch from. Undefined before the first list. */
  readonly position: string | undefined;
}

/** Deletions remembered to tell a duplicate of an older event from a new object. */
const maxTombstones = 1024;

export function createCache<T extends KubeObject>(
  store: Store<T>,
  options: {
    readonly transform: (object: T) => T;
    readonly emit: (event: InformerEvent<T>) => void;
    readonly logger: Logger;
  },
): Cache<T> {
  const { transform, emit, logger } = options;
  const tombstones = new Map<string, string>();
  let observedDuringList: Map<string, string> | undefined;
  let position: string | undefined;
  let listedAt: string | undefined;

  function shaped(object: T): T {
    try {
      return transform(object);
    } catch (error) {
      logger.error("an informer's transform threw, the object is kept as it is", { error });
      return object;
    }
  }

  /** Stores `object` and says what changed. */
  function put(key: string, object: T, initial: boolean, events: InformerEvent<T>[]): void {
    const kept = shaped(object);
    const old = store.set(key, kept);
    tombstones.delete(key);
    if (old === undefined) {
      events.push({ type: "add", object: kept, initial });
    } else if (old.metadata.uid !== kept.metadata.uid) {
      // Deleted and made again under the same name, with the deletion missed. As an update it would slip through predicates that
      // compare generations.
      events.push({ type: "delete", object: old, finalStateUnknown: true }, { type: "add", object: kept, initial });
    } else {
      events.push({ type: "update", old, object: kept, resync: false });
    }
  }

  function bury(key: string, version: string | undefined): void {
    if (version === undefined) return;
    tombstones.delete(key);
    tombstones.set(key, version);
    for (const oldest of tombstones.keys()) {
      if (tombstones.size <= maxTombstones) break;
      tombstones.delete(oldest);
    }
  }

  function emitAll(events: readonly InformerEvent<T>[]): void {
    for (const event of events) emit(event);
  }

  return {
    beginList() {
      observedDuringList = new Map();
    },
    replace(items, resourceVersion, initial) {
      const observed = observedDuringList;
      observedDuringList = undefined;
      tombstones.clear();
      const events: InformerEvent<T>[] = [];
      const listed = new Set<string>();
      for (const item of items) {
        const key = storeKey(item);
        listed.add(key);
        const old = store.get(key);
        if (old !== undefined) {
          const version = old.metadata.resourceVersion;
          if (version === item.metadata.resourceVersion && old.metadata.uid === item.metadata.uid) continue;
          if (observed?.has(key) === true && isNewer(version, item.metadata.resourceVersion)) continue;
        }
        put(key, item, initial, events);
      }
      for (const key of [...store.keys()]) {
        if (listed.has(key) || isNewer(observed?.get(key), resourceVersion)) continue;
        const old = store.delete(key);
        if (old !== undefined) events.push({ type: "delete", object: old, finalStateUnknown: true });
      }
      position = listedAt = resourceVersion;
      // After the store is whole: a handler may look at other objects.
      emitAll(events);
    },
    apply(event) {
      if (event.type === "BOOKMARK") {
        const order = compareResourceVersions(event.resourceVersion, position);
        const moved = order === undefined ? event.resourceVersion !== position : order > 0;
        if (moved) position = event.resourceVersion;
        return moved;
      }
      const { object } = event;
      const key = storeKey(object);
      const version = object.metadata.resourceVersion;
      const old = store.get(key);
      // Of an object that is not there, the list and later deletions tell what is old.
      const known = old?.metadata.resourceVersion ?? tombstones.get(key) ?? listedAt;
      const order = compareResourceVersions(version, known);
      // A deletion may carry the version of the last state, on servers that do not give it one of its own.
      const stale =
        event.type === "DELETED"
          ? order !== undefined && order < 0
          : order === undefined
            ? version !== undefined && version === known
            : order <= 0;
      if (version !== undefined && (compareResourceVersions(version, position) ?? 1) > 0) position = version;
      if (stale) return false;
      const events: InformerEvent<T>[] = [];
      if (event.type === "DELETED") {
        store.delete(key);
        bury(key, version);
        if (old === undefined) return false;
        events.push({ type: "delete", object: shaped(object), finalStateUnknown: false });
      } else {
        put(key, object, false, events);
      }
      emitAll(events);
      return true;
    },
    observe(object, knownOnly) {
      const key = storeKey(object);
      const version = object.metadata.resourceVersion;
      const old = store.get(key);
      if (version === undefined || (old === undefined && knownOnly)) return;
      // Without an order of versions an old answer cannot be told from a new one; the watch will bring it. And what is not newer than
      // the position but not in the store has been deleted since.
      if (!isNewer(version, old === undefined ? position : old.metadata.resourceVersion)) return;
      observedDuringList?.set(key, version);
      const events: InformerEvent<T>[] = [];
      put(key, object, false, events);
      emitAll(events);
    },
    get position() {
      return position;
    },
  };
}

function isNewer(version: string | undefined, than: string | undefined): boolean {
  return (compareResourceVersions(version, than) ?? -1) > 0;
}
