import type { Entry, StoreEvent } from "./entry.ts";
import type { History } from "./history.ts";
import { keyOf } from "./entry.ts";

export type EventListener = (event: StoreEvent) => void;

/** All objects of one resource, with an index per namespace. */
export interface Collection {
  readonly size: number;
  /** Objects in one namespace. */
  count(namespace: string): number;
  readonly history: History;
  get(namespace: string, name: string): Entry | undefined;
  /** Entries in key order, of one namespace or all. */
  sorted(namespace?: string): readonly Entry[];
  /** The same as of an older revision; undefined when the history does not reach back so far. */
  sortedAt(revision: number, namespace?: string): readonly Entry[] | undefined;
  apply(event: StoreEvent): void;
  /** Puts an entry read from disk, without an event. */
  load(entry: Entry): void;
  unload(namespace: string, name: string): void;
  /** Calls `listener` synchronously with every later event, of one namespace or all. Returns what ends it. */
  subscribe(namespace: string | undefined, listener: EventListener): () => void;
}

// Pages of one list ask for the same revision again and again; more than a few lists at once are rare.
const snapshotsKept = 4;

export function createCollection(history: History): Collection {
  const namespaces = new Map<string, Map<string, Entry>>();
  const orders = new Map<string | undefined, readonly Entry[]>();
  const listeners = new Map<string | undefined, Set<EventListener>>();
  const snapshots = new Map<string, readonly Entry[]>();
  let size = 0;

  function set(entry: Entry): void {
    let names = namespaces.get(entry.namespace);
    if (names === undefined) namespaces.set(entry.namespace, (names = new Map<string, Entry>()));
    if (!names.has(entry.name)) size++;
    names.set(entry.name, entry);
    forgetOrder(entry.namespace);
  }

  function remove(namespace: string, name: string): void {
    const names = namespaces.get(namespace);
    if (names?.delete(name) !== true) return;
    size--;
    if (names.size === 0) namespaces.delete(namespace);
    forgetOrder(namespace);
  }

  function forgetOrder(namespace: string): void {
    orders.delete(undefined);
    orders.delete(namespace);
  }

  function sorted(namespace?: string): readonly Entry[] {
    let order = orders.get(namespace);
    if (order === undefined) {
      const entries =
        namespace === undefined
          ? [...namespaces.values()].flatMap((names) => [...names.values()])
          : [...(namespaces.get(namespace)?.values() ?? [])];
      order = entries.sort(byKey);
      orders.set(namespace, order);
    }
    return order;
  }

  return {
    history,
    get size() {
      return size;
    },
    count: (namespace) => namespaces.get(namespace)?.size ?? 0,
    get: (namespace, name) => namespaces.get(namespace)?.get(name),
    sorted,
    sortedAt(revision, namespace) {
      const events = history.since(revision);
      if (events === undefined) return undefined;
      if (events.length === 0) return sorted(namespace);
      const id = `${revision} ${namespace ?? "*"}`;
      let snapshot = snapshots.get(id);
      if (snapshot === undefined) {
        snapshot = undo(sorted(namespace), events, namespace);
        snapshots.set(id, snapshot);
        const oldest = snapshots.keys().next().value;
        if (snapshots.size > snapshotsKept && oldest !== undefined) snapshots.delete(oldest);
      }
      return snapshot;
    },
    apply(event) {
      if (event.type === "DELETED") remove(event.entry.namespace, event.entry.name);
      else set(event.entry);
      history.push(event);
      const own = event.entry.namespace === "" ? undefined : listeners.get(event.entry.namespace);
      if (own !== undefined) for (const listener of [...own]) listener(event);
      const all = listeners.get(undefined);
      if (all !== undefined) for (const listener of [...all]) listener(event);
    },
    load: set,
    unload: remove,
    subscribe(namespace, listener) {
      let group = listeners.get(namespace);
      if (group === undefined) listeners.set(namespace, (group = new Set()));
      const members = group;
      members.add(listener);
      return () => {
        members.delete(listener);
        if (members.size === 0 && listeners.get(namespace) === members) listeners.delete(namespace);
      };
    },
  };
}

function undo(entries: readonly Entry[], events: readonly StoreEvent[], namespace?: string): readonly Entry[] {
  const before = new Map<string, Entry | undefined>();
  for (const { entry, previous } of events) {
    const key = keyOf(entry.namespace, entry.name);
    // Oldest first: the first event of a key knows its state at the wanted revision.
    if (!before.has(key) && (namespace === undefined || entry.namespace === namespace)) before.set(key, previous);
  }
  const kept = entries.filter((entry) => !before.has(entry.key));
  for (const previous of before.values()) if (previous !== undefined) kept.push(previous);
  return kept.sort(byKey);
}

function byKey(left: Entry, right: Entry): number {
  return left.key < right.key ? -1 : left.key > right.key ? 1 : 0;
}
