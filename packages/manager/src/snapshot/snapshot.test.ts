import { setTimeout as wait } from "node:timers/promises";
import { createNoopTelemetry } from "@almanac/telemetry";
import { createProviderClient } from "@almanac/provider";
import { aroundEach, describe, expect, it } from "vitest";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
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
import { addSnapshot, snapshotOf, untilPhase } from "./snapshot.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const brief = { min: 5, max: 5 };

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

describe.concurrent("createSnapshotReconciler", () => {
  it("takes a snapshot, says where it is, and deletes it with its object", async () => {
    const { world, mock, machineId } = await createLab({ delays: { taskMs: brief } });
    await addSnapshot(world, "nightly", {
      snapshotConfig: { name: "backup", description: "before the update", compression: true },
      retentionPolicy: { maxAge: "48h" },
      schedule: { cronSpec: "@daily" },
    });
    const snapshot = await untilPhase(world, "nightly", "Ready");
    const { status } = snapshot;
    expect(condition(snapshot, "Ready")).toMatchObject({ status: "True", reason: "Created" });
    expect(condition(snapshot, "FieldsIgnored")?.message).toBe("spec.schedule, spec.snapshotConfig.compression");
    expect(status).not.toHaveProperty("taskRef");
    expect(Date.parse(status?.expiryTime ?? "") - Date.parse(status?.creationTime ?? "")).toBe(48 * 3_600_000);
    expect(status?.providerStatus?.["lab"]).toMatchObject({ available: true, id: status?.snapshotID, state: "Ready" });
    expect(snapshot.metadata.finalizers).toEqual(["vmsnapshot.infra.virtrigaud.io/finalizer"]);
    using client = createProviderClient({ address: mock.address, tls: "insecure", telemetry: createNoopTelemetry() });
    const raw = JSON.parse((await client.describeVM({ id: machineId })).providerRawJson) as { snapshots: object[] };
    expect(raw.snapshots).toEqual([
      { id: status?.snapshotID, name: `backup-${snapshot.metadata.uid.slice(0, 8)}`, memory: false },
    ]);

    await world.resources.vmSnapshots.delete({ namespace, name: "nightly" });
    await until("gone", () => snapshotOf(world, "nightly") === undefined);
    expect(snapshotEffects(world)).toEqual(["CreateSnapshot", "DeleteSnapshot"]);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({
      "create mock success": 1,
      "delete mock success": 1,
    });
    expect((await world.samples("virtrigaud_manager_reconcile_total"))["VMSnapshot success"]).toBeGreaterThan(2);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({});
  });

  it("waits for its machine, counts each attempt once, and tries again", async () => {
    const rates = { CreateSnapshot: { taskRate: 1 } };
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: brief }, failures: { methods: rates } });
    await world.startManager();
    await addSnapshot(world, "early");
    await until("missing", () => condition(snapshotOf(world, "early"), "Ready")?.reason === "DependencyNotFound");
    await world.addProvider("lab");
    await world.addMachine("web");
    await untilPhase(world, "early", "Failed");
    expect(condition(snapshotOf(world, "early"), "Ready")).toMatchObject({ status: "False", reason: "TaskFailed" });
    rates.CreateSnapshot.taskRate = 0;
    await untilPhase(world, "early", "Ready");
    const failed = world.journal("lab").filter(({ kind, result }) => kind === "task" && result !== "success").length;
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({
      "create mock failure": failed,
      "create mock success": 1,
    });
    expect(await world.samples("virtrigaud_errors_total")).toEqual({
      "DependencyNotFound manager": 1,
      "TaskFailed manager": failed,
    });
    expect(snapshotEffects(world)).toEqual(["CreateSnapshot"]);
  });

  it("refuses memory where a provider offers none, without asking, and takes it where it does", async () => {
    const { world } = await createLab({ without: ["memorySnapshots"] });
    await addSnapshot(world, "memory", { snapshotConfig: { includeMemory: true } });
    const failed = await untilPhase(world, "memory", "Failed");
    expect(condition(failed, "Ready")?.message).toContain("set spec.snapshotConfig.includeMemory to false");
    expect(world.journal("lab").filter(({ method }) => method === "CreateSnapshot")).toEqual([]);
    // Longer than the pause after a failed attempt: nothing but a change makes it another one.
    await wait(1_300);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({ "create mock failure": 1 });
    const spec = { snapshotConfig: { includeMemory: false } };
    await world.resources.vmSnapshots.patch({ namespace, name: "memory" }, { spec }, { type: "merge" });
    await untilPhase(world, "memory", "Ready");
  });

  it("goes on with the task of a manager that ended, in creation and in deletion", async () => {
    const { world, manager } = await createLab();
    await manager.stop();
    await world.startMock("slow", { delays: { taskMs: { min: 400, max: 400 } } });
    const first = await world.startManager();
    await world.addProvider("slow");
    await world.addMachine("db", { providerRef: { name: "slow" }, powerState: "Off" });
    await untilReady(world, "db");
    await addSnapshot(world, "kept", { vmRef: { name: "db" } });
    await until("task", () => snapshotOf(world, "kept")?.status?.taskRef);
    await first.stop();
    const second = await world.startManager();
    await untilPhase(world, "kept", "Ready");
    await world.resources.vmSnapshots.delete({ namespace, name: "kept" });
    await until("task", () => snapshotOf(world, "kept")?.status?.taskRef);
    await second.stop();
    await world.startManager();
    await until("gone", () => snapshotOf(world, "kept") === undefined);
    expect(effects(world, "slow")).toEqual(["CreateVM", "CreateSnapshot", "DeleteSnapshot"]);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({
      "create mock success": 1,
      "delete mock success": 1,
    });
  });

  it("finds the effect of a task that its provider forgot", async () => {
    const { world } = await createLab({ delays: { taskMs: { min: 300, max: 300 } } });
    await addSnapshot(world, "lost");
    await until("task", () =>
      snapshotOf(world, "lost")?.metadata.annotations?.["almanac.dev/operation"]?.includes('"task"'),
    );
    await until("effect", () => snapshotEffects(world).length === 1);
    // As after a restart that lost its tasks: the manager asks for one that nobody knows.
    const { metadata } = snapshotOf(world, "lost") as VMSnapshot;
    const journal = metadata.annotations?.["almanac.dev/operation"]?.replace(/"task":"[^"]*"/, '"task":"forgotten"');
    await world.resources.vmSnapshots.patch(
      { namespace, name: "lost" },
      { metadata: { annotations: { "almanac.dev/operation": journal } } },
      { type: "merge" },
    );
    await untilPhase(world, "lost", "Ready");
    expect(snapshotEffects(world)).toEqual(["CreateSnapshot"]);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({ "create mock success": 1 });
  });

  it("deletes what is too old and what is one too many, but nothing that is pinned", async () => {
    const { world } = await createLab();
    const retentionPolicy = { gracePeriod: "0s" };
    await addSnapshot(world, "pinned", {
      metadata: { pinned: true },
      retentionPolicy: { ...retentionPolicy, maxAge: "1ms", maxCount: 1 },
    });
    await addSnapshot(world, "old", { retentionPolicy: { ...retentionPolicy, maxAge: "300ms" } });
    await addSnapshot(world, "surplus", { retentionPolicy: { ...retentionPolicy, maxCount: 1 } });
    await untilPhase(world, "surplus", "Ready");
    await until("too old", () => snapshotOf(world, "old") === undefined);
    await addSnapshot(world, "newest");
    await until("one too many", () => snapshotOf(world, "surplus") === undefined);
    await addSnapshot(world, "lingering", { retentionPolicy: { maxAge: "1ms", gracePeriod: "1h" } });
    await untilPhase(world, "lingering", "Expired");
    expect(snapshotOf(world, "pinned")?.status?.phase).toBe("Ready");
    expect(snapshotOf(world, "newest")?.status?.phase).toBe("Ready");
    expect(snapshotEffects(world).filter((method) => method === "DeleteSnapshot")).toHaveLength(2);
    expect(eventsOf(world, "old").map(({ reason }) => reason)).toContain("Expired");
  });

  it("counts what is not pinned any more", async () => {
    const { world } = await createLab();
    await addSnapshot(world, "older", { retentionPolicy: { gracePeriod: "0s", maxCount: 1 } });
    await untilPhase(world, "older", "Ready");
    await addSnapshot(world, "newer", { metadata: { pinned: true } });
    await untilPhase(world, "newer", "Ready");
    expect(snapshotOf(world, "older")?.status?.phase).toBe("Ready");
    await world.resources.vmSnapshots.patch(
      { namespace: "default", name: "newer" },
      { spec: { metadata: { pinned: false } } },
      { type: "merge" },
    );
    await until("one too many", () => snapshotOf(world, "older") === undefined);
    expect(snapshotOf(world, "newer")?.status?.phase).toBe("Ready");
  });
});
