import type { JsonObject } from "../schema/index.ts";
import type { Collection } from "./collection.ts";
import type { Entry, EventType, StoreEvent } from "./entry.ts";
import type { Journal } from "./journal.ts";
import { withMeta } from "../object.ts";
import { createCollection } from "./collection.ts";
import { keyOf } from "./entry.ts";
import { createHistory } from "./history.ts";

export interface StoreOptions {
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** Where writes are recorded before anybody sees them; none keeps the state in memory only. */
  readonly journal?: Journal;
}

/** All objects under one counter: every write gets the next revision. */
export interface Store {
  readonly revision: number;
  collection(id: string): Collection;
  collections(): IterableIterator<[string, Collection]>;
  /** Stores `object` under the next revision, which becomes its resourceVersion. */
  put(id: string, namespace: string, name: string, object: JsonObject): Entry;
  /** Removes the entry; `last` is what the DELETED event carries. */
  remove(id: string, namespace: string, name: string, last: JsonObject): Entry;
  /** Called after every write, when the watches have seen it. */
  onCommit(listener: (id: string, event: StoreEvent) => void): void;
  close(): Promise<void>;
}

export async function createStore(options: StoreOptions): Promise<Store> {
  const { maxEvents, maxBytes, journal } = options;
  const collections = new Map<string, Collection>();
  const commitListeners: ((id: string, event: StoreEvent) => void)[] = [];
  let revision = 0;
  let floor = 0;

  function collection(id: string): Collection {
    let found = collections.get(id);
    if (found === undefined)
      collections.set(id, (found = createCollection(createHistory({ maxEvents, maxBytes, floor }))));
    return found;
  }

  if (journal !== undefined) {
    for await (const record of journal.replay()) {
      revision = Math.max(revision, record.revision);
      // A snapshot's head says its revision and nothing else.
      if (record.id === "") continue;
      if (record.object === undefined) collection(record.id).unload(record.namespace, record.name);
      else {
        const { namespace, name, object } = record;
        collection(record.id).load({
          namespace,
          name,
          key: keyOf(namespace, name),
          object,
          json: JSON.stringify(object),
          revision: record.revision,
        });
      }
    }
    floor = revision;
    for (const { history } of collections.values()) history.clear(floor);
  }

  function commit(id: string, namespace: string, name: string, object: JsonObject, removal: boolean): Entry {
    const target = collection(id);
    const previous = target.get(namespace, name);
    const next = revision + 1;
    const numbered = withMeta(object, { resourceVersion: String(next) });
    const json = JSON.stringify(numbered);
    const entry: Entry = { namespace, name, key: keyOf(namespace, name), object: numbered, json, revision: next };
    // Recorded first: what a client has seen must survive the process.
    journal?.append(id, entry, removal);
    revision = next;
    const type: EventType = removal ? "DELETED" : previous === undefined ? "ADDED" : "MODIFIED";
    const event: StoreEvent = { type, revision: next, entry, previous, frames: new Map() };
    target.apply(event);
    // All who share the encoded lines have them now; kept in the history they would double its size.
    event.frames.clear();
    for (const listener of commitListeners) listener(id, event);
    journal?.compactIfDue(next, collections);
    return entry;
  }

  return {
    get revision() {
      return revision;
    },
    collection,
    collections: () => collections.entries(),
    put: (id, namespace, name, object) => commit(id, namespace, name, object, false),
    remove: (id, namespace, name, last) => commit(id, namespace, name, last, true),
    onCommit: (listener) => void commitListeners.push(listener),
    async close() {
      await journal?.close();
    },
  };
}
