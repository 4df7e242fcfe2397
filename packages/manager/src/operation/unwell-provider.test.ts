import { createFaultyClient } from "@almanac/kube";
import { aroundEach, describe, expect, it } from "vitest";
import { createWorld, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

interface Story {
  readonly resource: string;
  readonly method: string;
  readonly family: string;
  readonly counted: Record<string, number>;
  begin(world: World): Promise<unknown>;
}

const stories: readonly Story[] = [
  {
    resource: "vmsnapshots",
    method: "CreateSnapshot",
    family: "virtrigaud_vm_snapshot_total",
    counted: { "create mock success": 1 },
    begin: ({ resources }) =>
      resources.vmSnapshots.create({ metadata: { name: "it", namespace }, spec: { vmRef: { name: "web" } } } as never),
  },
  {
    resource: "vmclones",
    method: "CloneVM",
    family: "virtrigaud_vm_clone_total",
    counted: { "false mock success": 1 },
    begin: ({ resources }) =>
      resources.vmClones.create({
        metadata: { name: "it", namespace },
        spec: { source: { vmRef: { name: "web" } }, target: { name: "copy" } },
      } as never),
  },
  {
    resource: "vmimages",
    method: "PrepareImage",
    family: "virtrigaud_vm_image_prepare_total",
    counted: { "mock success": 1 },
    async begin(world) {
      await world.resources.vmImages.create({
        metadata: { name: "it", namespace },
        spec: { source: { http: { url: "https://images.example/it.img" } }, prepare: {} },
      } as never);
      await world.addMachine("next", { imageRef: { name: "it" } });
    },
  },
];

describe.concurrent("a result that is kept while its provider becomes unwell", () => {
  it.each(stories)("of $method is counted", async ({ resource, method, family, counted, begin }) => {
    const world = await createWorld();
    const kube = createFaultyClient(world.kube);
    await world.startMock("lab", { delays: { taskMs: { min: 300, max: 300 } } });
    await world.startManager({ kube });
    await world.addProvider("lab");
    await world.addMachine("web");
    await untilReady(world, "web");
    await begin(world);
    const hasEnded = () => world.journal("lab").findIndex((line) => line.kind === "task" && line.method === method);
    await until("ended", () => hasEnded() >= 0);
    // The result has been heard of and is on its way to the object.
    kube.inject({ verbs: ["patch"], resources: [resource], latencyMs: 500 });
    await until("asked", () =>
      world
        .journal("lab")
        .slice(hasEnded())
        .some((line) => line.kind === "rpc" && line.method === "TaskStatus"),
    );
    await world.resources.providers.patch(
      { namespace, name: "lab" },
      { status: { healthy: false } },
      { type: "merge", subresource: "status" },
    );
    await until("counted", async () => Object.keys(await world.samples(family)).length > 0);
    expect(await world.samples(family)).toEqual(counted);
  });
});

interface Widow {
  readonly resource: string;
  begin(world: World): Promise<unknown>;
  isOver(object: Watched | undefined): boolean;
}
type Watched = { readonly status?: { readonly phase?: string } };

const isPhase =
  (phase: string) =>
  (object: Watched | undefined): boolean =>
    object?.status?.phase === phase;

const widows: readonly Widow[] = [
  {
    resource: "vmsnapshots",
    async begin(world) {
      await world.resources.vmSnapshots.create({
        metadata: { name: "it", namespace },
        spec: { vmRef: { name: "web" }, retentionPolicy: { deleteOnVMDelete: false } },
      } as never);
      await until("taken", () => isPhase("Ready")(stored(world, "vmsnapshots")));
      await world.resources.vmSnapshots.delete({ namespace, name: "it" });
    },
    isOver: (object) => object === undefined,
  },
  {
    resource: "vmclones",
    begin: ({ resources }) =>
      resources.vmClones.create({
        metadata: { name: "it", namespace },
        spec: { source: { vmRef: { name: "web" } }, target: { name: "copy" } },
      } as never),
    isOver: isPhase("Ready"),
  },
  {
    resource: "vmimages",
    async begin(world) {
      await world.resources.vmImages.create({
        metadata: { name: "it", namespace },
        spec: { source: { http: { url: "https://images.example/it.img" } }, prepare: {} },
      } as never);
      await world.resources.virtualMachines.patch(
        { namespace, name: "web" },
        { spec: { imageRef: { name: "it" } } },
        { type: "merge" },
      );
    },
    isOver: isPhase("Ready"),
  },
];

function stored(world: World, resource: string): Watched | undefined {
  return world.api.store.get(`${resource}.infra.virtrigaud.io`, namespace, "it");
}

describe("an operation whose machine is gone while its provider is unwell", () => {
  it.each(widows)("of $resource goes on when the provider is well", async ({ resource, begin, isOver }) => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: { min: 400, max: 400 } } });
    await world.startManager();
    await world.addProvider("lab", { healthCheck: { interval: "10m", timeout: "1s" } });
    await world.addMachine("web", { powerState: "Off" });
    await untilReady(world, "web");
    const become = (healthy: boolean) =>
      world.resources.providers.patch(
        { namespace, name: "lab" },
        { status: { healthy } },
        { type: "merge", subresource: "status" },
      );
    await begin(world);
    await until("begun", () => JSON.stringify(stored(world, resource) ?? {}).includes('task\\":'));
    await become(false);
    await until("waiting", () => /not healthy/.test(JSON.stringify(stored(world, resource)?.status)));
    const metadata = { annotations: { "virtrigaud.io/force-delete": "true" } };
    await world.resources.virtualMachines.patch({ namespace, name: "web" }, { metadata }, { type: "merge" });
    await world.resources.virtualMachines.delete({ namespace, name: "web" });
    await until("without its machine", () => world.machine("web") === undefined);
    await become(true);
    await until("over", () => isOver(stored(world, resource)));
  });
});
