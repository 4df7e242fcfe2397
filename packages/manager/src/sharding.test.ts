import { afterEach, describe, expect, it } from "vitest";
import { createHealth } from "@almanac/exposition";
import { createFaultyClient } from "@almanac/kube";
import type { Manager } from "./manager.ts";
import { closeWorlds, createWorld, effects, until, untilReady, type World } from "./world.test.helper.ts";

afterEach(closeWorlds);

const namespaces = Array.from({ length: 6 }, (_, index) => `team-${index}`);
const leases = { leaseDurationMs: 2_000, renewDeadlineMs: 1_000, retryPeriodMs: 100 };

/** Of another process, apart from the metrics. */
const ofAnother = (world: World): World["telemetry"] => ({ ...world.telemetry, health: createHealth() });

/** A machine in each namespace; names are per provider, so each has its own. */
async function addMachines(world: World, suffix: string): Promise<void> {
  for (const namespace of namespaces) {
    const reference = {
      classRef: { name: "small", namespace: "default" },
      imageRef: { name: "linux", namespace: "default" },
    };
    await world.addMachine(`${namespace}-${suffix}`, reference, namespace);
  }
}

async function untilAllReady(world: World, suffix: string): Promise<void> {
  for (const namespace of namespaces) await untilReady(world, `${namespace}-${suffix}`, namespace);
}

async function createTeams(): Promise<World> {
  const world = await createWorld();
  for (const name of namespaces) {
    await world.kube.request({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name } } });
  }
  await world.startMock("lab");
  await world.addProvider("lab");
  return world;
}

describe("a manager's share", () => {
  it("is its shard's namespaces, so that two managers make every machine once", async () => {
    const world = await createTeams();
    await world.startManager({ sharding: { index: 0, count: 2 } });
    await addMachines(world, "a");
    await until("some", () => effects(world, "lab").includes("CreateVM"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const made = effects(world, "lab").filter((method) => method === "CreateVM").length;
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(namespaces.length);
    await world.startManager({ sharding: { index: 1, count: 2 }, telemetry: ofAnother(world) });
    await untilAllReady(world, "a");
    expect(effects(world, "lab").filter((method) => method === "CreateVM")).toHaveLength(namespaces.length);
  });

  it("is shared anew when a manager comes, and when one is cut off", async () => {
    const world = await createTeams();
    const start = (identity: string, kube = world.kube): Promise<Manager> =>
      world.startManager({
        kube,
        telemetry: ofAnother(world),
        sharding: { shards: 6 },
        leaderElection: { namespace: "default", name: "m", identity, ...leases },
      });
    const first = await start("a");
    await until("all", () => first.shards.length === 6);
    await addMachines(world, "a");
    await untilAllReady(world, "a");
    const lossy = createFaultyClient(world.kube);
    const second = await start("b", lossy);
    await until("shared", () => first.shards.length === 3 && second.shards.length === 3);
    expect(new Set([...first.shards, ...second.shards]).size).toBe(6);
    await addMachines(world, "b");
    await untilAllReady(world, "b");
    using _cut = lossy.inject({ error: "unavailable" });
    await until("taken over", () => first.shards.length === 6);
    expect(second.shards).toEqual([]);
    await addMachines(world, "c");
    await untilAllReady(world, "c");
    const made = effects(world, "lab").filter((method) => method === "CreateVM");
    expect(made).toHaveLength(3 * namespaces.length);
  });

  it("needs a namespace for its Leases", async () => {
    const world = await createWorld();
    await expect(world.startManager({ sharding: { shards: 4 } })).rejects.toThrow(/needs leaderElection/);
  });
});
