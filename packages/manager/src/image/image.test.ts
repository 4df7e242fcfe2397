import { setTimeout as wait } from "node:timers/promises";
import { aroundEach, describe, expect, it } from "vitest";
import type { VMImage } from "../api/vm-image.ts";
import { condition, createWorld, effects, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const brief = { min: 5, max: 5 };

async function addImage(world: World, name: string, spec: Partial<VMImage["spec"]> = {}): Promise<void> {
  await world.resources.vmImages.create({
    metadata: { name, namespace },
    spec: {
      source: { libvirt: { url: "https://images.example/ubuntu.img", checksum: "abc", checksumType: "sha256" } },
      prepare: {},
      ...spec,
    },
  } as never);
}

function imageOf(world: World, name: string): VMImage | undefined {
  return world.api.store.get("vmimages.infra.virtrigaud.io", namespace, name) as never;
}

async function createLab(options: Parameters<World["startMock"]>[1] = {}): Promise<World> {
  const world = await createWorld();
  await world.startMock("lab", options);
  await world.startManager();
  await world.addProvider("lab");
  return world;
}

const imageRef = (name: string) => ({ imageRef: { name, namespace } });

describe.concurrent("createImageReconciler", () => {
  it("prepares an image once for all machines of a Provider, which wait for it", async () => {
    const world = await createLab({ delays: { taskMs: { min: 300, max: 300 } } });
    await addImage(world, "ubuntu", { prepare: { optimization: { convertFormat: "raw" } } });
    await until("not in use", () => condition(imageOf(world, "ubuntu"), "Ready")?.reason === "NotInUse");
    await world.addMachine("web", imageRef("ubuntu"));
    await world.addMachine("db", imageRef("ubuntu"));
    await until("waiting", () => condition(world.machine("web"), "Ready")?.reason === "ImageNotReady");
    await untilReady(world, "web");
    await untilReady(world, "db");
    const image = await until("ready", () =>
      imageOf(world, "ubuntu")?.status?.ready ? imageOf(world, "ubuntu") : undefined,
    );
    expect(image.status).toMatchObject({ phase: "Ready", availableOn: ["lab"], checksum: "abc", format: "qcow2" });
    expect(image.status?.providerStatus?.["lab"]).toMatchObject({ available: true });
    expect(condition(image, "FieldsIgnored")?.message).toBe("spec.prepare.optimization");
    expect(image.status).not.toHaveProperty("prepareTaskRef");
    expect(image.metadata.finalizers ?? []).toEqual([]);
    expect(effects(world, "lab").filter((method) => method === "PrepareImage")).toHaveLength(1);
    expect(effects(world, "lab")[0]).toBe("PrepareImage");
    expect(await world.samples("virtrigaud_vm_image_prepare_total")).toEqual({ "mock success": 1 });
    expect((await world.samples("virtrigaud_manager_reconcile_total"))["VMImage success"]).toBeGreaterThan(1);

    const spec = { source: { libvirt: { url: "https://images.example/ubuntu-2.img" } } };
    await world.resources.vmImages.patch({ namespace, name: "ubuntu" }, { spec }, { type: "merge" });
    await until("again", () => effects(world, "lab").filter((method) => method === "PrepareImage").length === 2);
  });

  it("gives up after its retries, each counted once, and begins again with a new specification", async () => {
    const rates = { PrepareImage: { taskRate: 1 } };
    const world = await createLab({ delays: { taskMs: brief }, failures: { methods: rates } });
    await addImage(world, "broken", { prepare: { retries: 1 } });
    await world.addMachine("web", imageRef("broken"));
    await until(
      "failed twice",
      async () => (await world.samples("virtrigaud_vm_image_prepare_total"))["mock failure"] === 2,
    );
    await until("failed", () => imageOf(world, "broken")?.status?.phase === "Failed");
    expect(condition(imageOf(world, "broken"), "Ready")?.message).toContain("injected failure of PrepareImage");
    // Longer than the pause of two seconds before a third attempt.
    await wait(2_500);
    expect(await world.samples("virtrigaud_vm_image_prepare_total")).toEqual({ "mock failure": 2 });
    rates.PrepareImage.taskRate = 0;
    await world.resources.vmImages.patch(
      { namespace, name: "broken" },
      { spec: { prepare: { retries: 2 } } },
      { type: "merge" },
    );
    await untilReady(world, "web");
    expect(await world.samples("virtrigaud_vm_image_prepare_total")).toEqual({ "mock failure": 2, "mock success": 1 });
    expect((await world.samples("virtrigaud_errors_total"))["TaskFailed manager"]).toBe(2);
  });

  it.each([
    ["Fail", "Failed", "PreparationFailed"],
    ["Wait", "Pending", "Waiting"],
  ] as const)("does not import with onMissing %s", async (onMissing, phase, reason) => {
    const world = await createLab();
    await addImage(world, "absent", { prepare: { onMissing } });
    await world.addMachine("web", imageRef("absent"));
    await until(phase, () => imageOf(world, "absent")?.status?.phase === phase && world.machine("web")?.status?.phase);
    expect(condition(imageOf(world, "absent"), "Ready")).toMatchObject({ reason });
    expect(world.journal("lab").filter(({ method }) => method === "PrepareImage")).toEqual([]);
    await world.resources.vmImages.patch(
      { namespace, name: "absent" },
      { spec: { prepare: { onMissing: "Import" } } },
      { type: "merge" },
    );
    await untilReady(world, "web");
  });

  it("leaves alone what is there already, and what the provider fetches itself", async () => {
    const world = await createLab({ without: ["imageImport"] });
    await addImage(world, "template", { source: { vsphere: { templateName: "golden" } } });
    await addImage(world, "remote");
    await world.addMachine("web", imageRef("template"));
    await world.addMachine("db", imageRef("remote"));
    await untilReady(world, "web");
    await untilReady(world, "db");
    await until("ready", () => imageOf(world, "template")?.status?.ready && imageOf(world, "remote")?.status?.ready);
    expect(imageOf(world, "template")?.status?.availableOn).toEqual(["lab"]);
    expect(imageOf(world, "remote")?.status?.providerStatus?.["lab"]?.message).toContain("when a machine is made");
    expect(world.journal("lab").filter(({ method }) => method === "PrepareImage")).toEqual([]);
  });

  it("sees a preparation to its end over a new manager and the deletion of the object", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: { min: 500, max: 500 } } });
    const first = await world.startManager();
    await world.addProvider("lab");
    await addImage(world, "ubuntu");
    await world.addMachine("web", imageRef("ubuntu"));
    await until("task", () => imageOf(world, "ubuntu")?.status?.prepareTaskRef);
    await first.stop();
    await world.resources.vmImages.delete({ namespace, name: "ubuntu" });
    expect(imageOf(world, "ubuntu")?.metadata.finalizers).toEqual(["vmimage.infra.virtrigaud.io/finalizer"]);
    await world.startManager();
    await until("gone", () => imageOf(world, "ubuntu") === undefined);
    expect(await world.samples("virtrigaud_vm_image_prepare_total")).toEqual({ "mock success": 1 });
    await until("missing", () => condition(world.machine("web"), "Ready")?.reason === "DependencyNotFound");
  });
});
