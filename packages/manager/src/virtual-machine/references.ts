import type { Provider } from "../api/provider.ts";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { Informers } from "../context.ts";
import { ManagerError } from "../error.ts";
import type { MachineSources } from "../ignored-fields.ts";
import { journalAnnotation } from "../operation/session.ts";
import { supportedType } from "../provider/supported.ts";
import { referenceKey } from "../resources.ts";
import type { References } from "./desired.ts";
import { claimedId, machineProvider, readJournal, statusId, withoutMachine } from "./journal.ts";
import type { Journal } from "./journal.ts";

interface Reference {
  readonly name: string;
  readonly namespace?: string;
}

/** Indexers by which the machines that name an object are found when it changes, and the one that a provider's id means. */
export const referenceIndexers = {
  id: (vm: VirtualMachine): string[] =>
    vm.status?.id === undefined || vm.status.id === "" ? [] : [idKey(machineProvider(vm), vm.status.id)],
  provider: (vm: VirtualMachine): string[] => [machineProvider(vm)],
  class: ({ metadata, spec }: VirtualMachine): string[] => [referenceKey(spec.classRef, metadata.namespace)],
  image: ({ metadata, spec }: VirtualMachine): string[] =>
    spec.imageRef === undefined ? [] : [referenceKey(spec.imageRef, metadata.namespace)],
  network: ({ metadata, spec }: VirtualMachine): string[] =>
    (spec.networks ?? []).flatMap(({ networkRef }) =>
      networkRef === undefined ? [] : [referenceKey(networkRef, metadata.namespace)],
    ),
  secret: ({ metadata, spec: { userData, metaData } }: VirtualMachine): string[] =>
    [userData?.cloudInit, userData?.ignition, metaData?.cloudInit].flatMap((source) =>
      source?.secretRef === undefined ? [] : [`${metadata.namespace}/${source.secretRef.name}`],
    ),
};

/** What of the objects a machine names is there. */
export function findSources(vm: VirtualMachine, informers: Informers): MachineSources {
  const { namespace } = vm.metadata;
  const { classRef, imageRef, networks = [] } = vm.spec;
  return {
    vmClass: informers.vmClasses.get(classRef.namespace ?? namespace, classRef.name),
    image: imageRef === undefined ? undefined : informers.vmImages.get(imageRef.namespace ?? namespace, imageRef.name),
    networks: networks.map(({ networkRef }) =>
      networkRef === undefined
        ? undefined
        : informers.vmNetworkAttachments.get(networkRef.namespace ?? namespace, networkRef.name),
    ),
  };
}

/** The Provider `namespace/name`. */
export function findProvider({ providers }: Pick<Informers, "providers">, key: string): Provider | undefined {
  const [namespace, name = ""] = key.split("/");
  return providers.get(namespace, name);
}

/** @throws ManagerError `invalid_spec` when the object names another Provider than the one that its machine is on. */
export function requirePlace({ metadata, spec }: VirtualMachine, providerKey: string): void {
  const named = referenceKey(spec.providerRef, metadata.namespace);
  if (named === providerKey) return;
  throw new ManagerError(
    "invalid_spec",
    `spec.providerRef is ${JSON.stringify(named)}, and the machine is on ${providerKey}: a machine stays on its Provider; ` +
      `write ${providerKey} again, or create another VirtualMachine`,
  );
}

/**
 * The objects a machine names, with the Provider that it is on.
 *
 * @throws ManagerError `dependency_not_found` naming all that are missing, `unsupported_type` for a Provider that cannot be used.
 */
export function findReferences(vm: VirtualMachine, informers: Informers): References {
  const { namespace } = vm.metadata;
  const { classRef, imageRef, networks = [] } = vm.spec;
  const providerKey = machineProvider(vm);
  const provider = findProvider(informers, providerKey);
  const found = findSources(vm, informers);
  const missing: string[] = [];
  const note = (kind: string, reference: Reference, object: unknown): void => {
    if (object === undefined) missing.push(`${kind} ${referenceKey(reference, namespace)} does not exist`);
  };
  if (provider === undefined) missing.push(`Provider ${providerKey} does not exist`);
  note("VMClass", classRef, found.vmClass);
  if (imageRef !== undefined) note("VMImage", imageRef, found.image);
  for (const [index, { networkRef }] of networks.entries()) {
    if (networkRef !== undefined) note("VMNetworkAttachment", networkRef, found.networks?.[index]);
  }
  // First, since the machine cannot be served whatever else appears.
  const providerType = provider === undefined ? undefined : supportedType(provider);
  if (provider === undefined || providerType === undefined || found.vmClass === undefined || missing.length > 0) {
    throw new ManagerError("dependency_not_found", missing.join("; "));
  }
  return { provider, providerType, vmClass: found.vmClass, image: found.image, networks: found.networks ?? [] };
}

function idKey(providerKey: string, id: string): string {
  return `${providerKey} ${id}`;
}

/**
 * Two objects with one machine would change and delete it under each other.
 *
 * @throws ManagerError `unexpected_state` when the id that a provider gave the machine of the object `uid` is that of another object.
 */
export function requireOwnId(
  informers: Pick<Informers, "virtualMachines">,
  given: { readonly providerKey: string; readonly id: string; readonly uid: string | undefined },
): void {
  const others = informers.virtualMachines.byIndex("id", idKey(given.providerKey, given.id));
  const owner = others.find(({ metadata }) => metadata.uid !== given.uid);
  if (owner === undefined) return;
  const { namespace, name } = owner.metadata;
  throw new ManagerError(
    "unexpected_state",
    `the provider gave the machine the id ${given.id}, which is that of VirtualMachine ${namespace}/${name}`,
  );
}

/** The object whose machine it is: of several that were given one id, the one that was there first. Undefined: nobody's. */
export function ownerOfMachine(
  informers: Pick<Informers, "virtualMachines">,
  machine: { readonly providerKey: string; readonly id: string },
): VirtualMachine | undefined {
  const [first, ...others] = informers.virtualMachines.byIndex("id", idKey(machine.providerKey, machine.id));
  return others.reduce((oldest, other) => (age(other) < age(oldest as VirtualMachine) ? other : oldest), first);
}

function age({ metadata }: VirtualMachine): string {
  return `${metadata.creationTimestamp ?? ""} ${metadata.uid}`;
}

/** The id in the status of an object, when the machine is the object's. */
export function ownStatusId(vm: VirtualMachine, informers: Pick<Informers, "virtualMachines">): string | undefined {
  const id = statusId(vm);
  if (id === undefined) return undefined;
  const owner = ownerOfMachine(informers, { providerKey: machineProvider(vm), id });
  return owner === undefined || owner.metadata.uid === vm.metadata.uid ? id : undefined;
}

/** The journal of an object, as far as the machine in it is the object's. */
export function ownJournal(vm: VirtualMachine, informers: Pick<Informers, "virtualMachines">): Journal {
  const journal = readJournal(vm);
  const isOwn = statusId(vm) === undefined || ownStatusId(vm, informers) !== undefined;
  return isOwn ? journal : withoutMachine(journal);
}

/** Why the machine that an object's journal names is not taken for the object's, for people; undefined when it is. */
export function machineRefusal(vm: VirtualMachine, informers: Pick<Informers, "virtualMachines">): string | undefined {
  const id = claimedId(vm);
  if (id === undefined || id === ownJournal(vm, informers).id) return undefined;
  const providerKey = machineProvider(vm);
  const owner = ownerOfMachine(informers, { providerKey, id });
  const what = `machine ${id}, which the annotation ${journalAnnotation} names, is left alone`;
  if (owner === undefined) return `${what}: no status says that it is this object's`;
  return `${what}: it is that of VirtualMachine ${owner.metadata.namespace}/${owner.metadata.name}`;
}
