import { setTimeout as wait } from "node:timers/promises";
import { createProviderClient } from "@almanac/provider";
import { createNoopTelemetry } from "@almanac/telemetry";
import { aroundEach, describe, expect, it } from "vitest";
import type { VMClone } from "../api/vm-clone.ts";
import {
  condition,
  createWorld,
  effects,
  eventsOf,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const brief = { min: 5, max: 5 };

async function addClone(world: World, name: string, spec: Partial<VMClone["spec"]> = {}): Promise<void> {
  await world.resources.vmClones.create({
    metadata: { name, namespace },
    spec: { source: { vmRef: { name: "web" } }, target: { name: `${name}-vm` }, ...spec },
  } as never);
}

function cloneOf(world: World, name: string): VMClone | undefined {
  return world.api.store.get("vmclones.infra.virtrigaud.io", namespace, name) as never;
}

async function untilPhase(world: World, name: string, phase: string): Promise<VMClone> {
  return until(`${name} ${phase}`, () => {
    const found = cloneOf(world, name);
    return found?.status?.phase === phase ? found : undefined;
  });
}

async function createLab(options: Parameters<World["startMock"]>[1] = {}) {
  const world = await createWorld();
  const mock = await world.startMock("lab", options);
  const manager = await world.startManager();
  await world.addProvider("lab");
  await world.addMachine("web", { disks: [{ name: "data", sizeGiB: 5 }] });
  await untilReady(world, "web");
  return { world, mock, manager };
}

async function rawOf(address: string, id: string): Promise<Record<string, unknown>> {
  using client = createProviderClient({ address, tls: "insecure", telemetry: createNoopTelemetry() });
  return JSON.parse((await client.describeVM({ id })).providerRawJson) as Record<string, unknown>;
}

describe.concurrent("createCloneReconciler", () => {
  it("makes a linked clone, gives it to an object of its own and powers it on", async () => {
    const { world, mock } = await createLab({ delays: { taskMs: brief } });
    await world.resources.secrets.create({
      metadata: { name: "guest", namespace },
      data: { password: Buffer.from("s3cret-of-the-guest").toString("base64") },
    });
    await world.resources.vmClasses.create({
      metadata: { name: "large", namespace },
      spec: { cpu: 4, memory: "4Gi" },
    } as never);
    await addClone(world, "copy", {
      options: { type: "LinkedClone", powerOn: true, parallel: true },
      target: { name: "copy", classRef: { name: "large" }, labels: { tier: "front" }, annotations: { note: "cloned" } },
      customization: {
        hostname: "copy-1",
        sysprep: { enabled: true, adminPassword: { secretRef: { name: "guest" } } },
      },
    });
    const clone = await untilPhase(world, "copy", "Ready");
    const machine = await untilReady(world, "copy");
    expect(clone.status).toMatchObject({
      actualCloneType: "LinkedClone",
      targetVMID: machine.status?.id,
      targetRef: { name: "copy" },
      progress: { overallPercentage: 100 },
      customizationStatus: { started: true, completed: true },
    });
    expect(condition(clone, "FieldsIgnored")?.message).toBe("spec.options.parallel");
    expect(machine.metadata.labels).toEqual({ tier: "front" });
    expect(machine.metadata.annotations).toMatchObject({ note: "cloned" });
    expect(machine.metadata.annotations).not.toHaveProperty("almanac.dev/clone");
    expect(machine.status).toMatchObject({ powerState: "On", currentResources: { cpu: 4, memoryMiB: 4096 } });
    const raw = await rawOf(mock.address, machine.status?.id ?? "");
    expect(raw).toMatchObject({
      name: "copy",
      owner: machine.metadata.uid,
      cpu: 4,
      linkedTo: world.machine("web")?.status?.id,
    });
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CloneVM", "PowerVM"]);
    expect(JSON.stringify([clone, machine])).not.toContain("s3cret-of-the-guest");
    expect(await world.samples("virtrigaud_vm_clone_total")).toEqual({ "true mock success": 1 });
    expect((await world.samples("virtrigaud_vm_operations_total"))["Create mock lab success"]).toBe(1);
    expect(clone.metadata.finalizers ?? []).toEqual([]);

    await world.resources.vmClones.delete({ namespace, name: "copy" });
    await until("gone", () => cloneOf(world, "copy") === undefined);
    expect(world.machine("copy")?.metadata.deletionTimestamp).toBeUndefined();
  });

  it("makes a full clone where linked ones are not offered, and counts what was made", async () => {
    const { world } = await createLab({ without: ["linkedClones"] });
    await addClone(world, "copy", {
      options: { type: "LinkedClone" },
      target: { name: "copy", disks: [{ name: "data", sizeGiB: 9 }] },
    });
    expect((await untilPhase(world, "copy", "Ready")).status?.actualCloneType).toBe("FullClone");
    await untilReady(world, "copy");
    expect(world.machine("copy")?.status?.powerState).toBe("Off");
    expect(eventsOf(world, "copy").map(({ reason }) => reason)).toContain("LinkedCloneNotOffered");
    expect(await world.samples("virtrigaud_vm_clone_total")).toEqual({ "false mock success": 1 });
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CloneVM", "ReconfigureVM"]);
  });

  it("retries as its policy says and no more, and begins again with a new specification", async () => {
    const rates = { CloneVM: { taskRate: 1 } };
    const { world } = await createLab({ delays: { taskMs: brief }, failures: { methods: rates } });
    await addClone(world, "copy", { options: { retryPolicy: { maxRetries: 2, retryDelay: "10ms" } } });
    await until(
      "three failures",
      async () => (await world.samples("virtrigaud_vm_clone_total"))["false mock failure"] === 3,
    );
    const failed = await untilPhase(world, "copy", "Failed");
    expect(condition(failed, "Ready")?.reason).toBe("TaskFailed");
    expect(condition(world.machine("copy-vm"), "Ready")?.reason).toBe("Cloning");
    // Far longer than the next pause would be.
    await wait(500);
    expect((await world.samples("virtrigaud_vm_clone_total"))["false mock failure"]).toBe(3);
    rates.CloneVM.taskRate = 0;
    await world.resources.vmClones.patch(
      { namespace, name: "copy" },
      { spec: { options: { powerOn: true } } },
      { type: "merge" },
    );
    await untilPhase(world, "copy", "Ready");
    await until("counted", async () => (await world.samples("virtrigaud_vm_clone_total"))["false mock success"] === 1);
    expect(effects(world, "lab").filter((method) => method === "CloneVM")).toHaveLength(1);
  });

  it.each([
    ["an image", { source: { imageRef: { name: "linux" } } }, "only vmRef can be cloned"],
    ["a snapshot", { source: { vmRef: { name: "web" }, snapshotRef: { name: "s" } } }, "snapshotRef"],
    ["an unknown way", { options: { type: "InstantClone" } }, "write FullClone or LinkedClone"],
    ["another Provider", { target: { name: "x", providerRef: { name: "other" } } }, "a clone stays with its source"],
    ["a taken name", { target: { name: "web" } }, "choose another name"],
    [
      "a class that is missing",
      { target: { name: "x", classRef: { name: "huge" } } },
      "VMClass default/huge does not exist",
    ],
  ] as [string, Partial<VMClone["spec"]>, string][])("refuses %s and says why", async (_what, spec, message) => {
    const { world } = await createLab();
    await addClone(world, "copy", spec);
    await until(message, () => condition(cloneOf(world, "copy"), "Ready")?.message.includes(message));
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM"]);
    await world.resources.vmClones.delete({ namespace, name: "copy" });
    await until("gone", () => cloneOf(world, "copy") === undefined);
    expect(world.machine("x")).toBeUndefined();
  });

  it("goes on with a clone that another manager began, without a second machine", async () => {
    const { world, manager } = await createLab({ delays: { taskMs: { min: 400, max: 400 } } });
    await addClone(world, "copy");
    await until("task", () => cloneOf(world, "copy")?.status?.taskRef);
    await manager.stop();
    await world.startManager();
    await untilPhase(world, "copy", "Ready");
    await untilReady(world, "copy-vm");
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CloneVM"]);
    expect(await world.samples("virtrigaud_vm_clone_total")).toEqual({ "false mock success": 1 });
  });

  it("gives the copy the wished shape when its source does not have it either", async () => {
    const { world, mock } = await createLab({ failures: { methods: { ReconfigureVM: { rpcRate: 1 } } } });
    await world.resources.vmClasses.create({
      metadata: { name: "large", namespace },
      spec: { cpu: 4, memory: "4Gi" },
    } as never);
    const large = { spec: { classRef: { name: "large" } } };
    await world.resources.virtualMachines.patch({ namespace, name: "web" }, large, { type: "merge" });
    await until("failed", () => condition(world.machine("web"), "Ready")?.status === "False");
    await addClone(world, "copy");
    await untilPhase(world, "copy", "Ready");
    await mock.shutdown();
    const well = await world.startMock("lab");
    await untilReady(world, "copy-vm");
    expect(await rawOf(well.address, world.machine("copy-vm")?.status?.id ?? "")).toMatchObject({ cpu: 4 });
  });

  it("leaves nothing behind when it is deleted before it is done", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 300, max: 300 } } });
    await addClone(world, "copy");
    await until("task", () => cloneOf(world, "copy")?.status?.taskRef);
    await world.resources.vmClones.delete({ namespace, name: "copy" });
    await until("gone", () => cloneOf(world, "copy") === undefined && world.machine("copy-vm") === undefined);
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CloneVM", "DeleteVM"]);
    expect(await world.samples("virtrigaud_vm_clone_total")).toEqual({ "false mock success": 1 });
  });

  it("leaves nothing behind whenever it is deleted", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 200, max: 200 } } });
    const delays = [0, 2, 4, 6, 8, 10, 15, 20, 30, 50];
    await Promise.all(
      delays.map(async (delayMs) => {
        const name = `after-${delayMs}`;
        await addClone(world, name);
        await wait(delayMs);
        await world.resources.vmClones.delete({ name, namespace });
      }),
    );
    const isGone = (delayMs: number): boolean =>
      cloneOf(world, `after-${delayMs}`) === undefined && world.machine(`after-${delayMs}-vm`) === undefined;
    await until("gone", () => delays.every(isGone));
    // Nor does anybody make it afterwards.
    await wait(100);
    expect(delays.filter((delayMs) => !isGone(delayMs))).toEqual([]);
    const count = (method: string): number => effects(world, "lab").filter((effect) => effect === method).length;
    expect(count("CreateVM")).toBe(1);
    expect(count("CloneVM")).toBe(count("DeleteVM"));
  });

  it("deletes the machine of a target that was deleted meanwhile", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 300, max: 300 } } });
    await addClone(world, "copy", { options: { powerOn: true } });
    await until("task", () => cloneOf(world, "copy")?.status?.taskRef);
    await world.resources.virtualMachines.delete({ namespace, name: "copy-vm" });
    await until("gone", () => world.machine("copy-vm") === undefined);
    await untilPhase(world, "copy", "Ready");
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CloneVM", "DeleteVM"]);
  });

  it("makes the machine that it began, whatever its object names later", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 400, max: 400 } } });
    await addClone(world, "copy", { target: { name: "copy" } });
    await until("task", () => cloneOf(world, "copy")?.status?.taskRef);
    const rename = { spec: { target: { name: "another" } } };
    await world.resources.vmClones.patch({ namespace, name: "copy" }, rename, { type: "merge" });
    await until("refused", () => condition(cloneOf(world, "copy"), "Ready")?.message.includes('"default/another"'));
    expect(condition(cloneOf(world, "copy"), "Ready")).toMatchObject({ status: "False", reason: "InvalidSpec" });
    expect(world.machine("copy")?.status?.id).toBeUndefined();
    const back = { spec: { target: { name: "copy" } } };
    await world.resources.vmClones.patch({ namespace, name: "copy" }, back, { type: "merge" });
    await untilPhase(world, "copy", "Ready");
    await untilReady(world, "copy");
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CloneVM"]);
  });

  it("goes with what it began when its object names another target and is deleted", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 400, max: 400 } } });
    await addClone(world, "copy", { target: { name: "copy" } });
    await until("task", () => cloneOf(world, "copy")?.status?.taskRef);
    const rename = { spec: { target: { name: "another" } } };
    await world.resources.vmClones.patch({ namespace, name: "copy" }, rename, { type: "merge" });
    await world.resources.vmClones.delete({ namespace, name: "copy" });
    await until("gone", () => cloneOf(world, "copy") === undefined && world.machine("copy") === undefined);
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CloneVM", "DeleteVM"]);
  });

  it("refuses tags that are kept for the manager", async () => {
    const { world } = await createLab();
    await addClone(world, "copy", { customization: { tags: ["blue", "almanac.dev/owner=somebody"] } });
    await untilPhase(world, "copy", "Failed");
    expect(condition(cloneOf(world, "copy"), "Ready")).toMatchObject({ reason: "InvalidSpec" });
    expect(condition(cloneOf(world, "copy"), "Ready")?.message).toContain(
      'spec.customization.tags[1] is "almanac.dev/owner=somebody"',
    );
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM"]);
    const spec = { customization: { tags: ["blue"] } };
    await world.resources.vmClones.patch({ namespace, name: "copy" }, { spec }, { type: "merge" });
    await untilPhase(world, "copy", "Ready");
  });
});
