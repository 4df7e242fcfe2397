import type { Kind } from "../kinds/kind.ts";
import type { Store } from "../store/store.ts";

/**
 * Shows the stored objects of `kind` as its schema, which is new, has them: without the fields it does not know, and with its defaults.
 * No write, so neither a resourceVersion nor an event; what is written next stores it. The real server does it at every read.
 */
export function refreshStored(store: Store, kind: Kind): void {
  const version = kind.versions.find((one) => one.version === kind.storageVersion);
  if (version === undefined) return;
  const collection = store.collection(kind.collection);
  for (const entry of collection.sorted()) {
    const { apiVersion, kind: name, metadata, ...content } = entry.object;
    const pruned = version.schema.prune(content);
    const value = version.schema.default(pruned.value);
    if (value === content) continue;
    const object = { apiVersion: apiVersion ?? "", kind: name ?? "", metadata: metadata ?? {}, ...value };
    const json = JSON.stringify(object);
    if (json !== entry.json) collection.load({ ...entry, object, json });
  }
}
