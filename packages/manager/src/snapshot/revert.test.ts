import { aroundEach, describe, expect, it } from "vitest";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { condition, createWorld, effects, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

async function createLab(options: Parameters<World["startMock"]>[1] = {}) {
  const world = await createWorld();
  await world.startMock("lab", options);
  const manager = await world.startManager();
  await world.addProvider("lab");
  await world.addMachine("web");
  await untilReady(world, "web");
  return { world, manager };
}

async function takeSnapshot(world: World, name: string): Promise<void> {
  await world.resources.vmSnapshots.create({
    metadata: { name, namespace },
    spec: { vmRef: { name: "web" } },
  } as never);
  await until("listed", () => world.machine("web")?.status?.snapshots?.some((entry) => entry.name === name));
}

async function patchMachine(world: World, spec: object): Promise<void> {
  await world.resources.virtualMachines.patch({ namespace, name: "web" }, { spec }, { type: "merge" });
}

const revertTo = (name: string | null) => ({ snapshot: name === null ? null : { revertToRef: { name } } });

/** Since the machine was made. */
const changes = (world: World) => effects(world, "lab").slice(2);

const isReverted = (machine: VirtualMachine | undefined) => condition(machine, "Reverted")?.status === "True";

describe.concurrent("revertToRef", () => {
  it("puts a machine back once, and then to the shape and power state it is wished", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 5, max: 5 } } });
    await takeSnapshot(world, "before");
    expect(world.machine("web")?.status?.snapshots).toMatchObject([{ name: "before" }]);
    await world.resources.vmClasses.patch({ namespace, name: "small" }, { spec: { cpu: 3 } }, { type: "merge" });
    await until("three processors", () => world.machine("web")?.status?.currentResources?.cpu === 3);

    await patchMachine(world, revertTo("before"));
    await until("reverted", () => isReverted(world.machine("web")));
    await untilReady(world, "web");
    expect(world.machine("web")?.status).toMatchObject({ powerState: "On", currentResources: { cpu: 3 } });
    expect(condition(world.machine("web"), "FieldsIgnored")).toBeUndefined();
    expect(changes(world)).toEqual(["CreateSnapshot", "ReconfigureVM", "RevertSnapshot", "ReconfigureVM", "PowerVM"]);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({
      "create mock success": 1,
      "revert mock success": 1,
    });
    // Under no name, that of what no name is known for included.
    expect(Object.keys(await world.samples("virtrigaud_vm_operations_total")).map((key) => key.split(" ")[0])).toEqual(
      expect.not.arrayContaining(["Revert", "other"]),
    );

    // The snapshot may go, and the wish may be made again.
    await patchMachine(world, revertTo(null));
    await until("forgotten", () => condition(world.machine("web"), "Reverted") === undefined);
    await patchMachine(world, revertTo("before"));
    await until("again", () => changes(world).filter((method) => method === "RevertSnapshot").length === 2);
    await untilReady(world, "web");
    await world.resources.vmSnapshots.delete({ namespace, name: "before" });
    await until("not listed", () => world.machine("web")?.status?.snapshots === undefined);
    await untilReady(world, "web");
  });

  it("says which snapshot it waits for, and goes on when it is there", async () => {
    const { world } = await createLab();
    await patchMachine(world, revertTo("later"));
    await until("not found", () => condition(world.machine("web"), "Ready")?.reason === "SnapshotNotFound");
    await takeSnapshot(world, "later");
    await until("reverted", () => isReverted(world.machine("web")));
    await untilReady(world, "web");
    expect(changes(world)).toEqual(["CreateSnapshot", "RevertSnapshot", "PowerVM"]);
  });

  it("is one effect and one count over a manager that ends in the middle", async () => {
    const { world, manager } = await createLab({ delays: { taskMs: { min: 300, max: 300 } } });
    await takeSnapshot(world, "before");
    await patchMachine(world, revertTo("before"));
    await until(
      "task",
      () =>
        world.machine("web")?.metadata.annotations?.["almanac.dev/operation"]?.includes('"Revert"') &&
        world.machine("web")?.status?.lastTaskRef,
    );
    await manager.stop();
    await world.startManager();
    await until("reverted", () => isReverted(world.machine("web")));
    await untilReady(world, "web");
    expect(changes(world)).toEqual(["CreateSnapshot", "RevertSnapshot", "PowerVM"]);
    expect((await world.samples("virtrigaud_vm_snapshot_total"))["revert mock success"]).toBe(1);
  });

  it("counts an attempt that fails and tries again", async () => {
    const rates = { RevertSnapshot: { taskRate: 1 } };
    const { world } = await createLab({ delays: { taskMs: { min: 5, max: 5 } }, failures: { methods: rates } });
    await takeSnapshot(world, "before");
    await patchMachine(world, revertTo("before"));
    await until("failed", () => condition(world.machine("web"), "Ready")?.reason === "TaskFailed");
    rates.RevertSnapshot.taskRate = 0;
    await until("reverted", () => isReverted(world.machine("web")));
    const { "revert mock failure": failed = 0, ...rest } = await world.samples("virtrigaud_vm_snapshot_total");
    expect(failed).toBe((await world.samples("virtrigaud_errors_total"))["TaskFailed manager"]);
    expect(rest).toEqual({ "create mock success": 1, "revert mock success": 1 });
  });
});
