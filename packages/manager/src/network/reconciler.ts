import { providerTypes } from "@almanac/catalog";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMNetworkAttachment } from "../api/vm-network-attachment.ts";
import { timestamp } from "../conditions.ts";
import type { ManagerContext } from "../context.ts";
import { ignoredNetworkFields } from "../ignored-fields.ts";
import { readyConditions } from "../operation/frame.ts";
import { createReporter } from "../operation/report.ts";
import { referenceKey } from "../resources.ts";
import { networkProblems, servesType } from "./validation.ts";

type Status = NonNullable<VMNetworkAttachment["status"]>;

/** Says of each attachment whether machines can be connected, on which Providers of its namespace, which are, and with which address. */
export function createNetworkReconciler(
  manager: ManagerContext,
): (request: Request, context: ReconcileContext<VMNetworkAttachment>) => Promise<Result> {
  const { informers, resources, clock } = manager;
  return createReporter<VMNetworkAttachment>(manager, {
    informer: informers.vmNetworkAttachments,
    resource: resources.vmNetworkAttachments,
    report(attachment) {
      const { metadata } = attachment;
      const { generation } = metadata;
      const nowMs = clock.now();
      const key = `${metadata.namespace}/${metadata.name}`;
      const problems = networkProblems(attachment);
      const refused = problems.length === 0 ? undefined : problems.join("; ");
      const users = informers.virtualMachines.byIndex("network", key);
      const allocations = users.flatMap((vm) => addressesOf(vm, key, metadata.namespace));
      const shared = sharedAddresses(allocations);
      const serving = informers.providers
        .list(metadata.namespace)
        .filter(({ spec }) => {
          const type = providerTypes.values.find((known) => known === spec.type);
          return type !== undefined && servesType(attachment, type);
        })
        .map((provider) => provider.metadata.name)
        .sort();
      const known = new Map(attachment.status?.ipAllocations?.map((entry) => [`${entry.vm} ${entry.ip}`, entry]));
      const ready =
        refused !== undefined
          ? ({ status: "False", reason: "InvalidSpec", message: refused } as const)
          : shared.length > 0
            ? ({ status: "True", reason: "AddressConflict", message: shared.join("; ") } as const)
            : ({ status: "True", reason: "Valid", message: "machines can be connected" } as const);
      const status: Status = {
        ...attachment.status,
        ready: refused === undefined,
        phase: refused === undefined ? "Ready" : "Failed",
        message: ready.message,
        connectedVMs: users.length,
        availableOn: refused === undefined ? serving : [],
        observedGeneration: generation,
        ipAllocations: allocations
          .map((entry) => known.get(`${entry.vm} ${entry.ip}`) ?? { ...entry, allocatedAt: timestamp(nowMs) })
          .sort((a, b) => (a.vm < b.vm ? -1 : 1)),
        conditions: readyConditions(attachment.status?.conditions, ready, ignoredNetworkFields(attachment), {
          generation,
          nowMs,
        }),
      };
      return { status, refused };
    },
  });
}

interface Allocation {
  readonly ip: string;
  readonly vm: string;
  readonly mac?: string;
}

/** The addresses of a machine in this network, as far as they can be told: given ones, and found ones of a machine with one network. */
function addressesOf(vm: VirtualMachine, key: string, namespace: string): Allocation[] {
  const networks = vm.spec.networks ?? [];
  const name = vm.metadata.namespace === namespace ? vm.metadata.name : `${vm.metadata.namespace}/${vm.metadata.name}`;
  return networks.flatMap((network): Allocation[] => {
    const { networkRef, ipAddress, macAddress: mac } = network;
    if (networkRef === undefined || referenceKey(networkRef, vm.metadata.namespace) !== key) return [];
    const ip = ipAddress ?? (networks.length === 1 ? vm.status?.ips?.[0] : undefined);
    return ip === undefined ? [] : [{ ip, vm: name, ...(mac === undefined ? {} : { mac }) }];
  });
}

function sharedAddresses(allocations: readonly Allocation[]): string[] {
  const byIp = new Map<string, Allocation[]>();
  for (const entry of allocations) byIp.set(entry.ip, [...(byIp.get(entry.ip) ?? []), entry]);
  return [...byIp]
    .filter(([, users]) => users.length > 1)
    .map(([ip, users]) => `${ip} is given to ${users.map(({ vm }) => vm).join(" and ")}`);
}
