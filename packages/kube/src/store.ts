import { KubeError } from "./error.ts";
import { keyOf, type KubeObject } from "./objects.ts";

/** Objects by key and by index values. Not for concurrent writers: one reflector writes, everybody reads. */
export interface Store<T extends KubeObject> {
  get(key: string): T | undefined;
  /** The object that was there before. */
  set(key: string, object: T): T | undefined;
  delete(key: string): T | undefined;
  keys(): IterableIterator<string>;
  values(): IterableIterator<T>;
  byIndex(index: string, value: string): T[];
  readonly size: number;
}

interface StoreOptions<T> {
  readonly indexers?: Readonly<Record<string, (object: T) => readonly string[]>>;
  /** An indexer threw; the object is not in that index. */
  readonly onIndexError?: (index: string, key: string, error: unknown) => void;
}

const namespaceIndex = "namespace";

/** Has the index `namespace` built in. Throws `invalid_options` for an indexer of that name. */
export function createStore<T extends KubeObject>(options: StoreOptions<T> = {}): Store<T> {
  if (options.indexers !== undefined && namespaceIndex in options.indexers) {
    throw new KubeError("invalid_options", `the index "${namespaceIndex}" is built in: give yours another name`);
  }
  const indexers = new Map<string, (object: T) => readonly string[]>([
    [namespaceIndex, (object) => [object.metadata.namespace ?? ""]],
    ...Object.entries(options.indexers ?? {}),
  ]);
  const objects = new Map<string, T>();
  const indices = new Map<string, Map<string, Map<string, T>>>();
  // What an object was indexed under: the indexer may answer differently for the same object later.
  const indexedUnder = new Map<string, Map<string, readonly string[]>>();
  for (const name of indexers.keys()) {
    indices.set(name, new Map());
    indexedUnder.set(name, new Map());
  }

  function unindex(key: string): void {
    for (const [name, byKey] of indexedUnder) {
      const index = indices.get(name)!;
      for (const value of byKey.get(key) ?? []) {
        const entries = index.get(value);
        entries?.delete(key);
        // An empty entry per value ever seen would grow for ever.
        if (entries?.size === 0) index.delete(value);
      }
      byKey.delete(key);
    }
  }

  function index(key: string, object: T): void {
    for (const [name, indexer] of indexers) {
      let values: readonly string[];
      try {
        values = [...new Set(indexer(object))];
      } catch (error) {
        options.onIndexError?.(name, key, error);
        continue;
      }
      if (values.length === 0) continue;
      indexedUnder.get(name)!.set(key, values);
      const byValue = indices.get(name)!;
      for (const value of values) {
        const entries = byValue.get(value) ?? new Map<string, T>();
        byValue.set(value, entries.set(key, object));
      }
    }
  }

  return {
    get: (key) => objects.get(key),
    set(key, object) {
      const old = objects.get(key);
      if (old !== undefined) unindex(key);
      objects.set(key, object);
      index(key, object);
      return old;
    },
    delete(key) {
      const old = objects.get(key);
      if (old === undefined) return undefined;
      unindex(key);
      objects.delete(key);
      return old;
    },
    keys: () => objects.keys(),
    values: () => objects.values(),
    byIndex(name, value) {
      const byValue = indices.get(name);
      if (byValue === undefined)
        throw new KubeError("invalid_options", `no index "${name}"; there are: ${[...indices.keys()].join(", ")}`);
      return [...(byValue.get(value)?.values() ?? [])];
    },
    get size() {
      return objects.size;
    },
  };
}

/** Key of an object in the store. */
export function storeKey(object: KubeObject): string {
  return keyOf(object.metadata);
}
