import type { Request } from "@almanac/controller";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { findCondition } from "../conditions.ts";
import type { ManagerContext } from "../context.ts";
import { referenceKey } from "../resources.ts";
import { machineNameOf, readSnapshotJournal } from "./journal.ts";
import type { SnapshotJournal } from "./journal.ts";

/** The same as `namespace/name`. */
export function machineKeyOf(snapshot: VMSnapshot, journal?: SnapshotJournal): string {
  return referenceKey({ name: machineNameOf(snapshot, journal) }, snapshot.metadata.namespace);
}

/** Indexers by which the snapshots of a machine are found, and those that have something to ask of a Provider, whether their machine is there or not. */
export const snapshotIndexers = {
  machine: (snapshot: VMSnapshot): string[] => [machineKeyOf(snapshot)],
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
  const { uid } = snapshot.metadata;
  return manager.informers.vmSnapshots
    .byIndex("machine", machineKeyOf(snapshot))
    .filter((other) => other.metadata.uid !== uid && other.spec.retentionPolicy?.maxCount !== undefined)
    .map(({ metadata }) => ({ namespace: metadata.namespace, name: metadata.name }));
}

/** The snapshot has come into being. */
export function becameReal(old: VMSnapshot, object: VMSnapshot): boolean {
  return readSnapshotJournal(old).id === undefined && readSnapshotJournal(object).id !== undefined;
}

/** It was taken and said to be ready: whatever its machine does next, short of going, is nothing to it. */
export function isAtRest(snapshot: VMSnapshot): boolean {
  const { metadata, status } = snapshot;
  const { id, create, delete: removal } = readSnapshotJournal(snapshot);
  const ready = findCondition(status?.conditions, "Ready");
  return (
    id !== undefined &&
    create === undefined &&
    removal === undefined &&
    metadata.deletionTimestamp === undefined &&
    ready?.status === "True" &&
    ready.observedGeneration === metadata.generation
  );
}
