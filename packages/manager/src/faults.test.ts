import { setTimeout as wait } from "node:timers/promises";
import { createFaultyClient } from "@almanac/kube";
import { aroundEach, describe, expect, it } from "vitest";
import {
  condition,
  createWorld,
  effects,
  hurriedClock,
  isCurrent,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "./world.test.helper.ts";

aroundEach(withOwnWorlds);

const merge = { type: "merge" } as const;
const names = Array.from({ length: 4 }, (_, index) => `web-${index}`);
const slowly = { delays: { taskMs: { min: 50, max: 250 } } };

/** Creates, stops, changes and deletes machines; `during` brings the faults. */
async function live(world: World, during: (round: number) => Promise<void> | void): Promise<void> {
  const { virtualMachines } = world.resources;
  const each = (act: (name: string) => Promise<unknown>) => Promise.all(names.map(act));
  const all = (what: string, test: (name: string) => boolean) => until(what, () => names.every(test), 40_000);
  const patch = (spec: object) =>
    each((name) => virtualMachines.patch({ namespace: "default", name }, { spec }, merge));
  await each((name) => world.addMachine(name));
  await during(0);
  await all("made", (name) => isCurrent(world.machine(name)));
  await patch({ resources: { cpu: 2 } });
  await during(1);
  await all(
    "changed",
    (name) => isCurrent(world.machine(name)) && world.machine(name)?.status?.currentResources?.cpu === 2,
  );
  await patch({ powerState: "Off" });
  await during(2);
  await all("off", (name) => isCurrent(world.machine(name)) && world.machine(name)?.status?.powerState === "Off");
  await each((name) => virtualMachines.delete({ namespace: "default", name }));
  await during(3);
  await all("gone", (name) => world.machine(name) === undefined);
}

/** Nothing lost, nothing doubled: what the hypervisor did is what was asked for, and what was counted. */
async function expectOnce(world: World): Promise<void> {
  const count = (method: string): number => effects(world, "lab").filter((effect) => effect === method).length;
  expect({
    made: count("CreateVM"),
    changed: count("ReconfigureVM"),
    powered: count("PowerVM"),
    gone: count("DeleteVM"),
  }).toEqual({
    made: names.length,
    changed: names.length,
    powered: 2 * names.length,
    gone: names.length,
  });
  const counted = {
    "Create mock lab success": names.length,
    "Reconfigure mock lab success": names.length,
    "Power mock lab success": 2 * names.length,
    "Delete mock lab success": names.length,
  };
  // The answer to the write that lets an object go may still be on its way.
  await until("counted", async () => {
    const operations = await world.samples("virtrigaud_vm_operations_total");
    return Object.entries(counted).every(([key, value]) => (operations[key] ?? 0) >= value);
  });
  expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject(counted);
}

describe.concurrent("machines, while the Kubernetes API", () => {
  it("throttles, fails, loses answers, forgets versions and drops watches, are changed once each", async () => {
    const world = await createWorld();
    await world.startMock("lab", slowly);
    let seed = 291;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const kube = createFaultyClient(world.kube, { random });
    await world.startManager({ kube, clock: hurriedClock });
    await world.addProvider("lab");
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    const faults = [
      kube.inject({ verbs: ["watch"], dropAfterEvents: 12, times: 8 }),
      kube.inject({ verbs: ["watch", "list"], rate: 0.2, error: "gone", times: 4 }),
      kube.inject({ verbs: ["patch", "get"], rate: 0.1, error: "too_many_requests", retryAfterMs: 20, times: 5 }),
      kube.inject({ verbs: ["patch"], rate: 0.1, error: "internal", times: 5 }),
      kube.inject({ verbs: ["patch"], resources: ["virtualmachines"], rate: 0.3, loseAnswer: true, times: 12 }),
      kube.inject({ rate: 0.1, latencyMs: 30 }),
    ];
    await live(world, () => {});
    expect(kube.hits).toBeGreaterThan(10);
    for (const fault of faults) fault[Symbol.dispose]();
    await expectOnce(world);
    // The machine may be slow.
  }, 90_000);

  it("is restarted, are changed once each", async () => {
    const world = await createWorld({ persistent: true });
    await world.startMock("lab", slowly);
    await world.startManager();
    await world.addProvider("lab");
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    await live(world, (round) => (round % 2 === 1 ? wait(60).then(() => world.restartApi(150)) : undefined));
    await expectOnce(world);
  });
});

describe.concurrent("machines, while their provider", () => {
  it("comes and goes, are changed once each", async () => {
    const world = await createWorld();
    const mock = await world.startMock("lab", slowly);
    await world.startManager({ circuitBreaker: { openMs: 200 } });
    await world.addProvider("lab", { healthCheck: { interval: "100ms", timeout: "1s", failureThreshold: 1 } });
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    const effectsOf = (method: string): number => effects(world, "lab").filter((effect) => effect === method).length;
    await live(world, async (round) => {
      if (round % 2 === 0) return;
      await wait(30);
      mock.hypervisor.setOutage(true);
      await wait(80);
      mock.hypervisor.setOutage(false);
    });
    expect(effectsOf("CreateVM")).toBe(names.length);
    expect(effectsOf("DeleteVM")).toBe(names.length);
  });

  it("is restarted without its tasks, are changed once each", async () => {
    const world = await createWorld();
    let mock = await world.startMock("lab", { delays: { taskMs: { min: 300, max: 300 } } });
    await world.startManager();
    await world.addProvider("lab");
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    await live(world, async (round) => {
      if (round % 2 === 1) return;
      await until("a task", () =>
        names.some((name) => {
          const status = world.machine(name)?.status;
          return status?.lastTaskRef !== undefined || status?.reconfigureTaskRef !== undefined;
        }),
      );
      await mock.shutdown();
      mock = await world.startMock("lab", { delays: { taskMs: { min: 100, max: 100 } }, forgetTasks: true });
    });
    await expectOnce(world);
  });
});

describe.concurrent("a machine's object", () => {
  it("may be deleted in every phase, and leaves no machine behind", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: { min: 120, max: 120 }, rpcMs: { min: 10, max: 10 } } });
    await world.startManager();
    await world.addProvider("lab");
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    const delays = [0, 5, 15, 30, 60, 100, 140, 180, 230, 300, 400];
    await Promise.all(
      delays.map(async (delayMs) => {
        const name = `after-${delayMs}`;
        await world.addMachine(name);
        await wait(delayMs);
        await world.resources.virtualMachines.delete({ namespace: "default", name });
      }),
    );
    await until("gone", () => delays.every((delayMs) => world.machine(`after-${delayMs}`) === undefined));
    const count = (method: string): number => effects(world, "lab").filter((effect) => effect === method).length;
    expect(count("CreateVM")).toBe(count("DeleteVM"));
    expect(count("CreateVM")).toBeGreaterThan(3);
  });

  it("may be edited by others in the midst of an operation, which is carried out once", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: { min: 200, max: 200 } } });
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web");
    const stop = new AbortController();
    const editing = (async () => {
      for (let edit = 0; !stop.signal.aborted; edit++) {
        const metadata = { labels: { edit: String(edit) }, annotations: { note: String(edit) } };
        await world.resources.virtualMachines.patch({ namespace: "default", name: "web" }, { metadata }, merge);
        await wait(7);
      }
    })();
    await untilReady(world, "web");
    stop.abort();
    await editing;
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM"]);
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({
      "Create mock lab success": 1,
      "Power mock lab success": 1,
    });
    expect(condition(world.machine("web"), "Ready")?.status).toBe("True");
  });
});
