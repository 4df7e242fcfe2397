import type { ProviderType } from "@almanac/catalog";
import type { VMNetworkAttachment } from "../api/vm-network-attachment.ts";

const allocations = ["DHCP", "Static", "Pool", "None"];

/** Everything that keeps any machine from being connected, each as a person would fix it. Pure. */
export function networkProblems({ spec }: VMNetworkAttachment): string[] {
  const problems: string[] = [];
  const { libvirt, vsphere, proxmox } = spec.network;
  if (libvirt === undefined && vsphere === undefined && proxmox === undefined) {
    problems.push("spec.network names no network; add spec.network.libvirt or spec.network.vsphere");
  }
  if (libvirt !== undefined && !libvirt.networkName && libvirt.bridge === undefined) {
    problems.push("spec.network.libvirt needs networkName or bridge");
  }
  if (vsphere !== undefined && !vsphere.portgroup && vsphere.distributedSwitch === undefined) {
    problems.push("spec.network.vsphere needs portgroup or distributedSwitch");
  }
  const vlan = vsphere?.vlan;
  if (vlan?.type === "vlan" && vlan.vlanID === undefined)
    problems.push("spec.network.vsphere.vlan.type vlan needs vlanID");
  if (vlan?.type === "pvlan" && (vlan.primaryVlanID === undefined || vlan.secondaryVlanID === undefined)) {
    problems.push("spec.network.vsphere.vlan.type pvlan needs primaryVlanID and secondaryVlanID");
  }
  const { type = "DHCP", staticConfig, poolConfig } = spec.ipAllocation ?? {};
  const known = allocations.find((name) => name.toLowerCase() === type.toLowerCase());
  if (known === undefined) {
    problems.push(`spec.ipAllocation.type is ${JSON.stringify(type)}; write one of ${allocations.join(", ")}`);
  }
  if (known === "Static" && staticConfig === undefined)
    problems.push("spec.ipAllocation.type Static needs staticConfig");
  if (known === "Pool" && poolConfig === undefined) problems.push("spec.ipAllocation.type Pool needs poolConfig");
  return problems;
}

/** It says what a provider of that type connects a machine to. Pure. */
export function servesType({ spec }: VMNetworkAttachment, type: ProviderType): boolean {
  const { libvirt, vsphere } = spec.network;
  return { libvirt: libvirt !== undefined, vsphere: vsphere !== undefined, mock: (libvirt ?? vsphere) !== undefined }[
    type
  ];
}
