import { setTimeout as wait } from "node:timers/promises";
import { systemClock, type Clock } from "@almanac/core";
import { createHealth } from "@almanac/exposition";
import { createFaultyClient, type KubeClient, type Lease } from "@almanac/kube";
import type { ReconcileContext } from "@almanac/controller";
import { aroundEach, describe, expect, it } from "vitest";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { createReleased } from "./released.ts";
import { createSession } from "../virtual-machine/session.ts";
import { createWorld, effects, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const journal = "almanac.dev/operation";
const leases = { namespace, leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 };
const merge = { type: "merge" } as const;

/** A process that stands still for a while: time goes on, and of its timers none has fired when it goes on itself. */
function createPausableClock(): Clock & { pause(ms: number): void } {
  let pausedMs = 0;
  return {
    now: () => systemClock.now() + pausedMs,
    monotonic: () => systemClock.monotonic() + pausedMs,
    setTimeout: systemClock.setTimeout.bind(systemClock),
    pause: (ms) => void (pausedMs += ms),
  };
}

/** A client whose answers to a begun attempt's being kept come when another process has the Lease. */
function overtakenClient(world: World, plural: string, clock: ReturnType<typeof createPausableClock>) {
  let overtaken = 0;
  const inner: KubeClient = {
    ...world.kube,
    async request<R>(request: Parameters<KubeClient["request"]>[0]) {
      const answer = await world.kube.request<R>(request);
      const isBegun =
        request.method === "PATCH" && JSON.stringify(request.body ?? {}).includes(String.raw`\"attempt\"`);
      if (overtaken > 0 || !isBegun || !request.path.includes(`/${plural}/`)) return answer;
      overtaken += 1;
      clock.pause(60_000);
      const lease = { group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease", namespaced: true };
      const spec = { holderIdentity: "second", leaseTransitions: 7, leaseDurationSeconds: 60 };
      await world.kube.resource<Lease>(lease).patch({ namespace, name: "virtrigaud-manager" }, { spec }, merge);
      return answer;
    },
  };
  return {
    kube: createFaultyClient(inner) as KubeClient,
    get overtaken() {
      return overtaken;
    },
  };
}

interface Story {
  readonly method: string;
  readonly plural: string;
  readonly family: string;
  readonly count: string;
  begin(world: World): Promise<unknown>;
  isDone(world: World): boolean;
}

const machinePower = (world: World) => world.machine("web")?.status?.powerState;
const stories: Story[] = [
  {
    method: "CreateVM",
    plural: "virtualmachines",
    family: "virtrigaud_vm_operations_total",
    count: "Create mock lab success",
    begin: (world) => world.addMachine("db", { powerState: "Off" }),
    isDone: (world) => world.machine("db")?.status?.powerState === "Off",
  },
  {
    method: "PowerVM",
    plural: "virtualmachines",
    family: "virtrigaud_vm_operations_total",
    count: "Power mock lab success",
    begin: (world) =>
      world.resources.virtualMachines.patch({ namespace, name: "web" }, { spec: { powerState: "On" } }, merge),
    isDone: (world) => machinePower(world) === "On",
  },
  {
    method: "CreateSnapshot",
    plural: "vmsnapshots",
    family: "virtrigaud_vm_snapshot_total",
    count: "create mock success",
    begin: (world) =>
      world.resources.vmSnapshots.create({
        metadata: { name: "it", namespace },
        spec: { vmRef: { name: "web" } },
      } as never),
    isDone: (world) =>
      (world.api.store.get("vmsnapshots.infra.virtrigaud.io", namespace, "it") as never as { status?: object })
        ?.status !== undefined &&
      JSON.stringify(world.api.store.get("vmsnapshots.infra.virtrigaud.io", namespace, "it")).includes('"Ready"'),
  },
];

describe.concurrent("a manager that loses its Lease between keeping an attempt and sending it", () => {
  it.each(stories)("does not send $method, which its successor does, once", async (story) => {
    const world = await createWorld();
    await world.startMock("lab");
    const quiet = await world.startManager();
    await world.addProvider("lab", { healthCheck: { interval: "1h", timeout: "2s" } });
    await world.addMachine("web", { powerState: "Off" });
    await untilReady(world, "web");
    await quiet.stop();
    const calls = () => world.journal("lab").filter(({ kind, method }) => kind === "rpc" && method === story.method);
    const before = calls().length;
    const counted = async () => (await world.samples(story.family))[story.count] ?? 0;
    const countedBefore = await counted();

    const clock = createPausableClock();
    const client = overtakenClient(world, story.plural, clock);
    const telemetry = { ...world.telemetry, health: createHealth() };
    const leaderElection = { ...leases, identity: "first" };
    const deposed = await world.startManager({ kube: client.kube, clock, telemetry, leaderElection, drainMs: 1 });
    await until("leads", () => deposed.leading);
    await story.begin(world);
    await until("begun", () => client.overtaken === 1);
    // In which the request would have been sent, or sent again.
    await wait(300);
    expect(deposed.leading).toBe(false);
    expect(calls().length).toBe(before);
    expect(await counted()).toBe(countedBefore);
    await deposed.stop();

    await world.startManager();
    await until("done", () => story.isDone(world));
    expect(effects(world, "lab").filter((method) => method === story.method)).toHaveLength(before + 1);
    await until("counted", async () => (await counted()) === countedBefore + 1);
  });
});

describe.concurrent("a session", () => {
  async function createMachineSession() {
    const world = await createWorld();
    await world.addMachine("web");
    const { virtualMachines } = world.resources;
    const key = { namespace, name: "web" };
    const context = {
      signal: new AbortController().signal,
      assertCurrent() {},
      observe() {},
    } as unknown as ReconcileContext<VirtualMachine>;
    const manager = {
      resources: world.resources,
      telemetry: world.telemetry,
      clock: systemClock,
      released: createReleased(),
      informers: { virtualMachines: { byIndex: () => [] } },
      events: { record() {} },
    };
    const session = createSession(manager as never, await virtualMachines.get(key), context);
    let counts = 0;
    session.afterCommit(() => (counts += 1));
    session.journal = { id: "vm-1", attempt: { operation: "Power", power: "On", startedAtMs: 2 } };
    const change = (metadata: object) => virtualMachines.patch(key, { metadata }, merge);
    const kept = () => world.machine("web")?.metadata.annotations?.[journal];
    return { session, change, kept, counts: () => counts };
  }

  it("leaves the journal of another process alone, and counts nothing that it could not keep", async () => {
    const { session, change, kept, counts } = await createMachineSession();
    const others = JSON.stringify({ id: "vm-1", attempt: { operation: "Power", power: "Off", startedAtMs: 1 } });
    await change({ annotations: { [journal]: others } });
    await expect(session.commit()).rejects.toMatchObject({ code: "conflict" });
    expect(kept()).toBe(others);
    expect(counts()).toBe(0);
  });

  it("keeps its journal when somebody changed something else meanwhile", async () => {
    const { session, change, kept, counts } = await createMachineSession();
    await change({ labels: { tier: "gold" } });
    await session.commit();
    expect(JSON.parse(kept() ?? "")).toMatchObject(session.journal);
    expect(counts()).toBe(1);
  });
});
