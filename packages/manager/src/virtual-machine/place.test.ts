import { aroundEach, describe, expect, it } from "vitest";
import { snapshotOf } from "../snapshot/snapshot.test.helper.ts";
import {
  condition,
  createWorld,
  effects,
  isCurrent,
  isReady,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const web = { namespace, name: "web" };

/** Two providers, and a machine on the one called lab. */
async function createLab(options: Parameters<World["startMock"]>[1] = {}) {
  const world = await createWorld();
  await world.startMock("lab", options);
  await world.startMock("other");
  const manager = await world.startManager();
  await world.addProvider("lab");
  await world.addProvider("other");
  await world.addMachine("web");
  return { world, manager };
}

async function nameProvider(world: World, name: string): Promise<void> {
  const spec = { providerRef: { name } };
  await world.resources.virtualMachines.patch(web, { spec }, { type: "merge" });
}

async function untilRefused(world: World): Promise<void> {
  await until("refused", () => condition(world.machine("web"), "Ready")?.message.includes('"default/other"'));
}

describe.concurrent("a machine", () => {
  it("stays on the Provider that it was made on, whatever its object names later", async () => {
    const { world } = await createLab();
    const { status } = await untilReady(world, "web");
    await nameProvider(world, "other");
    await untilRefused(world);
    expect(condition(world.machine("web"), "Ready")).toMatchObject({ status: "False", reason: "InvalidSpec" });
    expect(condition(world.machine("web"), "Ready")?.message).toContain("write default/lab again");
    expect(world.machine("web")?.status).toMatchObject({ id: status?.id, phase: "Running", powerState: "On" });
    // Snapshots are taken where the machine is.
    await world.resources.vmSnapshots.create({
      metadata: { name: "there", namespace },
      spec: { vmRef: { name: "web" } },
    } as never);
    await until("snapshot", () => isReady(snapshotOf(world, "there")));

    await nameProvider(world, "lab");
    await until("ready again", () => isCurrent(world.machine("web")));
    expect(world.machine("web")?.status?.id).toBe(status?.id);
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "CreateSnapshot"]);
    expect(effects(world, "other")).toEqual([]);
  });

  it("is deleted there, and holds that Provider until then", async () => {
    const { world } = await createLab();
    await untilReady(world, "web");
    await nameProvider(world, "other");
    await untilRefused(world);
    await world.resources.providers.delete({ namespace, name: "other" });
    await until("nobody's", () => world.provider("other") === undefined);
    await world.resources.providers.delete({ namespace, name: "lab" });
    await until("held", () => condition(world.provider("lab"), "DeletionBlocked")?.message.includes("default/web"));
    await world.resources.virtualMachines.delete(web);
    await until("gone", () => world.machine("web") === undefined && world.provider("lab") === undefined);
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "DeleteVM"]);
    expect(effects(world, "other")).toEqual([]);
  });

  it("that may have been made is looked for where it was asked for", async () => {
    const rates = { CreateVM: { rpcRate: 1 } };
    const { world } = await createLab({ failures: { methods: rates, codes: { INTERNAL: 1 } } });
    await until("error", () =>
      world.machine("web")?.metadata.annotations?.["almanac.dev/operation"]?.includes("uncertain"),
    );
    await nameProvider(world, "other");
    await untilRefused(world);
    rates.CreateVM.rpcRate = 0;
    await world.resources.virtualMachines.delete(web);
    await until("gone", () => world.machine("web") === undefined);
    expect(effects(world, "lab")).toEqual(["CreateVM", "DeleteVM"]);
    expect(effects(world, "other")).toEqual([]);
  });

  it("that was not made may be made elsewhere", async () => {
    const rates = { CreateVM: { taskRate: 1 } };
    const { world } = await createLab({ failures: { methods: rates } });
    await until("failed", () => condition(world.machine("web"), "Ready")?.reason === "TaskFailed");
    await nameProvider(world, "other");
    await untilReady(world, "web");
    expect(effects(world, "lab")).toEqual([]);
    expect(effects(world, "other")).toEqual(["CreateVM", "PowerVM"]);
  });

  it("of an earlier version is where its object says when it is looked at first", async () => {
    const { world, manager } = await createLab();
    await untilReady(world, "web");
    await manager.stop();
    const annotation = "almanac.dev/operation";
    const { metadata } = world.machine("web") ?? {};
    const journal = JSON.parse(metadata?.annotations?.[annotation] ?? "") as Record<string, unknown>;
    expect(journal["provider"]).toBe("default/lab");
    delete journal["provider"];
    const annotations = { [annotation]: JSON.stringify(journal) };
    await world.resources.virtualMachines.patch(web, { metadata: { annotations } }, { type: "merge" });
    await world.startManager();
    const touched = { annotations: { touched: "1" } };
    await world.resources.virtualMachines.patch(web, { metadata: touched }, { type: "merge" });
    await until("noted", () => world.machine("web")?.metadata.annotations?.[annotation]?.includes("default/lab"));
    await nameProvider(world, "other");
    await untilRefused(world);
    expect(effects(world, "other")).toEqual([]);
  });
});

describe.concurrent("a Provider that is to be deleted", () => {
  it("takes no new machine, and serves those that it has", async () => {
    const { world } = await createLab();
    await untilReady(world, "web");
    await world.resources.providers.delete({ namespace, name: "lab" });
    await until("held", () => condition(world.provider("lab"), "DeletionBlocked"));
    await world.addMachine("late");
    await world.resources.vmClones.create({
      metadata: { name: "late-clone", namespace },
      spec: { source: { vmRef: { name: "web" } }, target: { name: "cloned" } },
    } as never);
    const cloneOf = () => world.api.store.get("vmclones.infra.virtrigaud.io", namespace, "late-clone") as never;
    await until("refused", () => condition(world.machine("late"), "Ready")?.reason === "ProviderDeleting");
    await until("refused", () => condition(cloneOf(), "Ready")?.reason === "ProviderDeleting");
    expect(world.machine("cloned")).toBeUndefined();
    // A copy of an image is for new machines only.
    await world.resources.vmImages.create({
      metadata: { name: "imported", namespace },
      spec: {
        source: { libvirt: { url: "https://images.example/other.img" } },
        prepare: { onMissing: "Import" },
      },
    } as never);
    await world.addMachine("later", { imageRef: { name: "imported" } });
    await until("refused", () => condition(world.machine("later"), "Ready")?.reason === "ProviderDeleting");
    const imageOf = () => world.api.store.get("vmimages.infra.virtrigaud.io", namespace, "imported") as never;
    await until("waiting", () => JSON.stringify(imageOf()).includes("is being deleted"));

    await world.resources.virtualMachines.patch(web, { spec: { powerState: "Off" } }, { type: "merge" });
    await until("off", () => isCurrent(world.machine("web")) && world.machine("web")?.status?.powerState === "Off");
    // Whatever was not made there may be made elsewhere.
    const spec = { providerRef: { name: "other" } };
    await world.resources.virtualMachines.patch({ namespace, name: "late" }, { spec }, { type: "merge" });
    await untilReady(world, "late");
    for (const name of ["web", "later"]) await world.resources.virtualMachines.delete({ namespace, name });
    await until("gone", () => world.provider("lab") === undefined);
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "PowerVM", "DeleteVM"]);
  });
});
