import type { LastChange, MockRecord, SnapshotRecord, VmRecord } from "./records.ts";
import { keyOf, vmKey } from "./records.ts";

interface Base {
  /** Unique; a record that carries it has the change applied already. */
  readonly id: string;
  readonly method: LastChange["method"];
  /** What was asked for: the same wish again while this one is under way is the same operation. */
  readonly wish: string;
}

/** One effect on the hypervisor, whole and serialisable, so that a task that was cut off can carry it out after a restart. */
export type Change = Base &
  (
    | { readonly kind: "put"; readonly record: MockRecord }
    | { readonly kind: "delete"; readonly vm: string }
    | { readonly kind: "on"; readonly vm: string; readonly ipDelayMs: number }
    | { readonly kind: "off"; readonly vm: string }
    | { readonly kind: "suspend"; readonly vm: string }
    | { readonly kind: "adopt"; readonly vm: string; readonly owner: string }
    | {
        readonly kind: "shape";
        readonly vm: string;
        readonly shape: Pick<VmRecord, "cpu" | "memoryMiB" | "disks" | "networks">;
      }
    | { readonly kind: "hardware"; readonly vm: string; readonly version: number }
    | { readonly kind: "snapshot"; readonly vm: string; readonly snapshot: SnapshotRecord }
    | { readonly kind: "dropSnapshot"; readonly vm: string; readonly snapshot: string }
    | { readonly kind: "revert"; readonly vm: string; readonly snapshot: string; readonly ipDelayMs: number }
  );

/** Key of the one record a change touches. */
export function keyOfChange(change: Change): string {
  return change.kind === "put" ? keyOf(change.record) : vmKey(change.vm);
}

/** The VM as the change leaves it; undefined when the change is its deletion. Pure. */
export function changedVm(vm: VmRecord, change: Exclude<Change, { kind: "put" }>, nowMs: number): VmRecord | undefined {
  const { revertedTo: _past, ...kept } = vm;
  const next: VmRecord = { ...kept, lastChange: { id: change.id, method: change.method } };
  switch (change.kind) {
    case "delete":
      return undefined;
    case "on":
      return { ...next, powerState: "On", poweredOnMs: nowMs, ipDelayMs: change.ipDelayMs };
    case "off":
      return { ...next, powerState: "Off" };
    case "suspend":
      return { ...next, powerState: "Suspended" };
    case "adopt":
      return { ...next, owner: change.owner };
    case "shape":
      return { ...next, ...change.shape };
    case "hardware":
      return { ...next, hardwareVersion: change.version };
    case "snapshot":
      return { ...next, snapshots: [...vm.snapshots, change.snapshot] };
    case "dropSnapshot":
      return { ...next, snapshots: vm.snapshots.filter(({ id }) => id !== change.snapshot) };
    case "revert": {
      const snapshot = vm.snapshots.find(({ id }) => id === change.snapshot);
      // Deleted in the meantime is impossible: a VM takes one change at a time.
      if (snapshot === undefined) return next;
      const { cpu, memoryMiB, disks, networks } = snapshot;
      const reverted: VmRecord = { ...next, cpu, memoryMiB, disks, networks };
      return snapshot.memory
        ? { ...reverted, powerState: "On", poweredOnMs: nowMs, ipDelayMs: change.ipDelayMs }
        : { ...reverted, powerState: "Off", revertedTo: snapshot.id };
    }
  }
}
