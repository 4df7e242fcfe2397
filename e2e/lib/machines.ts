import { createKubeClient, loadKubeConfig } from "@almanac/kube";
import type { KubeClient, KubeObject, ResourceClient } from "@almanac/kube";
import { group, version } from "@almanac/manager";
import type { VirtualMachine } from "@almanac/manager";

export type Machine = VirtualMachine & KubeObject;

export async function connect(kubeconfig: string): Promise<{ kube: KubeClient; machines: ResourceClient<Machine> }> {
  const kube = createKubeClient(await loadKubeConfig({ kubeconfig }));
  const machines = kube.resource<Machine>({
    group,
    version,
    plural: "virtualmachines",
    kind: "VirtualMachine",
    namespaced: true,
  });
  return { kube, machines };
}

/** A machine of the class `small` on one of the examples' providers. */
export function machine(name: string, provider: string, spec: Partial<VirtualMachine["spec"]> = {}): Machine {
  return {
    apiVersion: `${group}/${version}`,
    kind: "VirtualMachine",
    metadata: { name, namespace: "default" },
    spec: {
      providerRef: { name: provider },
      classRef: { name: "small" },
      imageRef: { name: "ubuntu-22-04" },
      powerState: "On",
      ...spec,
    },
  } as unknown as Machine;
}
