import { createProviderClient } from "@almanac/provider";
import { createNoopTelemetry } from "@almanac/telemetry";
import { aroundEach, describe, expect, it } from "vitest";
import {
  condition,
  createWorld,
  effects,
  eventsOf,
  isReady,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "../world.test.helper.ts";
import { addSnapshot, snapshotOf } from "./snapshot.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

async function nameMachine(world: World, name: string, machine: string): Promise<void> {
  await world.resources.vmSnapshots.patch(
    { namespace, name },
    { spec: { vmRef: { name: machine } } },
    { type: "merge" },
  );
}

const snapshotEffects = (world: World) => effects(world, "lab").filter((method) => method.includes("Snapshot"));

/** Two machines at rest on one mock. */
async function createLab(options: Parameters<World["startMock"]>[1] = {}) {
  const world = await createWorld();
  const mock = await world.startMock("lab", options);
  await world.startManager();
  await world.addProvider("lab");
  await world.addMachine("web");
  await world.addMachine("db");
  await untilReady(world, "web");
  await untilReady(world, "db");
  return { world, mock };
}

describe.concurrent("a snapshot", () => {
  it("stays with the machine that it was taken of, whatever its object names later", async () => {
    const { world } = await createLab();
    await addSnapshot(world, "nightly", { retentionPolicy: { maxCount: 1, gracePeriod: "0s" } });
    await until("ready", () => isReady(snapshotOf(world, "nightly")));
    for (const other of ["db", "nobody"]) {
      await nameMachine(world, "nightly", other);
      const refused = await until("refused", () => {
        const ready = condition(snapshotOf(world, "nightly"), "Ready");
        return ready?.message.includes(`"${other}"`) === true ? ready : undefined;
      });
      expect(refused).toMatchObject({ status: "False", reason: "InvalidSpec" });
      expect(refused.message).toContain("write web again");
    }
    // It takes a place among its machine's snapshots, and none among those of another.
    await addSnapshot(world, "of-db", { vmRef: { name: "db" }, retentionPolicy: { maxCount: 1, gracePeriod: "0s" } });
    await until("ready", () => isReady(snapshotOf(world, "of-db")));
    expect(world.machine("web")?.status?.snapshots).toMatchObject([{ name: "nightly" }]);
    await until("listed", () => world.machine("db")?.status?.snapshots);
    expect(world.machine("db")?.status?.snapshots).toMatchObject([{ name: "of-db" }]);
    expect(snapshotEffects(world)).toEqual(["CreateSnapshot", "CreateSnapshot"]);
    expect(snapshotOf(world, "nightly")?.metadata.deletionTimestamp).toBeUndefined();

    await nameMachine(world, "nightly", "web");
    await until("ready again", () => isReady(snapshotOf(world, "nightly")));
    expect(snapshotEffects(world)).toHaveLength(2);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({ "create mock success": 2 });
    expect(eventsOf(world, "nightly").map(({ reason }) => reason)).not.toContain("Expired");
  });

  it("is deleted where it was taken, and goes with the machine it was taken of", async () => {
    const { world, mock } = await createLab();
    for (const name of ["removed", "follows"]) {
      await addSnapshot(world, name);
      await until("ready", () => isReady(snapshotOf(world, name)));
      await nameMachine(world, name, "db");
      await until("refused", () => condition(snapshotOf(world, name), "Ready")?.reason === "InvalidSpec");
    }
    await world.resources.vmSnapshots.delete({ namespace, name: "removed" });
    await until("gone", () => snapshotOf(world, "removed") === undefined);
    using client = createProviderClient({ address: mock.address, tls: "insecure", telemetry: createNoopTelemetry() });
    const described = await client.describeVM({ id: world.machine("web")?.status?.id ?? "" });
    const { snapshots } = JSON.parse(described.providerRawJson) as { snapshots: { id: string }[] };
    expect(snapshots.map(({ id }) => id)).toEqual([snapshotOf(world, "follows")?.status?.snapshotID]);

    await world.resources.virtualMachines.delete({ namespace, name: "web" });
    await until("gone with its machine", () => snapshotOf(world, "follows") === undefined);
    expect(isReady(world.machine("db"))).toBe(true);
  });

  it("may be of another machine than the one that could not be asked for it", async () => {
    const rates = { CreateSnapshot: { taskRate: 1 } };
    const { world } = await createLab({ failures: { methods: rates } });
    await addSnapshot(world, "second-thought");
    await until("failed", () => condition(snapshotOf(world, "second-thought"), "Ready")?.reason === "TaskFailed");
    rates.CreateSnapshot.taskRate = 0;
    await nameMachine(world, "second-thought", "db");
    await until("ready", () => isReady(snapshotOf(world, "second-thought")));
    await until("listed", () => world.machine("db")?.status?.snapshots);
    expect(world.machine("web")?.status?.snapshots).toBeUndefined();
  });

  it("is lost with a machine that vanished, also when the machine is made again", async () => {
    const { world, mock } = await createLab();
    await addSnapshot(world, "kept");
    await until("listed", () => world.machine("web")?.status?.snapshots);
    const id = world.machine("web")?.status?.id ?? "";
    using client = createProviderClient({ address: mock.address, tls: "insecure", telemetry: createNoopTelemetry() });
    await client.deleteVM({ id });
    await until("deleted", async () => !(await client.describeVM({ id })).exists);
    // Someone asks.
    const annotations = { asked: "now" };
    await world.resources.virtualMachines.patch(
      { namespace, name: "web" },
      { metadata: { annotations } },
      { type: "merge" },
    );
    await until("lost", () => condition(snapshotOf(world, "kept"), "Ready")?.reason === "SnapshotLost");
    await until("made again", () => isReady(world.machine("web")) && world.machine("web")?.status?.id !== id);
    expect(snapshotOf(world, "kept")?.status).toMatchObject({
      phase: "Failed",
      providerStatus: { lab: { available: false } },
    });
    expect(condition(snapshotOf(world, "kept"), "Ready")).toMatchObject({ status: "False", reason: "SnapshotLost" });
    expect(world.machine("web")?.status?.snapshots).toBeUndefined();
    const revert = { snapshot: { revertToRef: { name: "kept" } } };
    await world.resources.virtualMachines.patch({ namespace, name: "web" }, { spec: revert }, { type: "merge" });
    await until("refused", () => condition(world.machine("web"), "Ready")?.reason === "SnapshotLost");

    await world.resources.vmSnapshots.delete({ namespace, name: "kept" });
    await until("gone", () => snapshotOf(world, "kept") === undefined);
    expect(snapshotEffects(world)).toEqual(["CreateSnapshot"]);
  });

  it.each([
    ["maxAge", "soon", "write a duration greater than 0"],
    ["gracePeriod", "-5m", "write a duration of at least 0"],
  ])("is not taken while its %s is %s", async (field, value, remedy) => {
    const { world } = await createLab();
    await addSnapshot(world, "odd", { retentionPolicy: { [field]: value } });
    await until("refused", () => condition(snapshotOf(world, "odd"), "Ready")?.reason === "InvalidSpec");
    const { message } = condition(snapshotOf(world, "odd"), "Ready") ?? {};
    expect(message).toContain(`spec.retentionPolicy.${field} is "${value}"`);
    expect(message).toContain(remedy);
    expect(snapshotEffects(world)).toEqual([]);
  });
});
