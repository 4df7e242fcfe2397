import { aroundEach, describe, expect, it } from "vitest";
import { condition, createWorld, effects, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";
import { addSnapshot, snapshotOf, untilPhase } from "./snapshot.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

/** A machine at rest on a mock of its own. */
async function createLab(options: Parameters<World["startMock"]>[1] = {}, managerOptions = {}) {
  const world = await createWorld();
  const mock = await world.startMock("lab", options);
  const manager = await world.startManager(managerOptions);
  await world.addProvider("lab");
  await world.addMachine("web");
  const machine = await untilReady(world, "web");
  return { world, mock, manager, machineId: machine.status?.id as string };
}

const snapshotEffects = (world: World) => effects(world, "lab").filter((method) => method.includes("Snapshot"));

const remove = (world: World, name: string) => world.resources.vmSnapshots.delete({ namespace, name });

describe.concurrent("a snapshot's object that is deleted", () => {
  it("while the snapshot is taken, sees both to their end", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 250, max: 250 } } });
    await addSnapshot(world, "brief");
    await until("task", () => snapshotOf(world, "brief")?.status?.taskRef);
    await remove(world, "brief");
    await until("gone", () => snapshotOf(world, "brief") === undefined);
    expect(snapshotEffects(world)).toEqual(["CreateSnapshot", "DeleteSnapshot"]);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({
      "create mock success": 1,
      "delete mock success": 1,
    });
  });

  it("after a request without an answer, finds out whether there is anything to delete", async () => {
    const rates = { CreateSnapshot: { rpcRate: 1 } };
    const { world } = await createLab({ failures: { methods: rates, codes: { INTERNAL: 1 } } });
    await addSnapshot(world, "unclear");
    await until("error", async () => (await world.samples("virtrigaud_vm_snapshot_total"))["create mock error"] === 1);
    await remove(world, "unclear");
    await until("deleting", () => snapshotOf(world, "unclear")?.metadata.deletionTimestamp);
    rates.CreateSnapshot.rpcRate = 0;
    await until("gone", () => snapshotOf(world, "unclear") === undefined);
    expect(snapshotEffects(world)).toEqual(["CreateSnapshot", "DeleteSnapshot"]);
  });

  it("before anything was begun, or after it was refused, goes at once", async () => {
    const { world } = await createLab({ without: ["snapshots"] });
    await addSnapshot(world, "refused");
    await untilPhase(world, "refused", "Failed");
    await addSnapshot(world, "idle", { vmRef: { name: "nobody" } });
    await until("missing", () => condition(snapshotOf(world, "idle"), "Ready")?.reason === "DependencyNotFound");
    await remove(world, "refused");
    await remove(world, "idle");
    await until("gone", () => snapshotOf(world, "refused") === undefined && snapshotOf(world, "idle") === undefined);
    expect(world.journal("lab").filter(({ method }) => method.includes("Snapshot"))).toEqual([]);
  });

  it("goes with its machine, or says that the machine is gone", async () => {
    const { world } = await createLab();
    await addSnapshot(world, "follows");
    await addSnapshot(world, "stays", { retentionPolicy: { deleteOnVMDelete: false } });
    await untilPhase(world, "follows", "Ready");
    await untilPhase(world, "stays", "Ready");
    await world.resources.virtualMachines.delete({ namespace, name: "web" });
    await until("gone", () => snapshotOf(world, "follows") === undefined);
    const left = await untilPhase(world, "stays", "Failed");
    expect(condition(left, "Ready")?.reason).toBe("VirtualMachineDeleted");
    await world.resources.vmSnapshots.delete({ namespace, name: "stays" });
    await until("gone", () => snapshotOf(world, "stays") === undefined);
  });

  it("stays while nobody can delete it, and goes when it is given up", async () => {
    const { world, mock } = await createLab();
    await addSnapshot(world, "held");
    await untilPhase(world, "held", "Ready");
    await mock.shutdown();
    await until("unhealthy", () => world.provider("lab")?.status?.healthy === false);
    await world.resources.vmSnapshots.delete({ namespace, name: "held" });
    await until("waiting", () => condition(snapshotOf(world, "held"), "Ready")?.reason === "ProviderNotReady");
    expect(snapshotOf(world, "held")?.metadata.finalizers).toHaveLength(1);
    const annotations = { "virtrigaud.io/force-delete": "true" };
    await world.resources.vmSnapshots.patch(
      { namespace, name: "held" },
      { metadata: { annotations } },
      { type: "merge" },
    );
    await until("gone", () => snapshotOf(world, "held") === undefined);
  });
});
