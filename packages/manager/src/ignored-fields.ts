import type { Provider } from "./api/provider.ts";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import type { VMClass } from "./api/vm-class.ts";
import type { VMImage } from "./api/vm-image.ts";
import type { VMNetworkAttachment } from "./api/vm-network-attachment.ts";

/** The objects whose fields make a machine. */
export interface MachineSources {
  readonly vmClass?: VMClass | undefined;
  readonly image?: VMImage | undefined;
  readonly networks?: readonly (VMNetworkAttachment | undefined)[];
}

const unusedOfClass = ["diskDefaults.iops", "diskDefaults.storageClass"];
const unusedOfImage = [
  "prepare.optimization",
  "prepare.storage.compression",
  "prepare.storage.libvirt.allocationPolicy",
  "prepare.storage.libvirt.preallocation",
  "prepare.storage.preferredFormat",
  "prepare.storage.vsphere.diskType",
  "prepare.storage.vsphere.folder",
  "prepare.storage.vsphere.thinProvisioned",
  "source.dataVolume",
  "source.http.authentication",
  "source.http.headers",
  "source.proxmox",
  "source.registry",
  "source.vsphere.contentLibrary.library",
  "source.vsphere.providerRef",
];
const unusedOfNetwork = [
  "ipAllocation.dhcpConfig",
  "ipAllocation.dnsConfig",
  "ipAllocation.poolConfig",
  "ipAllocation.staticConfig",
  "network.libvirt.driver",
  "network.libvirt.filterRef",
  "network.proxmox",
  "network.vsphere.distributedSwitch",
  "network.vsphere.security",
  "network.vsphere.trafficShaping",
  "qos",
  "security",
];

/** What is set on a VirtualMachine and on the objects it names and that nothing acts on, each as a person would look for it. */
export function ignoredMachineFields({ spec }: VirtualMachine, sources: MachineSources = {}): string[] {
  const own = present(spec, [
    "importedDisk",
    "lifecycle.postStart",
    "lifecycle.preStop",
    "placement.resourcePool",
    "placementRef",
    "resources.gpu",
    ...(spec.userData?.cloudInit === undefined ? [] : ["userData.ignition"]),
  ]);
  for (const [index, disk] of (spec.disks ?? []).entries()) {
    const unused = present(disk, ["scsi", "storageClass"]);
    // The default fills itself in; only a deliberate choice is worth a word.
    if (disk.expandPolicy === "Online") unused.push("expandPolicy");
    own.push(...unused.map((path) => `disks[${index}].${path}`));
  }
  const { vmClass, image, networks = [] } = sources;
  return [
    ...own.map((path) => `spec.${path}`),
    ...(vmClass === undefined ? [] : unusedIn("VMClass", vmClass, unusedOfClass)),
    ...(image === undefined ? [] : unusedIn("VMImage", image, unusedOfImage)),
    ...new Set(
      networks.flatMap((network) =>
        network === undefined ? [] : unusedIn("VMNetworkAttachment", network, unusedOfNetwork),
      ),
    ),
  ];
}

/** The same of a Provider. */
export function ignoredProviderFields({ metadata, spec }: Provider): string[] {
  const paths = present(spec, ["defaults.network", "defaults.resourcePool"]);
  const { namespace } = spec.credentialSecretRef;
  // A pod mounts Secrets of its own namespace only.
  if (namespace !== undefined && namespace !== metadata.namespace) paths.push("credentialSecretRef.namespace");
  if (spec.insecureSkipVerify === true) paths.push("insecureSkipVerify");
  if (spec.runtime.service?.tls?.insecureSkipVerify === true) paths.push("runtime.service.tls.insecureSkipVerify");
  return paths.map((path) => `spec.${path}`);
}

/** The same of the objects that machines name, each on its own. */
export function ignoredClassFields({ spec }: VMClass): string[] {
  return present(spec, unusedOfClass).map((path) => `spec.${path}`);
}

export function ignoredImageFields({ spec }: VMImage): string[] {
  return present(spec, unusedOfImage).map((path) => `spec.${path}`);
}

export function ignoredNetworkFields({ spec }: VMNetworkAttachment): string[] {
  return present(spec, unusedOfNetwork).map((path) => `spec.${path}`);
}

function unusedIn(
  kind: string,
  object: { readonly metadata: { readonly name: string }; readonly spec: object },
  paths: readonly string[],
): string[] {
  return present(object.spec, paths).map((path) => `${kind} ${object.metadata.name} spec.${path}`);
}

function present(object: object, paths: readonly string[]): string[] {
  return paths.filter((path) => {
    let value: unknown = object;
    for (const key of path.split(".")) {
      value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
    }
    return value !== undefined;
  });
}
