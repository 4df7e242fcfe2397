import type { ProviderType, virtrigaud } from "@almanac/catalog";
import type { Instruments } from "@almanac/metrics";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { timestamp } from "../conditions.ts";
import type { Informers } from "../context.ts";
import { readSnapshotJournal } from "../snapshot/journal.ts";
import type { Journal, RevertTarget } from "./journal.ts";
import type { MachineStatus } from "./session.ts";
import type { Problem } from "./status.ts";

/** Whether a machine is to be put back to a snapshot. */
export type RevertWish =
  | { readonly state: "none" }
  | { readonly state: "done" }
  | { readonly state: "due"; readonly target: RevertTarget }
  | { readonly state: "blocked"; readonly problem: Problem };

/**
 * What `spec.snapshot.revertToRef` asks for now. It is carried out once: naming another snapshot, or removing the field and setting it
 * again, asks anew. Pure.
 */
export function revertWish(
  vm: VirtualMachine,
  journal: Journal,
  informers: Pick<Informers, "vmSnapshots">,
): RevertWish {
  const name = vm.spec.snapshot?.revertToRef?.name;
  if (name === undefined) return { state: "none" };
  const { reverted } = journal;
  const snapshot = informers.vmSnapshots.get(vm.metadata.namespace, name);
  // One that was reverted to may go.
  if (reverted?.name === name && (snapshot === undefined || snapshot.metadata.uid === reverted.uid)) {
    return { state: "done" };
  }
  const blocked = (reason: string, message: string): RevertWish => {
    return { state: "blocked", problem: { reason, message: `spec.snapshot.revertToRef: ${message}`, refused: false } };
  };
  const key = `VMSnapshot ${vm.metadata.namespace}/${name}`;
  if (snapshot === undefined) return blocked("SnapshotNotFound", `${key} does not exist`);
  const { id, machine, owner = vm.metadata.uid } = readSnapshotJournal(snapshot);
  if (snapshot.spec.vmRef.name !== vm.metadata.name || owner !== vm.metadata.uid) {
    return blocked("SnapshotOfAnother", `${key} is not of this machine`);
  }
  if (machine !== undefined && machine !== journal.id) {
    return blocked("SnapshotLost", `${key} went with the machine that it was taken of, which vanished`);
  }
  if (id === undefined || snapshot.metadata.deletionTimestamp !== undefined) {
    return blocked("SnapshotNotReady", `${key} is not ready`);
  }
  return { state: "due", target: { uid: snapshot.metadata.uid, name, id } };
}

/** Forgets what was reverted to once nobody asks for it any more. */
export function afterRevertWish(journal: Journal, wish: RevertWish): Journal {
  if (wish.state !== "none" || journal.reverted === undefined) return journal;
  const { reverted: _reverted, ...rest } = journal;
  return rest;
}

/** The journal of a machine that was put back: it has the shape it had then, and nobody knows whether it is running. */
export function afterRevert(journal: Journal, { uid, name }: RevertTarget): Journal {
  const { poweredOnAtMs: _on, shutdownAtMs: _off, ...rest } = journal;
  return { ...rest, applied: "reverted", reverted: { uid, name } };
}

/** Counts one attempt to revert that ended. */
export function countRevert(
  instruments: Instruments<typeof virtrigaud>,
  type: ProviderType,
  outcome: "success" | "failure" | "error",
): void {
  instruments.virtrigaud_vm_snapshot_total.add(1, { action: "revert", provider_type: type, outcome });
}

/** The snapshots of a machine that exist, as its status lists them; undefined without one. Pure. */
export function listedSnapshots(
  vm: VirtualMachine,
  journal: Pick<Journal, "id">,
  informers: Pick<Informers, "vmSnapshots">,
): MachineStatus["snapshots"] | undefined {
  const found = informers.vmSnapshots
    .byIndex("machine", `${vm.metadata.namespace}/${vm.metadata.name}`)
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap((snapshot) => {
      const { owner, machine, id, createdAtMs, memory } = readSnapshotJournal(snapshot);
      if (id === undefined || createdAtMs === undefined || owner !== vm.metadata.uid) return [];
      // It went with a machine that vanished.
      if (machine !== undefined && machine !== journal.id) return [];
      const description = snapshot.spec.snapshotConfig?.description;
      return {
        id,
        name: snapshot.metadata.name,
        creationTime: timestamp(createdAtMs),
        ...(description === undefined ? {} : { description }),
        ...(memory === true ? { hasMemory: true } : {}),
      };
    })
    .sort((a, b) => (a.creationTime + a.name < b.creationTime + b.name ? -1 : 1));
  return found.length === 0 ? undefined : found;
}

/** A snapshot came into being or went: its machine has something to list, or to revert to. */
export function snapshotAppeared(old: VMSnapshot, object: VMSnapshot): boolean {
  return (
    readSnapshotJournal(old).id !== readSnapshotJournal(object).id ||
    old.metadata.deletionTimestamp !== object.metadata.deletionTimestamp
  );
}
