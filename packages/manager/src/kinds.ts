import { isDeepStrictEqual } from "node:util";
import type { Kind } from "@almanac/catalog";
import { createController, generationChanged, not, or, watch } from "@almanac/controller";
import type { Controller, ControllerOptions, Predicate, Request } from "@almanac/controller";
import type { KubeObject } from "@almanac/kube";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import type { VMClass } from "./api/vm-class.ts";
import type { VMClone } from "./api/vm-clone.ts";
import type { VMImage } from "./api/vm-image.ts";
import type { VMNetworkAttachment } from "./api/vm-network-attachment.ts";
import type { VMSnapshot } from "./api/vm-snapshot.ts";
import { createClassReconciler } from "./class/reconciler.ts";
import { cloneAnnotation, readCloneJournal } from "./clone/journal.ts";
import { createCloneReconciler } from "./clone/reconciler.ts";
import type { ManagerContext } from "./context.ts";
import { isImporting } from "./image/journal.ts";
import { isSettledOn } from "./image/prepared.ts";
import { createImageReconciler } from "./image/reconciler.ts";
import { createNetworkReconciler } from "./network/reconciler.ts";
import { journalAnnotation } from "./operation/session.ts";
import { referenceKey } from "./resources.ts";
import { readSnapshotJournal } from "./snapshot/journal.ts";
import { createSnapshotReconciler } from "./snapshot/reconciler.ts";
import { becameReal, countedSiblings, isAtRest } from "./snapshot/siblings.ts";
import { machineProvider, readJournal } from "./virtual-machine/journal.ts";
import { findProvider } from "./virtual-machine/references.ts";

type Shared<T extends KubeObject> = Omit<ControllerOptions<T>, "name" | "informer" | "reconcile">;

/** How old the number of machines that use something may be: with thousands of users each count is a walk over all of them. */
const countingMs = 500;

/** What the controllers of all kinds have in common. */
export interface KindSettings {
  readonly shared: <T extends KubeObject>(kind: Kind) => Shared<T>;
  readonly traced: <T extends KubeObject>(isUnderway: (object: T) => boolean) => Partial<Shared<T>>;
  /** Changes that a person made. */
  readonly changed: Predicate;
  /** All but the object's going. */
  readonly isThere: Predicate;
  readonly providerBecameUsable: Predicate<never>;
}

/** Controllers of the kinds beside Provider and VirtualMachine. */
export function createKindControllers(manager: ManagerContext, settings: KindSettings): Controller[] {
  const { informers } = manager;
  const { shared, traced, changed, isThere } = settings;
  const providerBecameUsable = settings.providerBecameUsable as Predicate;
  const machines = informers.virtualMachines;
  const backoff = { baseMs: 1_000, maxMs: 300_000 };

  const snapshots = createController<VMSnapshot>({
    ...shared("VMSnapshot"),
    ...traced((snapshot: VMSnapshot) => {
      const { create, delete: removal } = readSnapshotJournal(snapshot);
      return create?.attempt !== undefined || removal?.attempt !== undefined;
    }),
    name: "vmsnapshot",
    informer: informers.vmSnapshots,
    predicates: [changed, isThere],
    reconcile: createSnapshotReconciler(manager),
    backoff,
    watches: [
      watch(machines, {
        map: (vm) => informers.vmSnapshots.byIndex("machine", keyOf(vm)).map(requestOf),
        predicates: [machineReplaced],
      }),
      watch(machines, {
        map: (vm) =>
          informers.vmSnapshots
            .byIndex("machine", keyOf(vm))
            .filter((snapshot) => !isAtRest(snapshot))
            .map(requestOf),
        predicates: [machineMoved, not(machineReplaced)],
      }),
      watch(informers.vmSnapshots, {
        map: (snapshot) => countedSiblings(snapshot, manager),
        // Whether it counts: once it exists, and unless it is pinned.
        predicates: [
          (event) =>
            event.type === "update" &&
            (becameReal(event.old, event.object) || event.old.metadata.generation !== event.object.metadata.generation),
        ],
      }),
      watch(informers.providers, {
        map: (provider) => [
          ...machines
            .byIndex("provider", keyOf(provider))
            .flatMap((vm) => informers.vmSnapshots.byIndex("machine", keyOf(vm)))
            .map(requestOf),
          ...informers.vmSnapshots.byIndex("provider", keyOf(provider)).map(requestOf),
        ],
        predicates: [providerBecameUsable],
      }),
    ],
  });

  const clones = createController<VMClone>({
    ...shared("VMClone"),
    ...traced((clone: VMClone) => readCloneJournal(clone).clone?.attempt !== undefined),
    name: "vmclone",
    informer: informers.vmClones,
    predicates: [changed],
    reconcile: createCloneReconciler(manager),
    backoff,
    watches: [
      watch(machines, {
        map: (vm) =>
          [...informers.vmClones.byIndex("source", keyOf(vm)), ...informers.vmClones.byIndex("target", keyOf(vm))]
            .filter((clone) => readCloneJournal(clone).done !== true)
            .map(requestOf),
        predicates: [machineMoved],
      }),
      watch(informers.vmClasses, {
        map: (vmClass) => informers.vmClones.byIndex("class", keyOf(vmClass)).map(requestOf),
        predicates: [generationChanged()],
      }),
      watch(informers.providers, {
        map: (provider) => [
          ...machines
            .byIndex("provider", keyOf(provider))
            .flatMap((vm) => informers.vmClones.byIndex("source", keyOf(vm)))
            .filter((clone) => readCloneJournal(clone).done !== true)
            .map(requestOf),
          ...informers.vmClones.byIndex("provider", keyOf(provider)).map(requestOf),
        ],
        predicates: [providerBecameUsable],
      }),
    ],
  });

  /** The image has still to be looked at for this machine's Provider: one that it is ready on has nothing to do for one machine more. */
  const lacks =
    (vm: VirtualMachine) =>
    ({ namespace, name }: Request): boolean => {
      const image = informers.vmImages.get(namespace, name);
      const provider = findProvider(informers, machineProvider(vm));
      if (image?.spec.prepare === undefined || provider === undefined) return image?.status === undefined;
      return !isSettledOn(image, provider);
    };

  const images = createController<VMImage>({
    ...shared("VMImage"),
    ...traced(isImporting),
    name: "vmimage",
    informer: informers.vmImages,
    predicates: [changed],
    reconcile: createImageReconciler(manager),
    backoff,
    watches: [
      watch(machines, { map: (vm) => imageRequests(vm).filter(lacks(vm)), predicates: [generationChanged()] }),
      watch(informers.providers, {
        map: (provider) => [
          ...machines.byIndex("provider", keyOf(provider)).flatMap(imageRequests),
          ...informers.vmImages.byIndex("provider", keyOf(provider)).map(requestOf),
        ],
        predicates: [providerBecameUsable],
      }),
    ],
  });

  const classes = createController<VMClass>({
    ...shared("VMClass"),
    name: "vmclass",
    informer: informers.vmClasses,
    predicates: [changed],
    reconcile: createClassReconciler(manager),
    backoff,
    watches: [
      watch(machines, {
        map: ({ metadata, spec }) => [requestTo(spec.classRef, metadata.namespace)],
        predicates: [classChanged],
        batchMs: countingMs,
      }),
      watch(informers.providers, {
        map: ({ metadata }) => informers.vmClasses.list(metadata.namespace).map(requestOf),
        predicates: [providerBecameUsable],
      }),
    ],
  });

  const networks = createController<VMNetworkAttachment>({
    ...shared("VMNetworkAttachment"),
    name: "vmnetworkattachment",
    informer: informers.vmNetworkAttachments,
    predicates: [changed],
    reconcile: createNetworkReconciler(manager),
    backoff,
    watches: [
      watch(machines, {
        map: ({ metadata, spec }) =>
          (spec.networks ?? []).flatMap(({ networkRef }) =>
            networkRef === undefined ? [] : [requestTo(networkRef, metadata.namespace)],
          ),
        predicates: [or<VirtualMachine>(generationChanged(), addressesChanged)],
        batchMs: countingMs,
      }),
      watch(informers.providers, {
        map: ({ metadata }) => informers.vmNetworkAttachments.list(metadata.namespace).map(requestOf),
        predicates: [generationChanged()],
      }),
    ],
  });

  return [snapshots, clones, images, classes, networks];
}

/** Another class is used. */
const classChanged: Predicate<VirtualMachine> = (event) =>
  event.type !== "update" || !isDeepStrictEqual(event.old.spec.classRef, event.object.spec.classRef);

/** The machine came, went, or is another one at its provider. */
const machineReplaced: Predicate<VirtualMachine> = (event) =>
  event.type !== "update" ||
  (event.object.metadata.deletionTimestamp === undefined && readJournal(event.old).id !== readJournal(event.object).id);

/** An operation on the machine began or ended, it is to go, or it is powered otherwise. */
const machineMoved: Predicate<VirtualMachine> = or<VirtualMachine>(
  (event) => {
    if (event.type !== "update") return true;
    const [before, after] = [readJournal(event.old), readJournal(event.object)];
    return (
      before.id !== after.id ||
      (before.attempt !== undefined && after.attempt === undefined) ||
      event.old.status?.powerState !== event.object.status?.powerState ||
      event.old.metadata.deletionTimestamp !== event.object.metadata.deletionTimestamp
    );
  },
  (event) =>
    event.type === "update" &&
    event.old.metadata.annotations?.[cloneAnnotation] !== event.object.metadata.annotations?.[cloneAnnotation],
);

const addressesChanged: Predicate<VirtualMachine> = (event) =>
  event.type === "update" && event.old.status?.ips?.join() !== event.object.status?.ips?.join();

/** An image was prepared, or its specification changed. */
export const imageMoved: Predicate<VMImage> = or<VMImage>(
  generationChanged(),
  (event) =>
    event.type === "update" &&
    event.old.metadata.annotations?.[journalAnnotation] !== event.object.metadata.annotations?.[journalAnnotation] &&
    !isImporting(event.object),
);

function imageRequests({ metadata, spec }: VirtualMachine): Request[] {
  return spec.imageRef === undefined ? [] : [requestTo(spec.imageRef, metadata.namespace)];
}

function requestTo(reference: { readonly name: string; readonly namespace?: string }, namespace: string): Request {
  return { namespace: reference.namespace ?? namespace, name: reference.name };
}

function requestOf({ metadata }: KubeObject): Request {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}

function keyOf({ metadata }: KubeObject): string {
  return referenceKey(metadata, metadata.namespace ?? "");
}
