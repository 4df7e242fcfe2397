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

/** The objects of one value of an index. */
interface Group {
  readonly value: string;
  readonly keys: Set<string>;
}

interface Index<T> {
  readonly indexer: (object: T) => readonly string[];
  readonly groups: Map<string, Group>;
  /** What an object was indexed under: the indexer may answer differently for the same object later. */
  readonly groupsOf: Map<string, readonly Group[]>;
}

const none: readonly Group[] = [];

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
  const indices = new Map<string, Index<T>>();
  for (const [name, indexer] of indexers) indices.set(name, { indexer, groups: new Map(), groupsOf: new Map() });

  function unindex(key: string): void {
    for (const index of indices.values()) leave(index, key);
  }

  function leave({ groups, groupsOf }: Index<T>, key: string): void {
    for (const group of groupsOf.get(key) ?? []) {
      group.keys.delete(key);
      // An empty entry per value ever seen would grow for ever.
      if (group.keys.size === 0) groups.delete(group.value);
    }
    groupsOf.delete(key);
  }

  function index(key: string, object: T): void {
    for (const [name, index] of indices) {
      let values: readonly string[];
      try {
        values = index.indexer(object);
      } catch (error) {
        leave(index, key);
        options.onIndexError?.(name, key, error);
        continue;
      }
      const before = index.groupsOf.get(key) ?? none;
      // Most changes are none to an index.
      if (before.length === values.length && values.every((value, at) => before[at]?.value === value)) continue;
      leave(index, key);
      if (values.length > 0) index.groupsOf.set(key, join(index, key, values));
    }
  }

  function join({ groups }: Index<T>, key: string, values: readonly string[]): Group[] {
    return [...new Set(values)].map((value) => {
      let group = groups.get(value);
      if (group === undefined) {
        group = { value, keys: new Set() };
        groups.set(value, group);
      }
      group.keys.add(key);
      return group;
    });
  }

  return {
    get: (key) => objects.get(key),
    set(key, object) {
      const old = objects.get(key);
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
      const index = indices.get(name);
      if (index === undefined)
        throw new KubeError("invalid_options", `no index "${name}"; there are: ${[...indices.keys()].join(", ")}`);
      const keys = index.groups.get(value)?.keys;
      // One that went is in no group any more.
      return keys === undefined ? [] : Array.from(keys, (key) => objects.get(key)!);
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
