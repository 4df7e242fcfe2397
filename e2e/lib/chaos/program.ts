import { isKubeError } from "@almanac/kube";
import type { KubeObject, ResourceClient } from "@almanac/kube";
import { group, version } from "@almanac/manager";
import { eventually, must } from "../report.ts";
import type { Action, HypervisorName, Key, Step } from "./plan.ts";
import { calm } from "./plan.ts";
import { followedKinds, isBusy, journalOf } from "./results.ts";
import type { FollowedKind } from "./results.ts";
import type { World } from "./world.ts";

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

/** Any object of the followed kinds, as far as a user looks at it. */
export interface AnyObject extends KubeObject {
  readonly spec: {
    readonly powerState?: "On" | "Off" | "OffGraceful";
    readonly providerRef?: { readonly name: string };
    readonly classRef?: { readonly name: string };
    readonly snapshot?: object;
    readonly vmRef?: { readonly name: string };
    readonly source?: { readonly vmRef?: { readonly name: string } };
    readonly target?: { readonly name: string };
  };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

export type Resources = Readonly<Record<FollowedKind, ResourceClient<AnyObject>>>;

function resourcesOf(world: World): Resources {
  const entries = Object.entries(followedKinds).map(([kind, plural]) => [
    kind,
    world.kube.resource<AnyObject>({ group, version, kind, plural, namespaced: true }),
  ]);
  return Object.fromEntries(entries) as Resources;
}

function providersOf(world: World): ResourceClient<KubeObject> {
  return world.kube.resource({ group, version, plural: "providers", kind: "Provider", namespaced: true });
}

const settleTimeoutMs = 180_000;
const patienceMs = 20_000;

/** Carries out a program, one step after the other. What an API refuses is a user's bad luck; kills go on in the background. */
export async function runProgram(world: World, steps: readonly Step[]): Promise<void> {
  const resources = resourcesOf(world);
  const background = new Set<Promise<unknown>>();
  let pausing: Promise<unknown> = Promise.resolve();
  let failure: unknown;
  const later = (work: Promise<unknown>): void => {
    const kept = work.catch((error: unknown) => (failure ??= error)).finally(() => background.delete(kept));
    background.add(kept);
  };
  for (const { pauseMs, action } of steps) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (failure !== undefined) throw failure as Error;
    if (action.type === "pause") {
      await pausing;
      await Promise.all(background);
      const process = world.managers[action.manager];
      must(process !== undefined, `there is no manager ${action.manager}`);
      // Others are there to take over, and all have their share again before the next one goes.
      await Promise.all(world.managers.map((one) => one.ready()));
      await world.untilShared();
      pausing = process.pause(action.forMs, () => world.untilShared(process)).then(() => world.untilShared());
      later(pausing);
    } else if (action.type === "kill") {
      // Who is stopped cannot take over from who is killed.
      await pausing.catch(() => undefined);
      const { manager, hypervisors, afterMs } = action;
      const victims = Object.entries(hypervisors).map(([name, knobs]) => ({
        process: world.hypervisors[name as HypervisorName],
        knobs,
      }));
      const process = manager === undefined ? undefined : world.managers[manager];
      // Killed while it works, not while it starts over and over.
      await Promise.all(
        [...victims.map(({ process }) => process), ...(process ? [process] : [])].map((one) => one.ready()),
      );
      later(
        Promise.all([
          ...victims.map(({ process, knobs }) => process.restart({ afterMs, env: knobs })),
          ...(process === undefined ? [] : [process.restart({ afterMs })]),
        ]),
      );
    } else if (action.type === "restartApi") await world.restartApi();
    else await insistently(() => act(world, resources, action));
  }
  await Promise.all(background);
  if (failure !== undefined) throw failure as Error;
}

/** Users try again when the API does not answer, and shrug when it says no. */
async function insistently(wish: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      await wish();
      return;
    } catch (error) {
      if (isKubeError(error, "not_found", "conflict", "already_exists", "invalid")) return;
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function act(
  world: World,
  resources: Resources,
  action: Exclude<Action, { readonly type: "kill" | "pause" | "restartApi" }>,
): Promise<unknown> {
  const { VirtualMachine: machines, VMSnapshot: snapshots, VMClone: clones, VMImage: images } = resources;
  const create = (of: ResourceClient<AnyObject>, metadata: Key, spec: object): Promise<unknown> =>
    of.create({ metadata, spec });
  const change = (key: Key, spec: object): Promise<unknown> => machines.patch(key, { spec }, { type: "merge" });
  switch (action.type) {
    case "create":
      return create(machines, action.key, {
        providerRef: { name: action.provider, namespace: "default" },
        classRef: { name: action.size },
        imageRef: { name: action.image, namespace: "default" },
        powerState: action.power,
        lifecycle: { gracefulShutdownTimeout: "1s" },
      });
    case "power":
      return change(action.key, { powerState: action.power });
    case "resize":
      return change(action.key, { classRef: { name: action.size } });
    case "delete": {
      const of = { machine: machines, snapshot: snapshots, clone: clones }[action.kind];
      return of.delete(action.key);
    }
    case "snapshot":
      return create(snapshots, action.key, {
        vmRef: { name: action.machine },
        snapshotConfig: { includeMemory: action.memory },
      });
    case "revert":
      // Asked for again it has to be forgotten first.
      await change(action.key, { snapshot: null });
      return change(action.key, { snapshot: { revertToRef: { name: action.snapshot } } });
    case "clone":
      return create(clones, action.key, {
        source: { vmRef: { name: action.source } },
        target: { name: action.target },
        options: {
          type: action.linked ? "LinkedClone" : "FullClone",
          powerOn: action.powerOn,
          retryPolicy: { maxRetries: 10, retryDelay: "500ms", backoffMultiplier: 1 },
        },
      });
    case "image":
      return create(images, { namespace: "default", name: action.name }, imageSpec(0));
    case "changeImage":
      return images.patch(
        { namespace: "default", name: action.name },
        { spec: imageSpec(action.version) },
        { type: "merge" },
      );
    case "edit": {
      const seen = await machines.get(action.key);
      const writes = Array.from({ length: action.writers }, (_, writer) =>
        machines.replace({
          ...seen,
          metadata: { ...seen.metadata, annotations: { ...seen.metadata.annotations, editor: `${writer}` } },
        }),
      );
      // All but one of them are too late.
      return Promise.allSettled(writes);
    }
    case "dropProvider": {
      await providersOf(world).delete({ namespace: "default", name: action.name });
      // Its machines have to go first, and a user may be making new ones: it comes back some day.
      void world.ensureProvider(action.name).catch(() => undefined);
      return undefined;
    }
  }
}

function imageSpec(number: number): object {
  return {
    source: { http: { url: `https://images.example/${number}.img` } },
    prepare: { onMissing: "Import", retries: 10 },
  };
}

/** Everything that the API holds of the followed kinds. */
async function listAll(resources: Resources): Promise<Record<FollowedKind, AnyObject[]>> {
  const lists = await Promise.all(
    Object.entries(resources).map(async ([kind, resource]) => [kind, (await resource.list()).items] as const),
  );
  return Object.fromEntries(lists) as Record<FollowedKind, AnyObject[]>;
}

/** Hypervisors are well again, everything runs, and users give up what cannot be: waits until every object is as it is wished. */
export async function settle(world: World): Promise<Record<FollowedKind, AnyObject[]>> {
  const resources = resourcesOf(world);
  await Promise.all(Object.values(world.hypervisors).map((process) => process.ready()));
  await Promise.all(Object.values(world.hypervisors).map((process) => process.restart({ env: calm })));
  await Promise.all([...Object.values(world.hypervisors), ...world.managers].map((process) => process.ready()));
  return eventually(
    async () => {
      const all = await listAll(resources);
      const givenUp = await giveUp(world, resources, all);
      must(givenUp === 0, `${givenUp} wishes were given up just now`);
      const waiting = Object.entries(all).flatMap(([kind, objects]) =>
        objects.filter((object) => !isSettled(kind as FollowedKind, object)).map((object) => describe(kind, object)),
      );
      must(waiting.length === 0, `${waiting.length} not at rest:\n${waiting.slice(0, 5).join("\n")}`);
      return all;
    },
    settleTimeoutMs,
    300,
  );
}

/** What refers to something that is gone, as a user would clean it up. Resolves with how much that was. */
async function giveUp(world: World, resources: Resources, all: Record<FollowedKind, AnyObject[]>): Promise<number> {
  let givenUp = 0;
  const { items } = await providersOf(world).list();
  const dropped = new Set(
    items.filter((item) => item.metadata.deletionTimestamp !== undefined).map(({ metadata }) => metadata.name),
  );
  const names = new Set(all.VirtualMachine.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  const isThere = (object: AnyObject, name: string | undefined): boolean =>
    names.has(`${object.metadata.namespace}/${name}`);
  const remove = (kind: FollowedKind, { metadata }: AnyObject): Promise<unknown> => {
    givenUp += 1;
    return resources[kind].delete(metadata, { ignoreNotFound: true });
  };
  for (const snapshot of all.VMSnapshot) {
    if (!isThere(snapshot, snapshot.spec.vmRef?.name) && !isGoing(snapshot)) await remove("VMSnapshot", snapshot);
  }
  for (const clone of all.VMClone) {
    const isHopeless = !isThere(clone, clone.spec.source?.vmRef?.name) || clone.status?.phase === "Failed";
    if (isHopeless && !isGoing(clone)) await remove("VMClone", clone);
  }
  for (const machine of all.VirtualMachine) {
    const { metadata, spec } = machine;
    if (dropped.has(spec.providerRef?.name ?? "")) await remove("VirtualMachine", machine);
    if (spec.snapshot === undefined) continue;
    givenUp += 1;
    await resources.VirtualMachine.patch(metadata, { spec: { snapshot: null } }, { type: "merge" }).catch(
      () => undefined,
    );
  }
  return givenUp;
}

function isGoing({ metadata }: AnyObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function isSettled(kind: FollowedKind, object: AnyObject): boolean {
  if (isGoing(object) || isBusy(object)) return false;
  if (kind === "VMImage") return true;
  if (kind === "VMClone" && (journalOf(object) as { done?: true }).done === true) return true;
  const ready = object.status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "True" && ready.observedGeneration === object.metadata.generation;
}

function describe(kind: string, { metadata, spec, status }: AnyObject): string {
  const { namespace, name, annotations, deletionTimestamp, generation } = metadata;
  const journal = annotations?.["almanac.dev/operation"];
  return `${kind} ${namespace}/${name} ${JSON.stringify({ deletionTimestamp, generation, journal, spec, status })}`;
}

/** Deletes everything and waits until it is gone. */
export async function tearDown(world: World): Promise<void> {
  const resources = resourcesOf(world);
  await eventually(
    async () => {
      const all = await listAll(resources);
      let left = 0;
      for (const kind of ["VMClone", "VMSnapshot", "VirtualMachine", "VMImage"] as const) {
        const objects = all[kind].filter(({ metadata }) => metadata.name !== "base");
        left += objects.length;
        for (const object of objects)
          if (!isGoing(object)) await resources[kind].delete(object.metadata, { ignoreNotFound: true });
      }
      const example = Object.entries(all).flatMap(([kind, objects]) =>
        objects.filter(({ metadata }) => metadata.name !== "base").map((object) => describe(kind, object)),
      );
      must(left === 0, `${left} are not gone:\n${example.slice(0, 3).join("\n")}`);
    },
    settleTimeoutMs,
    300,
  );
}
