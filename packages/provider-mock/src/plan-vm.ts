import {
  ownerOf,
  PowerOp,
  ProviderError,
  wantsAdoption,
  type CloneDocuments,
  type CreateDocuments,
  type DesiredVmJson,
  type DiskJson,
  type NetworkJson,
  type RequestOf,
} from "@almanac/provider";
import type { Change } from "./change.ts";
import { sha256 } from "./disk-content.ts";
import {
  busy,
  drawIpDelay,
  head,
  newId,
  noSuchVm,
  requireFeature,
  vmForChange,
  type Plan,
  type World,
} from "./planning.ts";
import { fnv1a64 } from "./random.ts";
import { vmKey, type DiskRecord, type NetworkRecord, type VmRecord } from "./records.ts";

const latestHardware = 21;
const defaultDiskGiB = 10;

/** A VM that exists or is being made, under the id the caller will know it by. */
export interface VmPlan extends Plan {
  readonly id: string;
}

/** CreateVM: idempotent by name and owner. */
export function planCreate(world: World, request: RequestOf<"createVM">, documents: CreateDocuments): VmPlan {
  const present = presentVm(world, request.name, request.tags);
  if (present !== undefined) return present;
  const id = newId("vm");
  const { class: size, image } = documents;
  const change = head("CreateVM", "create");
  const root = newDisk("disk-0", "root", size.DiskDefaults?.SizeGiB, size.DiskDefaults?.Type);
  const owner = ownerOf(request.tags);
  const record: VmRecord = {
    kind: "vm",
    id,
    name: request.name,
    ...(owner === undefined ? {} : { owner }),
    powerState: "Off",
    poweredOnMs: 0,
    ipDelayMs: 0,
    // Zero is how a size that was never set arrives.
    cpu: size.CPU || 1,
    memoryMiB: size.MemoryMiB || 1024,
    hardwareVersion: latestHardware - 2,
    firmware: size.Firmware || "BIOS",
    image: image.TemplateName || image.Path || image.URL || "",
    folder: documents.placement.Folder ?? "",
    disks: [root, ...documents.disks.map((disk, index) => diskFrom(disk, index + 1))],
    networks: networksFrom(id, documents.networks),
    tags: [...request.tags],
    snapshots: [],
    createdMs: world.now(),
    lastChange: change,
  };
  return { id, change: { ...change, kind: "put", record } };
}

/** CloneVM: idempotent by target name and owner. */
export function planClone(world: World, request: RequestOf<"cloneVM">, documents: CloneDocuments): VmPlan {
  if (request.linked) requireFeature(world, "linkedClones", "linked clones");
  const tags = documents.customize.tags ?? [];
  const present = presentVm(world, request.targetName, tags);
  if (present !== undefined) return present;
  const source = world.state.vm(request.sourceVmId);
  if (source === undefined) throw noSuchVm(request.sourceVmId);
  const id = newId("vm");
  const change = head("CloneVM", "clone");
  const owner = ownerOf(tags);
  // The source's owner and linkage are its own.
  const { owner: _owner, linkedTo: _linkedTo, ...copied } = source;
  const record: VmRecord = {
    ...copied,
    id,
    name: request.targetName,
    ...(owner === undefined ? {} : { owner }),
    ...(request.linked ? { linkedTo: source.id } : {}),
    powerState: "Off",
    poweredOnMs: 0,
    ipDelayMs: 0,
    cpu: documents.class.cpu || source.cpu,
    memoryMiB: documents.class.memory === undefined ? source.memoryMiB : mebibytes(documents.class.memory),
    disks: source.disks.map((disk) => ({ ...disk })),
    networks: source.networks.map(({ name }, index) => networkOf(id, name, index)),
    tags: [...tags],
    snapshots: [],
    createdMs: world.now(),
    lastChange: change,
  };
  return { id, change: { ...change, kind: "put", record } };
}

/** DeleteVM: a VM that is gone is done. */
export function planDelete(world: World, id: string): Plan {
  if (world.state.vm(id) === undefined && world.state.pending(vmKey(id)) === undefined) return {};
  const { underway } = vmForChange(world, id, "delete");
  return { change: underway ?? { ...head("DeleteVM", "delete"), kind: "delete", vm: id } };
}

/** PowerVM: a VM in the wished state is done. */
export function planPower(world: World, request: RequestOf<"powerVM">): Plan {
  const { id, op } = request;
  const { vm, underway } = vmForChange(world, id, `power ${op}`);
  if (underway !== undefined) return { change: underway };
  const change = head("PowerVM", `power ${op}`);
  switch (op) {
    case PowerOp.ON:
      return vm.powerState === "On" ? {} : { change: { ...change, kind: "on", vm: id, ipDelayMs: drawIpDelay(world) } };
    case PowerOp.OFF:
      return vm.powerState === "Off" ? {} : { change: { ...change, kind: "off", vm: id } };
    case PowerOp.SHUTDOWN_GRACEFUL:
      if (vm.powerState === "Suspended") throw notRunning(vm, "shut down");
      return vm.powerState === "Off" ? {} : { change: { ...change, kind: "off", vm: id } };
    case PowerOp.REBOOT:
      if (vm.powerState !== "On") throw notRunning(vm, "reboot");
      return { change: { ...change, kind: "on", vm: id, ipDelayMs: drawIpDelay(world) } };
    default:
      throw new ProviderError("INVALID_ARGUMENT", `op: expected a power operation, got ${op}`);
  }
}

/** ReconfigureVM: size, disks (which only grow) and networks of the wished VM; what it does not name stays. */
export function planReconfigure(world: World, id: string, desired: DesiredVmJson): Plan {
  // A digest, since changes are kept on disk and a wish may carry passwords in its cloud-init data.
  const wish = `reconfigure ${sha256(JSON.stringify(desired)).slice(0, 16)}`;
  const { vm, underway } = vmForChange(world, id, wish);
  if (underway !== undefined) return { change: underway };
  const shape = {
    cpu: desired.Class?.CPU || vm.cpu,
    memoryMiB: desired.Class?.MemoryMiB || vm.memoryMiB,
    disks: grownDisks(vm, desired),
    networks: samePlugs(vm, desired.Networks) ? vm.networks : networksFrom(id, desired.Networks ?? []),
  };
  const same =
    shape.cpu === vm.cpu &&
    shape.memoryMiB === vm.memoryMiB &&
    shape.networks === vm.networks &&
    JSON.stringify(shape.disks) === JSON.stringify(vm.disks);
  if (same) return {};
  return { change: { ...head("ReconfigureVM", wish), kind: "shape", vm: id, shape } };
}

/** UpgradeHardware: 0 means the newest version. */
export function planUpgrade(world: World, request: RequestOf<"upgradeHardware">): Plan {
  const { id } = request;
  const version = request.targetVersion || latestHardware;
  const { vm, underway } = vmForChange(world, id, `upgrade ${version}`);
  if (underway !== undefined) return { change: underway };
  if (version > latestHardware) {
    throw new ProviderError("INVALID_ARGUMENT", `target_version: the newest is ${latestHardware}, got ${version}`);
  }
  if (version < vm.hardwareVersion) {
    throw new ProviderError(
      "FAILED_PRECONDITION",
      `${vm.name} has hardware ${vm.hardwareVersion}; it cannot go back to ${version}`,
    );
  }
  if (version === vm.hardwareVersion) return {};
  if (vm.powerState !== "Off") {
    throw new ProviderError(
      "FAILED_PRECONDITION",
      `${vm.name} is ${vm.powerState}; its hardware can be upgraded while it is off`,
    );
  }
  return { change: { ...head("UpgradeHardware", `upgrade ${version}`), kind: "hardware", vm: id, version } };
}

/** The VM of that name if the caller may have it, existing or being made. */
function presentVm(world: World, name: string, tags: readonly string[]): VmPlan | undefined {
  const { state, settings } = world;
  const making = state.pendingName(name);
  if (making !== undefined) {
    checkOwner(making.record, tags);
    return { id: making.record.id, change: making };
  }
  const vm = state.vmByName(name);
  if (vm === undefined) {
    if (state.vmCount >= settings.maxVms) {
      throw new ProviderError(
        "RESOURCE_EXHAUSTED",
        `the hypervisor has room for ${settings.maxVms} VMs and holds as many`,
      );
    }
    return undefined;
  }
  const pending = state.pending(vmKey(vm.id));
  if (pending?.kind === "delete") throw busy(vm.id, pending);
  const adopter = checkOwner(vm, tags);
  if (adopter === undefined) return { id: vm.id };
  if (pending !== undefined) throw busy(vm.id, pending);
  const adopt: Change = { ...head("CreateVM", "adopt"), method: "Adopt", kind: "adopt", vm: vm.id, owner: adopter };
  return { id: vm.id, change: adopt };
}

/**
 * The owner the VM has to be given; undefined when it stays as it is. Without an owner tag the name alone decides.
 *
 * @throws ProviderError ALREADY_EXISTS for a VM that belongs to another object, or to nobody when no adoption is asked for.
 */
function checkOwner(vm: VmRecord, tags: readonly string[]): string | undefined {
  const owner = ownerOf(tags);
  if (owner === undefined || owner === vm.owner) return undefined;
  if (vm.owner !== undefined) {
    throw new ProviderError("ALREADY_EXISTS", `a VM named ${vm.name} exists and belongs to another object`);
  }
  if (wantsAdoption(tags)) return owner;
  throw new ProviderError(
    "ALREADY_EXISTS",
    `a VM named ${vm.name} exists and belongs to nobody; adopt it or choose another name`,
  );
}

function notRunning(vm: VmRecord, verb: string): ProviderError {
  return new ProviderError("FAILED_PRECONDITION", `${vm.name} is ${vm.powerState}; only a running VM can ${verb}`);
}

function newDisk(id: string, name: string, sizeGiB: number | undefined, type: string | undefined): DiskRecord {
  return { id, name, sizeGiB: sizeGiB || defaultDiskGiB, type: type || "thin", content: newId("content") };
}

function diskFrom(disk: DiskJson, index: number): DiskRecord {
  return newDisk(`disk-${index}`, disk.Name || `disk-${index}`, disk.SizeGiB, disk.Type);
}

function grownDisks(vm: VmRecord, desired: DesiredVmJson): readonly DiskRecord[] {
  const disks = [...vm.disks];
  for (const [index, wished] of (desired.Disks ?? []).entries()) {
    const name = wished.Name || `disk-${index + 1}`;
    const at = disks.findIndex((disk) => disk.name === name);
    const present = disks[at];
    if (present === undefined) {
      disks.push(newDisk(`disk-${disks.length}`, name, wished.SizeGiB, wished.Type));
    } else if (wished.SizeGiB) {
      if (wished.SizeGiB < present.sizeGiB) {
        throw new ProviderError(
          "INVALID_ARGUMENT",
          `desired_json.Disks[${index}].SizeGiB: disk ${name} has ${present.sizeGiB} GiB and cannot shrink to ${wished.SizeGiB}`,
        );
      }
      disks[at] = { ...present, sizeGiB: wished.SizeGiB };
    }
  }
  return disks;
}

function samePlugs(vm: VmRecord, wished: readonly NetworkJson[] | undefined): boolean {
  if (wished === undefined || wished.length === 0) return true;
  return (
    wished.length === vm.networks.length &&
    wished.every((network, index) => networkName(network) === vm.networks[index]?.name)
  );
}

function networkName(network: NetworkJson): string {
  return network.Name || network.NetworkName || network.Portgroup || network.Bridge || "default";
}

function networksFrom(vmId: string, wished: readonly NetworkJson[]): readonly NetworkRecord[] {
  if (wished.length === 0) return [networkOf(vmId, "default", 0)];
  return wished.map((network, index) => {
    const made = networkOf(vmId, networkName(network), index);
    return { ...made, mac: network.MacAddress || made.mac, ip: network.StaticIP || made.ip };
  });
}

function networkOf(vmId: string, name: string, index: number): NetworkRecord {
  const bits = fnv1a64(`${vmId}/${index}`);
  const byte = (shift: bigint): number => Number((bits >> shift) & 0xffn);
  const hex = (shift: bigint): string => byte(shift).toString(16).padStart(2, "0");
  return {
    name,
    mac: `02:${hex(0n)}:${hex(8n)}:${hex(16n)}:${hex(24n)}:${hex(32n)}`,
    // Last octet from 1 to 254: 0 and 255 are no hosts.
    ip: `10.${byte(40n)}.${byte(48n)}.${1 + (byte(56n) % 254)}`,
  };
}

const binaryUnits: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
const decimalUnits: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** A Kubernetes quantity of memory in MiB, rounded up. */
function mebibytes(quantity: string): number {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(quantity);
  const unit = match?.[2] ?? "?";
  const factor = binaryUnits[unit] ?? decimalUnits[unit];
  if (match === null || factor === undefined) {
    throw new ProviderError(
      "INVALID_ARGUMENT",
      `class_json.memory: expected a quantity such as 2Gi, got ${JSON.stringify(quantity)}`,
    );
  }
  return Math.ceil((Number(match[1]) * factor) / 2 ** 20);
}
