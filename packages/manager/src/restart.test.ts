import { setTimeout as wait } from "node:timers/promises";
import { systemClock } from "@almanac/core";
import type { MockProvider } from "@almanac/provider-mock";
import { afterEach, describe, expect, it } from "vitest";
import { closeWorlds, createWorld, isReady, until, untilReady, type World } from "./world.test.helper.ts";

afterEach(closeWorlds);

// As many as make a list of all of them worth while.
const names = Array.from({ length: 110 }, (_, number) => `web-${number}`);
const never = 1e9;

const key = { namespace: "default", name: "lab" };

/** A world whose machines one manager has made, which is there no more. */
async function createFleet(
  describeIntervalMs: number,
  machines: readonly string[] = names,
): Promise<World & { readonly mock: MockProvider }> {
  const world = await createWorld();
  const mock = await world.startMock("lab");
  const manager = await world.startManager({ clock: systemClock, describeIntervalMs });
  await world.addProvider("lab", { healthCheck: { interval: "1s" } });
  await until("healthy", () => world.provider("lab")?.status?.healthy);
  for (const name of machines) await world.addMachine(name);
  await until("all ready", () => machines.every((name) => isReady(world.machine(name))), 60_000);
  await until("counted", () => world.provider("lab")?.status?.connectedVMs === machines.length);
  const usersOf = async () => (await world.resources.vmClasses.get({ namespace: "default", name: "small" })).status;
  await until("users counted", async () => (await usersOf())?.usedByVMs === machines.length);
  // From here on nothing is due that these stories are not about.
  const spec = { healthCheck: { interval: "1h" } };
  const { metadata } = await world.resources.providers.patch(key, { spec }, { type: "merge" });
  await until("checked", () => world.provider("lab")?.status?.observedGeneration === metadata.generation);
  await manager.stop();
  return Object.assign(world, { mock });
}

function rpcs(world: World): string[] {
  return world
    .journal("lab")
    .filter(({ kind }) => kind === "rpc")
    .map(({ method }) => method);
}

async function reconciles(world: World): Promise<number> {
  return (await world.samples("virtrigaud_manager_reconcile_total"))["VirtualMachine success"] ?? 0;
}

describe("a manager that is started again", () => {
  it("is in step without a request to the provider and without a write, and goes on from there", async () => {
    const world = await createFleet(never);
    const asked = rpcs(world).length;
    const before = await reconciles(world);
    world.writes.length = 0;
    const manager = await world.startManager({ clock: systemClock, describeIntervalMs: never });
    await until("all looked at", async () => (await reconciles(world)) >= before + names.length);
    await wait(300);
    expect(world.writes).toEqual([]);
    expect(rpcs(world).slice(asked)).toEqual([]);

    // Whatever someone touches is looked at.
    const one = { namespace: "default", name: "web-7" };
    const touch = { metadata: { annotations: { "example.com/touched": "yes" } } };
    await world.resources.virtualMachines.patch(one, touch, { type: "merge" });
    await until("asked", () => rpcs(world).length > asked);
    expect(rpcs(world).slice(asked)).toEqual(["DescribeVM"]);
    await manager.stop();

    // So is what changed while nobody looked.
    await world.resources.virtualMachines.patch(one, { spec: { powerState: "Off" } }, { type: "merge" });
    await world.startManager({ clock: systemClock, describeIntervalMs: never });
    await until("off", () => world.machine("web-7")?.status?.powerState === "Off");
    await untilReady(world, "web-7");
  });

  it("restores what it has applied for a Provider when someone removed or changed it meanwhile", async () => {
    const world = await createFleet(never, []);
    const { deployments, services } = world.resources;
    const workload = { namespace: "default", name: "virtrigaud-provider-default-lab" };
    await services.delete(workload);
    let manager = await world.startManager({ clock: systemClock, describeIntervalMs: never });
    await until("the Service again", () => services.find(workload));
    await manager.stop();
    await deployments.patch(workload, { spec: { replicas: 3 } }, { type: "merge" });
    manager = await world.startManager({ clock: systemClock, describeIntervalMs: never });
    await until(
      "one replica",
      async () => ((await deployments.get(workload)).spec as { replicas: number }).replicas === 1,
    );
    await manager.stop();
    // A wish that is withdrawn goes too, though all that is left of it is there.
    const runtime = world.provider("lab")?.spec.runtime;
    await world.resources.providers.patch(
      key,
      { spec: { runtime: { ...runtime, nodeSelector: { disk: "fast" } } } },
      { type: "merge" },
    );
    manager = await world.startManager({ clock: systemClock, describeIntervalMs: never });
    const selector = async () => JSON.stringify((await deployments.get(workload)).spec).includes("fast");
    await until("selected", selector);
    await manager.stop();
    await world.resources.providers.patch(key, { spec: { runtime: { nodeSelector: null } } }, { type: "merge" });
    await world.startManager({ clock: systemClock, describeIntervalMs: never });
    await until("selected no more", async () => !(await selector()));
  });
});

describe("many machines at rest", () => {
  it("are described one by one now and then, for what lists do not tell", async () => {
    const world = await createFleet(50);
    const described: string[] = [];
    const { hypervisor } = world.mock;
    const describeMachine = hypervisor.describe.bind(hypervisor);
    hypervisor.describe = (id) => {
      described.push(id);
      return describeMachine(id);
    };
    const lists = (): number => rpcs(world).filter((method) => method === "ListVMs").length;
    const before = lists();
    await world.startManager({ clock: systemClock, describeIntervalMs: 50 });
    await until("every machine described", () => new Set(described).size === names.length);
    // Turns of three seconds: others may have had a second one by then.
    expect(described.length).toBeLessThan(3 * names.length);
    expect(lists() - before).toBeGreaterThan(10);
  });

  it("are compared with their hypervisor by lists of all, and what a list lacks is asked for", async () => {
    const world = await createFleet(1_500);
    const asked = rpcs(world).length;
    await world.startManager({ clock: systemClock, describeIntervalMs: 1_500 });
    await wait(3_000);
    const counts = new Map<string, number>();
    for (const method of rpcs(world).slice(asked)) counts.set(method, (counts.get(method) ?? 0) + 1);
    expect(counts.get("ListVMs")).toBeGreaterThan(1);
    expect(counts.get("ListVMs")).toBeLessThan(10);
    expect(counts.get("DescribeVM") ?? 0).toBeLessThan(10);

    const { id } = world.machine("web-3")?.status ?? {};
    world.mock.hypervisor.suspend(id ?? "");
    const lines = (method: string) => world.journal("lab").filter((line) => line.method === method && line.vm === id);
    await until("on again", () => (lines("PowerVM").at(-1)?.seq ?? 0) > (lines("Suspend").at(-1)?.seq ?? 0));
    await untilReady(world, "web-3");
  });
});
