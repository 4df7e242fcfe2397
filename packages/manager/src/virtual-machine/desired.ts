import { createHash } from "node:crypto";
import type { ProviderType } from "@almanac/catalog";
import { adoptTag, ownerTag } from "@almanac/provider";
import type { DiskJson, NetworkJson, PlacementJson, VmClassJson, VmImageJson } from "@almanac/provider";
import type { Provider } from "../api/provider.ts";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMClass } from "../api/vm-class.ts";
import type { VMImage } from "../api/vm-image.ts";
import type { VMNetworkAttachment } from "../api/vm-network-attachment.ts";
import { parseDuration } from "../duration.ts";
import { ManagerError } from "../error.ts";
import { standingOf } from "../image/prepared.ts";
import { parseGibibytes, parseMebibytes } from "../quantity.ts";
import { adoptAnnotation } from "./journal.ts";
import type { Wish } from "./plan.ts";
import { requireUserTags } from "./tags.ts";

/** The objects a VirtualMachine names, found. */
export interface References {
  readonly provider: Provider;
  readonly providerType: ProviderType;
  readonly vmClass: VMClass;
  readonly image: VMImage | undefined;
  /** By the index of `spec.networks`. */
  readonly networks: readonly (VMNetworkAttachment | undefined)[];
}

/** The machine a VirtualMachine asks for, in the terms of the provider contract. */
export interface Desired extends Wish {
  readonly name: string;
  readonly class: VmClassJson;
  readonly image: VmImageJson | undefined;
  readonly networks: readonly NetworkJson[];
  readonly disks: readonly DiskJson[];
  readonly placement: PlacementJson | undefined;
  readonly tags: readonly string[];
}

/**
 * What the object and those it names amount to.
 *
 * @throws ManagerError `invalid_spec` naming the field that cannot be understood, or must not be as it is.
 */
export function desiredMachine(vm: VirtualMachine, references: References): Desired {
  const shape = {
    class: classOf(vm, references.vmClass),
    networks: networksOf(vm, references),
    disks: (vm.spec.disks ?? []).map((disk): DiskJson => ({
      SizeGiB: disk.sizeGiB,
      ...optional("Type", disk.type),
      Name: disk.name,
    })),
  };
  // What is to go needs no change of its object first.
  if (vm.metadata.deletionTimestamp === undefined) requireUserTags(vm.spec.tags, "spec.tags");
  const owner = `${ownerTag}=${vm.metadata.uid}`;
  const adopt = vm.metadata.annotations?.[adoptAnnotation] === "true" ? [`${adoptTag}=true`] : [];
  return {
    ...shape,
    name: vm.metadata.name,
    image: references.image === undefined ? undefined : imageOf(references.image, references),
    placement: placementOf(vm, references.provider),
    // The first owner counts.
    tags: [owner, ...adopt, ...(vm.spec.tags ?? [])],
    digest: createHash("sha256").update(JSON.stringify(shape)).digest("base64url").slice(0, 22),
    power: vm.spec.powerState ?? "On",
    gracefulMs: parseDuration(
      vm.spec.lifecycle?.gracefulShutdownTimeout ?? "60s",
      "spec.lifecycle.gracefulShutdownTimeout",
    ),
  };
}

function classOf(vm: VirtualMachine, { metadata, spec }: VMClass): VmClassJson {
  const field = (path: string): string => `VMClass ${metadata.namespace}/${metadata.name} spec.${path}`;
  const { diskDefaults, extraConfig, performanceProfile: profile, securityProfile: security, resourceLimits } = spec;
  return {
    CPU: vm.spec.resources?.cpu ?? spec.cpu,
    MemoryMiB: vm.spec.resources?.memoryMiB ?? parseMebibytes(spec.memory, field("memory")),
    ...optional("Firmware", spec.firmware),
    ...(diskDefaults === undefined
      ? {}
      : {
          DiskDefaults: {
            ...optional("Type", diskDefaults.type),
            ...(diskDefaults.size === undefined
              ? {}
              : { SizeGiB: parseGibibytes(diskDefaults.size, field("diskDefaults.size")) }),
          },
        }),
    ...optional("GuestToolsPolicy", spec.guestToolsPolicy),
    ...(extraConfig === undefined ? {} : { ExtraConfig: sorted(extraConfig) }),
    ...(profile === undefined
      ? {}
      : {
          PerformanceProfile: {
            ...optional("LatencySensitivity", profile.latencySensitivity),
            ...optional("CPUHotAddEnabled", profile.cpuHotAddEnabled),
            ...optional("MemoryHotAddEnabled", profile.memoryHotAddEnabled),
            ...optional("VirtualizationBasedSecurity", profile.virtualizationBasedSecurity),
            ...optional("NestedVirtualization", profile.nestedVirtualization),
            ...optional("HyperThreadingPolicy", profile.hyperThreadingPolicy),
          },
        }),
    ...(security === undefined
      ? {}
      : {
          SecurityProfile: {
            ...optional("SecureBoot", security.secureBoot),
            ...optional("TPMEnabled", security.tpmEnabled),
            ...optional("TPMVersion", security.tpmVersion),
            ...optional("VTDEnabled", security.vtdEnabled),
            ...optional("EncryptionEnabled", security.encryptionPolicy?.enabled),
            ...optional("KeyProvider", security.encryptionPolicy?.keyProvider),
            ...optional("RequireEncryption", security.encryptionPolicy?.requireEncryption),
          },
        }),
    ...(resourceLimits === undefined
      ? {}
      : {
          ResourceLimits: {
            ...optional("CPULimit", resourceLimits.cpuLimit),
            ...optional("CPUReservation", resourceLimits.cpuReservation),
            ...(resourceLimits.memoryLimit === undefined
              ? {}
              : { MemoryLimitMiB: parseMebibytes(resourceLimits.memoryLimit, field("resourceLimits.memoryLimit")) }),
            ...(resourceLimits.memoryReservation === undefined
              ? {}
              : {
                  MemoryReservationMiB: parseMebibytes(
                    resourceLimits.memoryReservation,
                    field("resourceLimits.memoryReservation"),
                  ),
                }),
            ...optional("CPUShares", resourceLimits.cpuShares),
          },
        }),
  };
}

function networksOf(vm: VirtualMachine, references: References): NetworkJson[] {
  return (vm.spec.networks ?? []).map((network, index): NetworkJson => {
    const attachment = references.networks[index]?.spec;
    const { vsphere, libvirt } = attachment?.network ?? {};
    // A mock takes the names of either hypervisor.
    const onVsphere = references.providerType === "libvirt" ? undefined : vsphere;
    const onLibvirt = references.providerType === "vsphere" ? undefined : libvirt;
    return {
      Name: network.name,
      ...optional("Portgroup", onVsphere?.portgroup),
      ...optional("NetworkName", onLibvirt?.networkName),
      ...optional("Bridge", onLibvirt?.bridge?.name),
      ...optional("VLAN", onVsphere?.vlan?.vlanID),
      ...optional("Model", onVsphere?.adapterType ?? onLibvirt?.model),
      ...optional("MacAddress", network.macAddress),
      ...optional("PCISlotNumber", onVsphere?.pciSlotNumber),
      IPPolicy: network.ipAddress === undefined ? (attachment?.ipAllocation?.type ?? "DHCP").toLowerCase() : "static",
      ...optional("StaticIP", network.ipAddress),
      ...optional("Prefix", network.prefix),
      ...optional("Gateway", network.gateway),
      ...(network.dns === undefined ? {} : { DNS: [network.dns] }),
    };
  });
}

function imageOf(image: VMImage, { provider, providerType }: References): VmImageJson {
  const { metadata, spec } = image;
  const standing = standingOf(image, provider, providerType);
  if (standing.state === "prepared") {
    const { id, path } = standing.prepared;
    return providerType === "vsphere"
      ? { TemplateName: id }
      : { Path: path, ...optional("Format", spec.source.libvirt?.format) };
  }
  const { vsphere, libvirt, http } = spec.source;
  const fromVsphere =
    vsphere === undefined
      ? undefined
      : {
          ...optional("TemplateName", vsphere.templateName ?? vsphere.contentLibrary?.item),
          ...optional("URL", vsphere.ovaURL),
          ...checksumOf(vsphere),
        };
  const fromLibvirt =
    libvirt === undefined
      ? undefined
      : {
          ...optional("Path", libvirt.path),
          ...optional("URL", libvirt.url),
          ...optional("Format", libvirt.format),
          ...checksumOf(libvirt),
        };
  const fromHttp = http === undefined ? undefined : { URL: http.url, ...checksumOf(http) };
  const found = {
    vsphere: fromVsphere ?? fromHttp,
    libvirt: fromLibvirt ?? fromHttp,
    mock: fromLibvirt ?? fromVsphere ?? fromHttp,
  }[providerType];
  if (found === undefined) {
    throw new ManagerError(
      "invalid_spec",
      `VMImage ${metadata.namespace}/${metadata.name} has no source for a provider of type ${providerType}; ` +
        `add spec.source.${providerType === "mock" ? "http" : providerType} or spec.source.http`,
    );
  }
  return found;
}

function checksumOf(source: { readonly checksum?: string; readonly checksumType?: string }): VmImageJson {
  // The type has a default and says nothing without a sum.
  return source.checksum === undefined
    ? {}
    : { Checksum: source.checksum, ...optional("ChecksumType", source.checksumType) };
}

function placementOf(vm: VirtualMachine, provider: Provider): PlacementJson | undefined {
  const place = { ...provider.spec.defaults, ...vm.spec.placement };
  const json: PlacementJson = {
    ...optional("Datastore", place.datastore),
    ...optional("StoragePod", place.storagePod),
    ...optional("Cluster", place.cluster),
    ...optional("Folder", place.folder),
    ...optional("Host", vm.spec.placement?.host),
  };
  return Object.keys(json).length === 0 ? undefined : json;
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

// A map's order is the server's business; the digest must not depend on it.
function sorted(map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
