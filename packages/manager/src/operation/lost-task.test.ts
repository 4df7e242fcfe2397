import type { MockProvider } from "@almanac/provider-mock";
import { aroundEach, describe, expect, it } from "vitest";
import { createWorld, effects, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const never = { min: 600_000, max: 600_000 };

interface Story {
  readonly method: string;
  readonly family: string;
  readonly counts: Readonly<Record<string, number>>;
  begin(world: World): Promise<unknown>;
  /** The task that the object names. */
  task(world: World): string | undefined;
  isDone(world: World): boolean;
}

interface Kept {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly status?: { readonly phase?: string };
}
const snapshot = (world: World): Kept | undefined =>
  world.api.store.get("vmsnapshots.infra.virtrigaud.io", namespace, "it") as never;

const stories: Story[] = [
  {
    method: "PowerVM",
    family: "virtrigaud_vm_operations_total",
    counts: { "Power mock lab error": 1, "Power mock lab success": 1 },
    begin: (world) =>
      world.resources.virtualMachines.patch(
        { namespace, name: "web" },
        { spec: { powerState: "On" } },
        { type: "merge" },
      ),
    task: (world) => world.machine("web")?.status?.lastTaskRef,
    isDone: (world) => world.machine("web")?.status?.powerState === "On",
  },
  {
    method: "CreateSnapshot",
    family: "virtrigaud_vm_snapshot_total",
    counts: { "create mock error": 1, "create mock success": 1 },
    begin: (world) =>
      world.resources.vmSnapshots.create({
        metadata: { name: "it", namespace },
        spec: { vmRef: { name: "web" } },
      } as never),
    task: (world) =>
      /"task":"([^"]+)"/.exec(snapshot(world)?.metadata.annotations?.["almanac.dev/operation"] ?? "")?.[1],
    isDone: (world) => snapshot(world)?.status?.phase === "Ready",
  },
  {
    method: "DeleteSnapshot",
    family: "virtrigaud_vm_snapshot_total",
    counts: { "delete mock error": 1, "delete mock success": 1 },
    begin: (world) => world.resources.vmSnapshots.delete({ namespace, name: "it" }),
    task: (world) =>
      /"task":"([^"]+)"/.exec(snapshot(world)?.metadata.annotations?.["almanac.dev/operation"] ?? "")?.[1],
    isDone: (world) => snapshot(world) === undefined,
  },
];

describe.concurrent("a provider that is started again without its tasks", () => {
  it.each(stories)("has not done $method, which is asked for again and counted as it went", async (story) => {
    const world = await createWorld();
    let mock: MockProvider = await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web", { powerState: "Off" });
    await untilReady(world, "web");
    if (story.method === "DeleteSnapshot") {
      await stories[1]?.begin(world);
      await until("taken", () => stories[1]?.isDone(world));
    }
    await mock.shutdown();
    mock = await world.startMock("lab", { delays: { taskMs: never } });
    const before = await world.samples(story.family);
    await story.begin(world);
    await until("a task", () => story.task(world));
    await mock.shutdown();
    const made = () => effects(world, "lab").filter((method) => method === story.method).length;
    expect(made()).toBe(0);
    await world.startMock("lab", { forgetTasks: true });
    await until("done", () => story.isDone(world));
    expect(made()).toBe(1);
    const after = await world.samples(story.family);
    const counted = Object.entries(after)
      .map(([key, count]) => [key, count - (before[key] ?? 0)] as const)
      .filter(([key, count]) => count > 0 && !key.startsWith("Describe"));
    expect(Object.fromEntries(counted)).toEqual(story.counts);
  });
});
