import type { ObjectMeta, OwnerReference } from "../object.ts";
import type { StoreEvent } from "../store/entry.ts";
import { metaOf } from "../object.ts";

/** Where an object is stored. */
export interface Place {
  readonly collection: string;
  readonly namespace: string;
  readonly name: string;
}

/** Who lives under which UID, and who names whom as its owner. Updated with every write. */
export interface OwnerIndex {
  place(uid: string): Place | undefined;
  dependents(uid: string): Place[];
  update(collection: string, event: StoreEvent): void;
}

export function createOwnerIndex(): OwnerIndex {
  const places = new Map<string, Place>();
  const dependents = new Map<string, Map<string, Place>>();

  function forget(meta: ObjectMeta): void {
    for (const { uid } of ownersOf(meta)) {
      const group = dependents.get(uid);
      group?.delete(meta.uid);
      if (group?.size === 0) dependents.delete(uid);
    }
  }

  return {
    place: (uid) => places.get(uid),
    dependents: (uid) => [...(dependents.get(uid)?.values() ?? [])],
    update(collection, { type, entry, previous }) {
      const meta = metaOf(entry.object);
      if (previous !== undefined) forget(metaOf(previous.object));
      if (type === "DELETED") {
        places.delete(meta.uid);
        return;
      }
      const place = { collection, namespace: entry.namespace, name: entry.name };
      places.set(meta.uid, place);
      for (const { uid } of ownersOf(meta)) {
        let group = dependents.get(uid);
        if (group === undefined) dependents.set(uid, (group = new Map<string, Place>()));
        group.set(meta.uid, place);
      }
    },
  };
}

export function ownersOf(meta: ObjectMeta): readonly OwnerReference[] {
  return meta.ownerReferences ?? [];
}
