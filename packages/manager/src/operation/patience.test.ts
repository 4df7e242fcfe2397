import { aroundEach, describe, expect, it } from "vitest";
import {
  condition,
  createWorld,
  effects,
  startFront,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "../world.test.helper.ts";
import { createSteppingClock } from "./stepping-clock.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const never = { min: 100_000_000, max: 100_000_000 };
const hourMs = 3_600_000;

/** Its provider has been asked for the task once more, and what it said is known. */
async function untilAsked(world: World): Promise<void> {
  const asked = () => world.journal("lab").filter(({ method }) => method === "TaskStatus").length;
  const before = asked();
  await until("asked twice", () => asked() >= before + 2);
}

describe.concurrent("a task that does not end", () => {
  it("is given up after an hour, of a machine", async () => {
    const world = await createWorld();
    const clock = createSteppingClock();
    await world.startMock("lab", { delays: { taskMs: never } });
    // What is not about tasks has all the time in the world.
    await world.startManager({ clock, startGraceMs: 10 * hourMs });
    await world.addProvider("lab", { healthCheck: { interval: "6h", timeout: "2s" } });
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    await world.addMachine("web", { powerState: "Off" });
    await until("a task", () => world.machine("web")?.status?.lastTaskRef);
    clock.skip(hourMs - 60_000);
    await untilAsked(world);
    expect((await world.samples("virtrigaud_vm_operations_total"))["Create mock lab error"]).toBeUndefined();
    clock.skip(60_000);
    await until("given up", () => condition(world.machine("web"), "Ready")?.reason === "Timeout");
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({ "Create mock lab error": 1 });
    expect((await world.samples("virtrigaud_errors_total"))["Timeout manager"]).toBe(1);
  });

  it("is given up after the time of its specification, of an image", async () => {
    const world = await createWorld();
    const clock = createSteppingClock();
    await world.startMock("lab", { delays: { taskMs: never } });
    // What is not about tasks has all the time in the world.
    await world.startManager({ clock, startGraceMs: 10 * hourMs });
    await world.addProvider("lab", { healthCheck: { interval: "6h", timeout: "2s" } });
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    await world.resources.vmImages.create({
      metadata: { name: "it", namespace },
      spec: { source: { http: { url: "https://images.example/it.img" } }, prepare: { timeout: "10m", retries: 0 } },
    } as never);
    await world.addMachine("web", { imageRef: { name: "it", namespace } });
    const image = () => world.api.store.get("vmimages.infra.virtrigaud.io", namespace, "it") as never;
    await until("a task", () => JSON.stringify(image() ?? {}).includes(String.raw`\"task\"`));
    clock.skip(9 * 60_000);
    await untilAsked(world);
    expect(await world.samples("virtrigaud_vm_image_prepare_total")).toEqual({});
    clock.skip(60_000);
    await until("given up", async () => (await world.samples("virtrigaud_vm_image_prepare_total"))["mock error"] === 1);
    expect((await world.samples("virtrigaud_errors_total"))["Timeout manager"]).toBe(1);
  });
});

describe.concurrent("a machine's object", () => {
  it("stays while the machine is still there after its deletion", async () => {
    const world = await createWorld();
    const mock = await world.startMock("lab");
    let isDeaf = true;
    // A provider that says that it is done before it is.
    await startFront(world, mock, (client) => ({
      deleteVM: (request) => (isDeaf ? Promise.resolve({}) : client.deleteVM(request)),
    }));
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web", { powerState: "Off" });
    await untilReady(world, "web");
    await world.resources.virtualMachines.delete({ namespace, name: "web" });
    await until("noticed", () => condition(world.machine("web"), "Ready")?.message.includes("still exists"));
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({ "Delete mock lab failure": 1 });
    isDeaf = false;
    await until("gone", () => world.machine("web") === undefined);
    expect(effects(world, "lab")).toEqual(["CreateVM", "DeleteVM"]);
  });
});
