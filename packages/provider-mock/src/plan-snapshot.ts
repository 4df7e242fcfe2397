import { ProviderError, type RequestOf } from "@almanac/provider";
import { drawIpDelay, head, newId, requireFeature, vmForChange, type Plan, type World } from "./planning.ts";
import type { VmRecord } from "./records.ts";

// vSphere's limit of a snapshot tree; it also bounds a record.
const maxSnapshots = 32;

/** A snapshot that exists or is being made. */
export interface SnapshotPlan extends Plan {
  readonly snapshotId: string;
}

/** CreateSnapshot: the same name hint again is the same snapshot. */
export function planSnapshot(world: World, request: RequestOf<"createSnapshot">): SnapshotPlan {
  requireFeature(world, "snapshots", "snapshots");
  if (request.includeMemory) requireFeature(world, "memorySnapshots", "snapshots with memory");
  const { vmId, nameHint, description } = request;
  const { vm, underway } = vmForChange(world, vmId, `snapshot ${nameHint}`);
  if (underway?.kind === "snapshot") return { snapshotId: underway.snapshot.id, change: underway };
  const present = nameHint === "" ? undefined : vm.snapshots.find(({ name }) => name === nameHint);
  if (present !== undefined) return { snapshotId: present.id };
  if (vm.snapshots.length >= maxSnapshots) {
    throw new ProviderError("RESOURCE_EXHAUSTED", `${vm.name} has ${maxSnapshots} snapshots, the most a VM can have`);
  }
  const id = newId("snapshot");
  const { cpu, memoryMiB, disks, networks } = vm;
  const snapshot = {
    id,
    name: nameHint || id,
    description,
    // There is no memory to keep of a VM that does not run.
    memory: request.includeMemory && vm.powerState === "On",
    createdMs: world.now(),
    ...{ cpu, memoryMiB, disks, networks },
  };
  return {
    snapshotId: id,
    change: { ...head("CreateSnapshot", `snapshot ${nameHint}`), kind: "snapshot", vm: vmId, snapshot },
  };
}

/** DeleteSnapshot: one that is gone is done. */
export function planSnapshotDeletion(world: World, request: RequestOf<"deleteSnapshot">): Plan {
  requireFeature(world, "snapshots", "snapshots");
  const { vmId, snapshotId } = request;
  const wish = `delete snapshot ${snapshotId}`;
  const { vm, underway } = vmForChange(world, vmId, wish);
  if (underway !== undefined) return { change: underway };
  if (!hasSnapshot(vm, snapshotId)) return {};
  return { change: { ...head("DeleteSnapshot", wish), kind: "dropSnapshot", vm: vmId, snapshot: snapshotId } };
}

/** RevertSnapshot: a VM reverted to a snapshot without memory is off; one that still is as it was then is done. */
export function planRevert(world: World, request: RequestOf<"revertSnapshot">): Plan {
  requireFeature(world, "snapshots", "snapshots");
  const { vmId, snapshotId } = request;
  const wish = `revert ${snapshotId}`;
  const { vm, underway } = vmForChange(world, vmId, wish);
  if (underway !== undefined) return { change: underway };
  if (!hasSnapshot(vm, snapshotId)) {
    throw new ProviderError("NOT_FOUND", `${vm.name} has no snapshot ${snapshotId}`);
  }
  if (vm.revertedTo === snapshotId) return {};
  const ipDelayMs = drawIpDelay(world);
  return { change: { ...head("RevertSnapshot", wish), kind: "revert", vm: vmId, snapshot: snapshotId, ipDelayMs } };
}

function hasSnapshot(vm: VmRecord, id: string): boolean {
  return vm.snapshots.some((snapshot) => snapshot.id === id);
}
