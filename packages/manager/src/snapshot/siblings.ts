import type { Request } from "@almanac/controller";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import type { ManagerContext } from "../context.ts";
import { referenceKey } from "../resources.ts";
import { readSnapshotJournal } from "./journal.ts";

/** Indexers by which the snapshots of a machine are found, and those that have something to ask of a Provider, whether their machine is there or not. */
export const snapshotIndexers = {
  machine: ({ metadata, spec }: VMSnapshot): string[] => [referenceKey(spec.vmRef, metadata.namespace)],
  provider(snapshot: VMSnapshot): string[] {
    const { provider, create, delete: removal } = readSnapshotJournal(snapshot);
    const isAsking =
      snapshot.metadata.deletionTimestamp !== undefined ||
      create?.attempt !== undefined ||
      removal?.attempt !== undefined;
    return provider !== undefined && isAsking ? [provider] : [];
  },
};

/** Siblings whose policy counts snapshots, when one more exists. */
export function countedSiblings(snapshot: VMSnapshot, manager: Pick<ManagerContext, "informers">): Request[] {
  const { namespace, uid } = snapshot.metadata;
  return manager.informers.vmSnapshots
    .byIndex("machine", referenceKey(snapshot.spec.vmRef, namespace))
    .filter((other) => other.metadata.uid !== uid && other.spec.retentionPolicy?.maxCount !== undefined)
    .map(({ metadata }) => ({ namespace: metadata.namespace, name: metadata.name }));
}

/** The snapshot has come into being. */
export function becameReal(old: VMSnapshot, object: VMSnapshot): boolean {
  return readSnapshotJournal(old).id === undefined && readSnapshotJournal(object).id !== undefined;
}
