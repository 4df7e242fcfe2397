import type { ReconcileContext } from "@almanac/controller";
import { isKubeError } from "@almanac/kube";
import { group, version } from "../api/define-kind.ts";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMClone } from "../api/vm-clone.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError } from "../error.ts";
import { journalAnnotation, journalText } from "../operation/session.ts";
import { fieldManager } from "../provider/workload.ts";
import { statusPatch } from "../status-patch.ts";
import { finalizer, machineProvider } from "../virtual-machine/journal.ts";
import type { Journal } from "../virtual-machine/journal.ts";
import { withMachine } from "../virtual-machine/status.ts";
import { cloneAnnotation, cloneMark, targetKeyOf } from "./journal.ts";

const patchTries = 5;

/** The VirtualMachine that a clone is made for. */
export interface Target {
  /** Undefined when it does not exist, or belongs to somebody else. */
  find(): VirtualMachine | undefined;
  /** The same, as the API server knows it. */
  seek(): Promise<VirtualMachine | undefined>;
  /**
   * The object, made when it is missing; until it is handed over its own reconciler leaves it alone.
   *
   * @throws ManagerError `invalid_spec` when the name is taken.
   */
  ensure(source: VirtualMachine): Promise<VirtualMachine>;
  /** Gives the object to its own reconciler, with what is known of its machine. False when it is gone. */
  handOver(journal: Journal): Promise<boolean>;
  /** Begins the deletion of the object, unless it was handed over. */
  remove(): Promise<void>;
}

export function createTarget(
  manager: Pick<ManagerContext, "resources" | "informers">,
  clone: VMClone,
  uid: () => string | undefined,
  context: Pick<ReconcileContext<never>, "signal" | "assertCurrent">,
): Target {
  const { signal } = context;
  const { virtualMachines: resource } = manager.resources;
  const { virtualMachines: informer } = manager.informers;
  const [namespace = "", name = ""] = targetKeyOf(clone).split("/");
  const key = { namespace, name };
  const mark = cloneMark(clone);

  function isOurs(vm: VirtualMachine): boolean {
    return vm.metadata.annotations?.[cloneAnnotation] === mark || vm.metadata.uid === uid();
  }

  async function live(): Promise<VirtualMachine | undefined> {
    try {
      return await resource.get(key, { signal });
    } catch (error) {
      if (isKubeError(error, "not_found")) return undefined;
      throw error;
    }
  }

  function checked(vm: VirtualMachine): VirtualMachine {
    if (isOurs(vm)) return vm;
    throw new ManagerError(
      "invalid_spec",
      `spec.target.name: VirtualMachine ${key.namespace}/${key.name} exists and is not this clone's; choose another name`,
    );
  }

  /** One that was made for an earlier specification of the clone gets the present one. */
  async function renewed(vm: VirtualMachine, source: VirtualMachine): Promise<VirtualMachine> {
    const isHeld = vm.metadata.annotations?.[cloneAnnotation] === mark && vm.metadata.deletionTimestamp === undefined;
    if (!isHeld) return vm;
    const body = [{ op: "replace", path: "/spec", value: targetSpec(clone, source) }];
    context.assertCurrent();
    const written = await resource.patch(key, body, { type: "json", fieldManager, signal });
    informer.observe(written);
    return written;
  }

  async function withStatus(vm: VirtualMachine, id: string, provider: string): Promise<VirtualMachine> {
    const patch = statusPatch(vm.status, withMachine(vm.status, id, provider));
    if (patch === undefined) return vm;
    const body = { metadata: { resourceVersion: vm.metadata.resourceVersion }, status: patch };
    const written = await resource.patch(key, body, { type: "merge", subresource: "status", fieldManager, signal });
    informer.observe(written);
    return written;
  }

  return {
    find() {
      const vm = informer.get(key.namespace, key.name);
      return vm !== undefined && isOurs(vm) ? vm : undefined;
    },
    async seek() {
      const vm = await live();
      return vm !== undefined && isOurs(vm) ? vm : undefined;
    },
    async ensure(source) {
      const known = informer.get(key.namespace, key.name) ?? (await live());
      if (known !== undefined) return renewed(checked(known), source);
      const { labels, annotations } = clone.spec.target;
      const body = {
        apiVersion: `${group}/${version}`,
        kind: "VirtualMachine",
        metadata: {
          ...key,
          ...(labels === undefined ? {} : { labels }),
          annotations: { ...annotations, [cloneAnnotation]: mark },
          // It must not go while a machine may be made for it.
          finalizers: [finalizer],
        },
        spec: targetSpec(clone, source),
      };
      context.assertCurrent();
      try {
        const made = await resource.create(body as unknown as VirtualMachine, { fieldManager, signal });
        informer.observe(made);
        return made;
      } catch (error) {
        const present = isKubeError(error, "already_exists") ? await live() : undefined;
        if (present === undefined) throw error;
        return checked(present);
      }
    },
    async handOver(journal) {
      const { id, provider } = journal;
      let vm = this.find() ?? (await live());
      for (let tries = 1; vm !== undefined; tries++) {
        if (vm.metadata.uid !== uid() || vm.metadata.annotations?.[cloneAnnotation] !== mark) {
          return vm.metadata.uid === uid();
        }
        context.assertCurrent();
        try {
          // First, since a journal is believed only where the status bears it out.
          if (id !== undefined && provider !== undefined) vm = await withStatus(vm, id, provider);
          const annotations = { [cloneAnnotation]: null, [journalAnnotation]: journalText(vm.metadata.uid, journal) };
          const body = { metadata: { resourceVersion: vm.metadata.resourceVersion, annotations } };
          informer.observe(await resource.patch(key, body, { type: "merge", fieldManager, signal }));
          return true;
        } catch (error) {
          if (isKubeError(error, "not_found")) return false;
          if (!isKubeError(error, "conflict") || tries === patchTries) throw error;
          vm = await live();
        }
      }
      return false;
    },
    async remove() {
      // Whoever writes the clone's annotations may name any object.
      if ((await live())?.metadata.annotations?.[cloneAnnotation] !== mark) return;
      const preconditions = { uid: uid() ?? "" };
      context.assertCurrent();
      try {
        await resource.delete(key, { preconditions, ignoreNotFound: true, signal });
      } catch (error) {
        // Another object of that name.
        if (!isKubeError(error, "conflict")) throw error;
      }
    },
  };
}

type Spec = VirtualMachine["spec"];

/** The source's specification, with what the clone wants otherwise. */
function targetSpec(clone: VMClone, source: VirtualMachine): Spec {
  const { target, options, customization } = clone.spec;
  const { spec, metadata } = source;
  const anchored = (reference: { readonly name: string; readonly namespace?: string }): Spec["classRef"] => ({
    name: reference.name,
    namespace: reference.namespace ?? metadata.namespace,
  });
  const [providerNamespace = "", providerName = ""] = machineProvider(source).split("/");
  // Two machines with one address would be worse than none.
  const networks = target.networks ?? spec.networks?.map(({ ipAddress: _ip, macAddress: _mac, ...network }) => network);
  const { datastore, folder } = options?.storage ?? {};
  const placement = {
    ...spec.placement,
    ...(datastore === undefined ? {} : { datastore }),
    ...(folder === undefined ? {} : { folder }),
  };
  const disks = target.disks ?? spec.disks;
  return {
    providerRef: { name: providerName, namespace: providerNamespace },
    classRef:
      target.classRef === undefined
        ? anchored(spec.classRef)
        : { name: target.classRef.name, namespace: clone.metadata.namespace },
    ...(spec.imageRef === undefined ? {} : { imageRef: anchored(spec.imageRef) }),
    ...(target.classRef !== undefined || spec.resources === undefined ? {} : { resources: spec.resources }),
    ...(disks === undefined ? {} : { disks }),
    ...(networks === undefined
      ? {}
      : {
          networks: networks.map(({ networkRef, ...network }) => ({
            ...network,
            ...(networkRef === undefined ? {} : { networkRef: anchored(networkRef) }),
          })),
        }),
    ...(Object.keys(placement).length === 0 ? {} : { placement }),
    ...(target.placementRef === undefined ? {} : { placementRef: target.placementRef }),
    ...(customization?.tags === undefined ? {} : { tags: customization.tags }),
    powerState: options?.powerOn === true ? "On" : "Off",
  };
}
