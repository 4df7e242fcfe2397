import { describeError, sleep } from "@almanac/core";
import type { Logger } from "@almanac/core";
import type { KubeClient, ResourceClient } from "@almanac/kube";
import { group, version } from "@almanac/manager";
import type { VirtualMachine, VMClone, VMSnapshot } from "@almanac/manager";

/** What the workload has asked for so far. */
export interface WorkloadCounts {
  readonly created: number;
  readonly powered: number;
  readonly reconfigured: number;
  readonly deleted: number;
  /** Snapshots taken, machines put back to one, machines cloned. */
  readonly snapshots: number;
  readonly reverted: number;
  readonly cloned: number;
}

/** A gentle, endless stream of wishes, as users of a cluster have them; some of them mistaken. */
export interface Workload {
  readonly counts: WorkloadCounts;
  /** Resolves when `signal` has aborted and the last request has ended. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

interface WorkloadOptions {
  readonly kube: KubeClient;
  readonly logger: Logger;
  readonly namespace: string;
  /** Providers that machines are placed on, in turn. */
  readonly providers: readonly string[];
  /** Machines of its own that exist at a time. Default: 12. */
  readonly size?: number;
  /** Time between two wishes. Default: 1,500. */
  readonly intervalMs?: number;
  /** Same seed, same wishes. Default: 1. */
  readonly seed?: number;
}

const managedBy = "app.kubernetes.io/managed-by";
const label = "almanac-workload";
/** Snapshots, and finished VMClones, that are kept at a time. */
const mostSnapshots = 6;
const mostClones = 3;

/** Machines are named `load-N` and labelled, so that those of an earlier run are found and gone on with. */
export function createWorkload(options: WorkloadOptions): Workload {
  const { kube, logger, namespace, providers, size = 12, intervalMs = 1_500, seed = 1 } = options;
  const machines: ResourceClient<VirtualMachine> = kube.resource({
    group,
    version,
    plural: "virtualmachines",
    kind: "VirtualMachine",
    namespaced: true,
  });
  const snapshots: ResourceClient<VMSnapshot> = kube.resource({
    group,
    version,
    plural: "vmsnapshots",
    kind: "VMSnapshot",
    namespaced: true,
  });
  const clones: ResourceClient<VMClone> = kube.resource({
    group,
    version,
    plural: "vmclones",
    kind: "VMClone",
    namespaced: true,
  });
  const random = mulberry32(seed);
  const counts = { created: 0, powered: 0, reconfigured: 0, deleted: 0, snapshots: 0, reverted: 0, cloned: 0 };
  const labels = { [managedBy]: label };
  let next = 0;
  let existing: string[] = [];
  let taken: { readonly name: string; readonly machine: string }[] = [];
  let copied: string[] = [];

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await adopt(signal);
        break;
      } catch (error) {
        logger.warn("the workload cannot list its machines yet", { error: describeError(error) });
        await pause(signal);
      }
    }
    // Several at once in the beginning, so that queues fill and a newcomer sees movement.
    for (let burst = existing.length; burst < size / 2 && !signal.aborted; burst++)
      await attempt(() => create(signal), signal);
    while (!signal.aborted) {
      await pause(signal);
      await attempt(() => step(signal), signal);
    }
  }

  async function adopt(signal: AbortSignal): Promise<void> {
    const mine = { namespace, labelSelector: `${managedBy}=${label}`, signal };
    existing = (await machines.list(mine)).items.map((item) => item.metadata.name);
    taken = (await snapshots.list(mine)).items.map((item) => ({
      name: item.metadata.name,
      machine: item.spec.vmRef.name,
    }));
    copied = (await clones.list(mine)).items.map((item) => item.metadata.name);
    const names = [...existing, ...taken.map(({ name }) => name), ...copied];
    next = Math.max(0, ...names.map((name) => Number(/\d+$/.exec(name)?.[0] ?? -1) + 1));
  }

  async function attempt(wish: () => Promise<void>, signal: AbortSignal): Promise<void> {
    await wish().catch((error: unknown) => {
      if (!signal.aborted) logger.info("the API refused a wish", { error: describeError(error) });
    });
  }

  async function step(signal: AbortSignal): Promise<void> {
    const dice = random();
    if (existing.length < size / 2 || (dice < 0.25 && existing.length < size)) {
      // Now and then many at once: a deployment rolls out.
      const many = random() < 0.3 ? 5 : 1;
      await Promise.all(Array.from({ length: many }, () => create(signal)));
    } else if (dice < 0.4) await togglePower(signal);
    else if (dice < 0.5) await takeSnapshot(signal);
    else if (dice < 0.55) await revert(signal);
    else if (dice < 0.6) await clone(signal);
    else if (dice < 0.72) await resize(pick(), signal);
    // Everything at once, as when somebody changes a template: queues fill.
    else if (dice < 0.75) await Promise.all(existing.map((name) => resize(name, signal)));
    else await remove(signal);
  }

  async function create(signal: AbortSignal): Promise<void> {
    const number = next++;
    const name = `load-${number}`;
    const provider = providers[number % providers.length] ?? "";
    // One wish in ten names a class that does not exist, as people do.
    const className = random() < 0.1 ? "gigantic" : "small";
    await machines.create(
      {
        apiVersion: `${group}/${version}`,
        kind: "VirtualMachine",
        metadata: { name, namespace, labels },
        spec: {
          providerRef: { name: provider },
          classRef: { name: className },
          imageRef: { name: "ubuntu-22-04" },
          powerState: "On",
        },
      } as unknown as VirtualMachine,
      { signal },
    );
    existing.push(name);
    counts.created++;
  }

  async function togglePower(signal: AbortSignal): Promise<void> {
    const name = pick();
    const machine = await machines.get({ namespace, name }, { signal });
    const dice = random();
    const powerState = machine.spec.powerState !== "On" ? "On" : dice < 0.5 ? "Off" : "OffGraceful";
    await machines.patch({ namespace, name }, { spec: { powerState } }, { type: "merge", signal });
    counts.powered++;
  }

  async function resize(name: string, signal: AbortSignal): Promise<void> {
    const machine = await machines.get({ namespace, name }, { signal });
    const className = machine.spec.classRef.name === "small" ? "medium" : "small";
    await machines.patch({ namespace, name }, { spec: { classRef: { name: className } } }, { type: "merge", signal });
    counts.reconfigured++;
  }

  async function takeSnapshot(signal: AbortSignal): Promise<void> {
    if (taken.length >= mostSnapshots) {
      const [oldest] = taken.splice(0, 1);
      await snapshots.delete({ namespace, name: oldest?.name ?? "" }, { signal, ignoreNotFound: true });
      return;
    }
    const machine = pick();
    const name = `snap-${next++}`;
    // Some with memory, which a machine that is off does not have.
    const snapshotConfig = { includeMemory: random() < 0.3, description: "taken by the workload" };
    const object = { metadata: { name, namespace, labels }, spec: { vmRef: { name: machine }, snapshotConfig } };
    await snapshots.create(object as unknown as VMSnapshot, { signal });
    taken.push({ name, machine });
    counts.snapshots++;
  }

  async function revert(signal: AbortSignal): Promise<void> {
    const past = taken.find(({ machine }) => existing.includes(machine));
    if (past === undefined) return takeSnapshot(signal);
    const { machine: name } = past;
    const machine = await machines.get({ namespace, name }, { signal });
    // Asked for again it has to be forgotten first.
    const isAsked = machine.spec.snapshot?.revertToRef !== undefined;
    const snapshot = isAsked ? null : { revertToRef: { name: past.name } };
    await machines.patch({ namespace, name }, { spec: { snapshot } }, { type: "merge", signal });
    if (!isAsked) counts.reverted++;
  }

  async function clone(signal: AbortSignal): Promise<void> {
    if (copied.length >= mostClones) {
      const [oldest] = copied.splice(0, 1);
      await clones.delete({ namespace, name: oldest ?? "" }, { signal, ignoreNotFound: true });
    }
    if (existing.length >= size) return;
    const source = pick();
    const name = `load-${next++}`;
    const spec = {
      source: { vmRef: { name: source } },
      target: { name, labels },
      options: { type: random() < 0.5 ? "LinkedClone" : "FullClone", powerOn: random() < 0.7 },
    };
    await clones.create({ metadata: { name, namespace, labels }, spec } as unknown as VMClone, { signal });
    copied.push(name);
    existing.push(name);
    counts.cloned++;
  }

  async function remove(signal: AbortSignal): Promise<void> {
    const name = existing.shift();
    if (name === undefined) return;
    await machines.delete({ namespace, name }, { signal, ignoreNotFound: true });
    // They go with it.
    taken = taken.filter(({ machine }) => machine !== name);
    counts.deleted++;
  }

  function pick(): string {
    return existing[Math.floor(random() * existing.length)] ?? "";
  }

  async function pause(signal: AbortSignal): Promise<void> {
    await sleep(intervalMs * (0.5 + random()), { signal }).catch(() => undefined);
  }

  return { counts, run };
}

/** A small seeded generator of numbers in [0, 1): Mulberry32. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
