import { setTimeout as wait } from "node:timers/promises";
import { aroundEach, describe, expect, it } from "vitest";
import {
  clientOf,
  createWorld,
  effects,
  startProxy,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

interface Story {
  readonly method: string;
  readonly family: string;
  readonly count: string;
  readonly plural: string;
  /** Before the manager that dies. */
  prepare?(world: World): Promise<void>;
  begin(world: World): Promise<unknown>;
  isDone(object: { readonly status?: { readonly phase?: string } } | undefined): boolean;
}

const takeSnapshot = (world: World) =>
  world.resources.vmSnapshots.create({
    metadata: { name: "it", namespace },
    spec: { vmRef: { name: "web" } },
  } as never);
const phaseIs =
  (phase: string): Story["isDone"] =>
  (object) =>
    object?.status?.phase === phase;

const stories: Story[] = [
  {
    method: "CreateSnapshot",
    family: "virtrigaud_vm_snapshot_total",
    count: "create mock success",
    plural: "vmsnapshots",
    begin: takeSnapshot,
    isDone: phaseIs("Ready"),
  },
  {
    method: "DeleteSnapshot",
    family: "virtrigaud_vm_snapshot_total",
    count: "delete mock success",
    plural: "vmsnapshots",
    async prepare(world) {
      await takeSnapshot(world);
      const stored = () => world.api.store.get("vmsnapshots.infra.virtrigaud.io", namespace, "it");
      await until("taken", () => phaseIs("Ready")(stored() as never));
    },
    begin: (world) => world.resources.vmSnapshots.delete({ namespace, name: "it" }),
    isDone: (object) => object === undefined,
  },
  {
    method: "CloneVM",
    family: "virtrigaud_vm_clone_total",
    count: "false mock success",
    plural: "vmclones",
    begin: (world) =>
      world.resources.vmClones.create({
        metadata: { name: "it", namespace },
        spec: { source: { vmRef: { name: "web" } }, target: { name: "copy" } },
      } as never),
    isDone: phaseIs("Ready"),
  },
  {
    method: "PrepareImage",
    family: "virtrigaud_vm_image_prepare_total",
    count: "mock success",
    plural: "vmimages",
    async begin(world) {
      await world.resources.vmImages.create({
        metadata: { name: "it", namespace },
        spec: { source: { http: { url: "https://images.example/it.img" } }, prepare: {} },
      } as never);
      await world.addMachine("db", { imageRef: { name: "it" }, powerState: "Off" });
    },
    isDone: phaseIs("Ready"),
  },
];

describe.concurrent("an operation", () => {
  it.each(stories)(
    "$method has one effect and one count when its manager dies before it hears of it",
    async (story) => {
      const world = await createWorld();
      await world.startMock("lab", { delays: { rpcMs: { min: 250, max: 250 } } });
      const quiet = await world.startManager();
      await world.addProvider("lab");
      await world.addMachine("web", { powerState: "Off" });
      await untilReady(world, "web");
      await story.prepare?.(world);
      await quiet.stop();

      const proxy = await startProxy(Number(new URL(world.api.url).port));
      const doomed = await world.startManager({ kube: clientOf(proxy.url, world.api.token), drainMs: 1 });
      await story.begin(world);
      const stored = (): { metadata: { annotations?: Record<string, string> } } | undefined =>
        world.api.store.get(`${story.plural}.infra.virtrigaud.io`, namespace, "it") as never;
      await until("begun", () => stored()?.metadata.annotations?.["almanac.dev/operation"]?.includes('"attempt"'));
      // The request is on its way for 250 ms; its answer finds nobody to tell.
      await wait(50);
      proxy.cut();
      const made = () => effects(world, "lab").filter((method) => method === story.method).length;
      await until("effect", () => made() === 1);
      await wait(50);
      await doomed.stop();
      expect((await world.samples(story.family))[story.count]).toBeUndefined();

      await world.startManager();
      await until("done", () => story.isDone(stored() as never));
      expect(made()).toBe(1);
      expect((await world.samples(story.family))[story.count]).toBe(1);
    },
  );

  /** A machine is made, and both its manager and its provider are gone before anyone has heard of it; the next manager asks in vain. */
  async function loseCreation(): Promise<{ readonly world: World; back(): Promise<void> }> {
    const world = await createWorld();
    const mock = await world.startMock("lab", { delays: { rpcMs: { min: 250, max: 250 } } });
    const proxy = await startProxy(Number(new URL(world.api.url).port));
    const doomed = await world.startManager({ kube: clientOf(proxy.url, world.api.token), drainMs: 1 });
    await world.addProvider("lab", { healthCheck: { interval: "10m", timeout: "1s" } });
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    await world.addMachine("web");
    const journal = () => world.machine("web")?.metadata.annotations?.["almanac.dev/operation"] ?? "";
    await until("begun", () => journal().includes('"attempt"'));
    await wait(50);
    proxy.cut();
    await until("made", () => effects(world, "lab").includes("CreateVM"));
    await doomed.stop();
    await mock.shutdown();
    await world.startManager();
    await until("failed", () => journal().includes('"failures"'));
    return {
      world,
      async back() {
        await world.startMock("lab", { port: Number(mock.address.split(":").at(-1)) });
        const spec = { healthCheck: { interval: "200ms" } };
        await world.resources.providers.patch({ namespace, name: "lab" }, { spec }, { type: "merge" });
      },
    };
  }

  it("that had its effect is undone with its object when only a provider that is away was asked again", async () => {
    const { world, back } = await loseCreation();
    await world.resources.virtualMachines.delete({ namespace, name: "web" });
    await back();
    await until("gone", () => world.machine("web") === undefined);
    expect(effects(world, "lab").filter((method) => method !== "PowerVM")).toEqual(["CreateVM", "DeleteVM"]);
  });

  it("that had its effect is corrected when another shape is wished before it is heard of", async () => {
    const { world, back } = await loseCreation();
    await world.resources.vmClasses.create({
      metadata: { name: "large", namespace },
      spec: { cpu: 4, memory: "8Gi" },
    } as never);
    const spec = { classRef: { name: "large" } };
    await world.resources.virtualMachines.patch({ namespace, name: "web" }, { spec }, { type: "merge" });
    await back();
    await untilReady(world, "web");
    expect(effects(world, "lab").filter((method) => method !== "PowerVM")).toEqual(["CreateVM", "ReconfigureVM"]);
  });
});
