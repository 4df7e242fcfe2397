// What people write into annotations, by mistake or on purpose, must not move anybody else's machine.
import { setTimeout as wait } from "node:timers/promises";
import type { KubeObject } from "@almanac/kube";
import { aroundEach, describe, expect, it } from "vitest";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
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

aroundEach(withOwnWorlds);

const namespace = "default";
const annotation = "almanac.dev/operation";

/** What `kubectl get NAME -o yaml | sed s/NAME/COPY/ | kubectl apply -f -` creates. */
function copyOf<T extends KubeObject>({ apiVersion, kind, metadata, ...rest }: T, name: string): T {
  const { annotations, finalizers, namespace: of } = metadata;
  return { apiVersion, kind, ...rest, metadata: { name, namespace: of, annotations, finalizers } } as unknown as T;
}

const find = (world: World, plural: string, name: string, of = namespace) =>
  world.api.store.get(`${plural}.infra.virtrigaud.io`, of, name) as unknown as VMSnapshot | undefined;

async function createLab(options: Parameters<World["startMock"]>[1] = {}) {
  const world = await createWorld();
  await world.startMock("lab", options);
  await world.kube.request({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: "other" } } });
  await world.startManager();
  await world.addProvider("lab");
  await world.addMachine("web-0");
  const victim = await untilReady(world, "web-0");
  return { world, victim, victimId: victim.status?.id as string };
}

/** Effects on a machine since it was there. */
function changesOf(world: World, id: string): string[] {
  const lines = world.journal("lab").filter(({ kind, vm }) => kind === "effect" && vm === id);
  return lines.map(({ method }) => method);
}

const refusals = (world: World, name: string) =>
  eventsOf(world, name).filter(({ reason }) => reason === "JournalRefused").length;

async function forge(
  world: World,
  plural: "virtualMachines" | "vmSnapshots" | "vmClones",
  name: string,
  of: string,
  journal: object,
) {
  const annotations = { [annotation]: JSON.stringify(journal), touched: "yes" };
  // Held, so that it is looked at when it is deleted at once.
  const metadata = { annotations, finalizers: [`${plural.slice(0, -1).toLowerCase()}.infra.virtrigaud.io/finalizer`] };
  const resource = world.resources[plural] as World["resources"]["virtualMachines"];
  await resource.patch({ namespace: of, name }, { metadata }, { type: "merge" });
}

describe.concurrent("a copied object", () => {
  it("of a machine gets a machine of its own, is told so once, and takes nothing along when it goes", async () => {
    const { world, victim, victimId } = await createLab();
    await world.resources.virtualMachines.create(copyOf(victim, "web-copy"));
    const copy = await untilReady(world, "web-copy");
    expect(copy.status?.id).not.toBe(victimId);
    expect(refusals(world, "web-copy")).toBe(1);
    await world.resources.virtualMachines.delete({ namespace, name: "web-copy" });
    await until("gone", () => world.machine("web-copy") === undefined);
    expect(changesOf(world, victimId)).toEqual(["CreateVM", "PowerVM"]);
    expect(isReady(world.machine("web-0"))).toBe(true);
  });

  it("of a snapshot is another snapshot", async () => {
    const { world } = await createLab();
    await world.resources.vmSnapshots.create({
      metadata: { name: "nightly", namespace },
      spec: { vmRef: { name: "web-0" } },
    } as never);
    const isTaken = (name: string) => find(world, "vmsnapshots", name)?.status?.phase === "Ready";
    await until("taken", () => isTaken("nightly"));
    const original = find(world, "vmsnapshots", "nightly") as VMSnapshot;
    await world.resources.vmSnapshots.create(copyOf(original, "copy"));
    await until("taken too", () => isTaken("copy"));
    expect(find(world, "vmsnapshots", "copy")?.status?.snapshotID).not.toBe(original.status?.snapshotID);
    expect(refusals(world, "copy")).toBe(1);
    await world.resources.vmSnapshots.delete({ namespace, name: "copy" });
    await until("gone", () => find(world, "vmsnapshots", "copy") === undefined);
    expect(effects(world, "lab").filter((method) => method === "DeleteSnapshot")).toHaveLength(1);
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({
      "create mock success": 2,
      "delete mock success": 1,
    });
  });
});

describe.concurrent("a machine that two statuses name", () => {
  it("is that of the object that was there first", async () => {
    const { world, victimId } = await createLab();
    // Creation times are whole seconds.
    await wait(1_100);
    await world.addMachine("late", { providerRef: { name: "later", namespace } });
    await until("blocked", () => condition(world.machine("late"), "Ready")?.reason === "DependencyNotFound");
    const resource = world.resources.virtualMachines;
    const status = { id: victimId, provider: { "almanac.dev/provider": "default/lab" } };
    await resource.patch({ namespace, name: "late" }, { status }, { type: "merge", subresource: "status" });
    const spec = { providerRef: { name: "lab", namespace } };
    await resource.patch({ namespace, name: "late" }, { spec }, { type: "merge" });
    expect((await untilReady(world, "late")).status?.id).not.toBe(victimId);
    await resource.patch({ namespace, name: "web-0" }, { spec: { powerState: "Off" } }, { type: "merge" });
    await until("off", () => world.machine("web-0")?.status?.powerState === "Off");
    await resource.delete({ namespace, name: "late" });
    await until("gone", () => world.machine("late") === undefined);
    expect(changesOf(world, victimId)).toEqual(["CreateVM", "PowerVM", "PowerVM"]);
  });
});

describe.concurrent("a journal that somebody wrote", () => {
  it.each([
    ["that names nobody", () => ({})],
    ["that names the object", (uid: string) => ({ uid })],
  ])("%s gives a machine of another namespace to nobody, made or not", async (_what, named) => {
    const { world, victimId } = await createLab();
    // One that has a machine already, and one whose Provider is not there yet, so that no status says anything.
    await world.addMachine("made", { powerState: "Off" }, "other");
    await world.addMachine("unmade", { powerState: "Off", providerRef: { name: "later", namespace } }, "other");
    await untilReady(world, "made", "other");
    await until("blocked", () => condition(world.machine("unmade", "other"), "Ready")?.reason === "DependencyNotFound");
    for (const name of ["made", "unmade"]) {
      const uid = world.machine(name, "other")?.metadata.uid as string;
      const attempt = { operation: "Power", startedAtMs: Date.now(), power: "Off" };
      await forge(world, "virtualMachines", name, "other", { ...named(uid), id: victimId, applied: "x", attempt });
    }
    const spec = { providerRef: { name: "lab", namespace } };
    await world.resources.virtualMachines.patch({ namespace: "other", name: "unmade" }, { spec }, { type: "merge" });
    await untilReady(world, "unmade", "other");
    await until("told", () => refusals(world, "made") === 1 && refusals(world, "unmade") === 1);
    for (const name of ["made", "unmade"]) {
      expect(world.machine(name, "other")?.status?.id).not.toBe(victimId);
      await world.resources.virtualMachines.delete({ namespace: "other", name });
      await until("gone", () => world.machine(name, "other") === undefined);
    }
    expect(changesOf(world, victimId)).toEqual(["CreateVM", "PowerVM"]);
  });

  it("moves no machine to another Provider, together with the specification or alone", async () => {
    const { world, victimId } = await createLab();
    await world.startMock("other");
    await world.addProvider("other");
    const uid = world.machine("web-0")?.metadata.uid as string;
    const journal = { uid, id: victimId, provider: "default/other", applied: "x" };
    await forge(world, "virtualMachines", "web-0", namespace, journal);
    const heal = () => world.machine("web-0")?.metadata.annotations?.[annotation]?.includes("default/lab");
    await until("written again", heal);
    await forge(world, "virtualMachines", "web-0", namespace, journal);
    const name = { namespace, name: "web-0" };
    const spec = { providerRef: { name: "other" }, powerState: "Off" };
    await world.resources.virtualMachines.patch(name, { spec }, { type: "merge" });
    await until("refused", () => condition(world.machine("web-0"), "Ready")?.reason === "InvalidSpec");
    expect(condition(world.machine("web-0"), "Ready")?.message).toContain("write default/lab again");
    expect(world.machine("web-0")?.status).toMatchObject({
      id: victimId,
      provider: { "almanac.dev/provider": "default/lab" },
    });
    await world.resources.virtualMachines.delete(name);
    await until("gone", () => world.machine("web-0") === undefined);
    expect(changesOf(world, victimId)).toEqual(["CreateVM", "PowerVM", "DeleteVM"]);
    expect(world.journal("other").map(({ method }) => method)).not.toContain("DescribeVM");
    expect(effects(world, "other")).toEqual([]);
  });

  it("deletes no snapshot of a machine of another namespace", async () => {
    const { world, victimId } = await createLab();
    await world.resources.vmSnapshots.create({
      metadata: { name: "kept", namespace },
      spec: { vmRef: { name: "web-0" } },
    } as never);
    const id = await until("taken", () => find(world, "vmsnapshots", "kept")?.status?.snapshotID);
    await world.resources.vmSnapshots.create({
      metadata: { name: "forged", namespace: "other" },
      spec: { vmRef: { name: "web-0" } },
    } as never);
    const uid = find(world, "vmsnapshots", "forged", "other")?.metadata.uid;
    const place = { machine: victimId, provider: "default/lab" };
    await forge(world, "vmSnapshots", "forged", "other", { uid, id, createdAtMs: 1, ...place });
    await world.resources.vmSnapshots.delete({ namespace: "other", name: "forged" });
    await until("gone", () => find(world, "vmsnapshots", "forged", "other") === undefined);
    expect(effects(world, "lab")).not.toContain("DeleteSnapshot");
    await until("told", () => refusals(world, "forged") === 1);
  });

  it("copies no machine of another namespace, hands none over, and deletes no object", async () => {
    const { world, victimId, victim } = await createLab();
    await world.addMachine("mine", { powerState: "Off" }, "other");
    await untilReady(world, "mine", "other");
    const { vmClones } = world.resources;
    const place = { machine: victimId, provider: "default/lab", startedAtMs: 1 };
    const forgeries: Record<string, (uid: string) => object> = {
      asking: () => ({ clone: { attempt: { startedAtMs: 1, about: { linked: false } } } }),
      made: (uid) => ({ target: uid, made: { id: victimId, linked: false } }),
      reaching: () => ({ target: victim.metadata.uid }),
    };
    for (const [name, journal] of Object.entries(forgeries)) {
      const target = name === "reaching" ? { name: "web-0", namespace } : { name: `${name}-vm` };
      await vmClones.create({
        metadata: { name, namespace: "other" },
        spec: { source: { vmRef: { name: "nobody" } }, target },
      } as never);
      const uid = find(world, "vmclones", name, "other")?.metadata.uid as string;
      if (name === "made") {
        // A machine of one's own that says it is being made by the clone.
        await world.resources.virtualMachines.create({
          metadata: { name: "made-vm", namespace: "other", annotations: { "almanac.dev/clone": `other/made/${uid}` } },
          spec: { ...world.machine("mine", "other")?.spec },
        } as never);
      }
      const own = name === "made" ? (world.machine("made-vm", "other")?.metadata.uid as string) : uid;
      await forge(world, "vmClones", name, "other", { uid, ...place, ...journal(own) });
      await until("looked at", () => refusals(world, name) > 0 || find(world, "vmclones", name, "other")?.status);
      await vmClones.delete({ namespace: "other", name });
      await until("gone", () => find(world, "vmclones", name, "other") === undefined);
    }
    // In which what was believed would have been carried out.
    await wait(200);
    expect(world.machine("made-vm", "other")?.status?.id).not.toBe(victimId);
    expect(world.machine("web-0")?.metadata.deletionTimestamp).toBeUndefined();
    expect(effects(world, "lab")).not.toContain("CloneVM");
    expect(changesOf(world, victimId)).toEqual(["CreateVM", "PowerVM"]);
  });

  it.each([
    { id: "x", attempt: "x" },
    { attempt: { operation: "Bogus", startedAtMs: 1 } },
    { failures: { Create: { count: 1, retryAtMs: 9e18, generation: 1 } } },
    { failures: { Create: { count: 1, retryAtMs: Date.now() * 2, generation: 1 } } },
    { id: {}, failures: { Power: null } },
  ])("as %j holds no machine up, neither a new one nor one that is there", async (journal) => {
    const { world, victimId } = await createLab();
    await forge(world, "virtualMachines", "web-0", namespace, journal);
    const annotations = { [annotation]: JSON.stringify(journal) };
    await world.resources.virtualMachines.create({
      metadata: { name: "new", namespace, annotations },
      spec: { ...world.machine("web-0")?.spec },
    } as never);
    await untilReady(world, "new");
    await world.resources.virtualMachines.patch(
      { namespace, name: "web-0" },
      { spec: { powerState: "Off" } },
      { type: "merge" },
    );
    await until("off", () => world.machine("web-0")?.status?.powerState === "Off");
    expect(world.machine("web-0")?.status?.id).toBe(victimId);
    const counted = await world.samples("virtrigaud_vm_operations_total");
    expect(Object.keys(counted).filter((key) => !/^(Create|Power|Describe) mock lab success$/.test(key))).toEqual([]);
    expect(counted["Create mock lab success"]).toBe(2);
    expect(counted["Power mock lab success"]).toBe(3);
  });
});

describe.concurrent("a journal in another order", () => {
  it("is not written again for that", async () => {
    const { world } = await createLab();
    const read = () => world.machine("web-0")?.metadata.annotations?.[annotation] as string;
    const reversed = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(read()) as object).reverse()));
    expect(reversed).not.toBe(read());
    const body = { metadata: { annotations: { [annotation]: reversed } }, spec: { tags: ["later"] } };
    await world.resources.virtualMachines.patch({ namespace, name: "web-0" }, body, { type: "merge" });
    await until("looked at", () => condition(world.machine("web-0"), "FieldsIgnored"));
    expect(read()).toBe(reversed);
  });
});

describe.concurrent("an object that is replaced without its annotations", () => {
  it("keeps the machine that is being made for it", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: { min: 600, max: 600 } } });
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web");
    await until("task", () => world.machine("web")?.status?.lastTaskRef);
    const id = world.machine("web")?.status?.id;
    const { spec, metadata } = await world.resources.virtualMachines.get({ namespace, name: "web" });
    const { resourceVersion } = metadata;
    const body = { metadata: { name: "web", namespace, resourceVersion }, spec };
    await world.resources.virtualMachines.replace(body as never);
    const machine = await untilReady(world, "web");
    expect(machine.status?.id).toBe(id);
    expect(eventsOf(world, "web").map(({ reason }) => reason)).not.toContain("Vanished");
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM"]);
    expect((await world.samples("virtrigaud_vm_operations_total"))["Create mock lab success"]).toBe(1);
  });

  it("keeps its snapshot, and the time that has", async () => {
    const { world } = await createLab();
    await world.resources.vmSnapshots.create({
      metadata: { name: "nightly", namespace },
      spec: { vmRef: { name: "web-0" }, retentionPolicy: { maxAge: "48h" } },
    } as never);
    await until("taken", () => find(world, "vmsnapshots", "nightly")?.status?.phase === "Ready");
    const before = find(world, "vmsnapshots", "nightly") as VMSnapshot;
    const { spec, metadata } = before;
    // Times in a status are whole seconds: one that is written again must differ.
    await wait(1_100);
    const { resourceVersion } = metadata;
    const body = { metadata: { name: "nightly", namespace, resourceVersion, labels: { new: "yes" } }, spec };
    await world.resources.vmSnapshots.replace({
      ...body,
      spec: { ...spec, schedule: { cronSpec: "@daily" } },
    } as never);
    await until("kept again", () => find(world, "vmsnapshots", "nightly")?.metadata.annotations?.[annotation]);
    await until("looked at", () => find(world, "vmsnapshots", "nightly")?.status?.observedGeneration === 2);
    const { status } = find(world, "vmsnapshots", "nightly") as VMSnapshot;
    const { snapshotID, creationTime, expiryTime } = before.status ?? {};
    expect(status).toMatchObject({ phase: "Ready", snapshotID, creationTime, expiryTime });
    expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({ "create mock success": 1 });
    await world.resources.vmSnapshots.delete({ namespace, name: "nightly" });
    await until("gone", () => find(world, "vmsnapshots", "nightly") === undefined);
    expect(effects(world, "lab").slice(2)).toEqual(["CreateSnapshot", "DeleteSnapshot"]);
  });
});
