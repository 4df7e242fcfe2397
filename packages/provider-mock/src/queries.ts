import { ProviderError, type RequestOf, type ResponseInit, type VMInfo } from "@almanac/provider";
import { bytesOf, diskFormats, findDisk, storageBackends, usedBytesOf } from "./plan-storage.ts";
import type { World } from "./planning.ts";
import { importKey, type DiskRecord, type VmRecord } from "./records.ts";

/** DescribeVM: a missing VM is an answer, not an error. */
export function describeVm(world: World, id: string): ResponseInit<"describeVM"> {
  const vm = world.state.vm(id);
  if (vm === undefined) return { exists: false };
  const { name, owner, cpu, memoryMiB, firmware, hardwareVersion, image, networks, linkedTo } = vm;
  return {
    exists: true,
    powerState: vm.powerState,
    ips: addresses(world, vm),
    consoleUrl: `mock://console/${id}`,
    providerRawJson: JSON.stringify({
      id,
      name,
      owner,
      powerState: vm.powerState,
      cpu,
      memoryMiB,
      firmware,
      hardwareVersion,
      image,
      linkedTo,
      networks,
      disks: vm.disks.map((disk) => ({ id: disk.id, name: disk.name, sizeGiB: disk.sizeGiB, path: pathOf(vm, disk) })),
      snapshots: vm.snapshots.map((snapshot) => ({ id: snapshot.id, name: snapshot.name, memory: snapshot.memory })),
    }),
  };
}

/** ListVMs: those that exist; one being made does not yet. */
export function listVms(world: World): ResponseInit<"listVMs"> {
  return { vms: Array.from(world.state.vms(), (vm) => vmInfo(world, vm)) };
}

type VmInfoInit = Omit<VMInfo, "$typeName" | "disks" | "networks"> & {
  disks: { id: string; path: string; sizeGib: number; format: string }[];
  networks: { name: string; mac: string; ipAddress: string }[];
};

function vmInfo(world: World, vm: VmRecord): VmInfoInit {
  const ips = addresses(world, vm);
  return {
    id: vm.id,
    name: vm.name,
    powerState: vm.powerState,
    ips,
    cpu: vm.cpu,
    memoryMib: BigInt(vm.memoryMiB),
    disks: vm.disks.map((disk) => ({ id: disk.id, path: pathOf(vm, disk), sizeGib: disk.sizeGiB, format: "qcow2" })),
    networks: vm.networks.map(({ name, mac, ip }) => ({ name, mac, ipAddress: ips.length > 0 ? ip : "" })),
    providerRaw: vm.owner === undefined ? {} : { owner: vm.owner },
  };
}

/** GetDiskInfo, of a VM's disk or, without vm_id, of an imported one. */
export function diskInfo(world: World, request: RequestOf<"getDiskInfo">): ResponseInit<"getDiskInfo"> {
  const { vmId, diskId, snapshotId } = request;
  if (vmId === "") return importedDiskInfo(world, diskId);
  const { vm, disk } = findDisk(world, vmId, diskId, snapshotId);
  const source = vm.linkedTo === undefined ? undefined : world.state.vm(vm.linkedTo);
  const base = source?.disks.find(({ content }) => content === disk.content);
  return {
    diskId: disk.id,
    format: "qcow2",
    virtualSizeBytes: bytesOf(disk.sizeGiB),
    actualSizeBytes: usedBytesOf(disk.sizeGiB),
    path: pathOf(vm, disk),
    isBootable: disk.id === "disk-0",
    snapshots: vm.snapshots.map(({ id }) => id),
    backingFile: source === undefined || base === undefined ? "" : pathOf(source, base),
    metadata: { name: disk.name, type: disk.type },
  };
}

function importedDiskInfo(world: World, diskId: string): ResponseInit<"getDiskInfo"> {
  if (diskId === "")
    throw new ProviderError("INVALID_ARGUMENT", "vm_id: expected a value, or a disk_id of an imported disk");
  const found = world.state.record(importKey(diskId), "import");
  if (found === undefined) throw new ProviderError("NOT_FOUND", `disk ${diskId} does not exist`);
  return {
    diskId: found.disk.id,
    format: found.format,
    virtualSizeBytes: bytesOf(found.disk.sizeGiB),
    actualSizeBytes: usedBytesOf(found.disk.sizeGiB),
    path: found.path,
    metadata: { name: found.disk.name, checksum: found.checksum },
  };
}

/** GetCapabilities. */
export function capabilities(world: World): ResponseInit<"getCapabilities"> {
  const offers = (feature: Parameters<typeof world.settings.without.has>[0]): boolean =>
    !world.settings.without.has(feature);
  return {
    supportsReconfigureOnline: true,
    supportsDiskExpansionOnline: true,
    supportsSnapshots: offers("snapshots"),
    supportsMemorySnapshots: offers("snapshots") && offers("memorySnapshots"),
    supportsLinkedClones: offers("linkedClones"),
    supportsImageImport: offers("imageImport"),
    supportedDiskTypes: ["thin", "thick"],
    supportedNetworkTypes: ["default", "portgroup", "bridge"],
    supportsDiskExport: offers("diskExport"),
    supportsDiskImport: offers("diskImport"),
    supportedExportFormats: [...(offers("diskExport") ? diskFormats : [])],
    supportedImportFormats: [...(offers("diskImport") ? diskFormats : [])],
    supportsExportCompression: offers("diskExport"),
    supportedExportBackends: [...(offers("diskExport") ? storageBackends : [])],
    supportedImportBackends: [...(offers("diskImport") ? storageBackends : [])],
    supportedTransferModes: ["direct"],
  };
}

function addresses(world: World, vm: VmRecord): string[] {
  const known = vm.powerState === "On" && world.now() >= vm.poweredOnMs + vm.ipDelayMs;
  return known ? vm.networks.map(({ ip }) => ip) : [];
}

function pathOf(vm: VmRecord, disk: DiskRecord): string {
  return `[mock] ${vm.name}/${disk.id}.qcow2`;
}
