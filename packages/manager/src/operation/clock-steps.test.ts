import { setTimeout as wait } from "node:timers/promises";
import { PowerOp } from "@almanac/provider";
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
const hourMs = 3_600_000;

async function createLab(mock: Parameters<World["startMock"]>[1]) {
  const world = await createWorld();
  const clock = createSteppingClock();
  const provider = await world.startMock("lab", mock);
  const manager = await world.startManager({ clock });
  // Checked once: a step makes the next check due, or not due for long.
  await world.addProvider("lab", { healthCheck: { interval: "6h", timeout: "2s" } });
  await until("healthy", () => world.provider("lab")?.status?.healthy);
  return { world, clock, provider, manager };
}

const journalOf = (world: World, name = "web") =>
  world.machine(name)?.metadata.annotations?.["almanac.dev/operation"] ?? "";

describe.concurrent("a wall clock that is set", () => {
  it.each([2 * hourMs, -hourMs])(
    "by %i ms in the midst of a task neither ends it nor makes it longer",
    async (stepMs) => {
      const { world, clock } = await createLab({ delays: { taskMs: { min: 3_000, max: 3_000 } } });
      await world.addMachine("web", { powerState: "Off" });
      await until("a task", () => world.machine("web")?.status?.lastTaskRef);
      clock.step(stepMs);
      await untilReady(world, "web");
      const counted = await world.samples("virtrigaud_vm_operations_total");
      expect({ ...counted, "Describe mock lab success": 0 }).toEqual({
        "Create mock lab success": 1,
        "Describe mock lab success": 0,
      });
      const seconds = await createSeconds(world);
      expect(seconds).toBeGreaterThan(2.5);
      expect(seconds).toBeLessThan(60);

      await world.resources.vmSnapshots.create({
        metadata: { name: "it", namespace },
        spec: { vmRef: { name: "web" } },
      } as never);
      const snapshot = () =>
        world.api.store.get("vmsnapshots.infra.virtrigaud.io", namespace, "it") as never as {
          metadata: { annotations?: Record<string, string> };
          status?: { phase?: string };
        };
      await until("a task", () => snapshot()?.metadata.annotations?.["almanac.dev/operation"]?.includes('"task"'));
      clock.step(stepMs);
      await until("taken", () => snapshot().status?.phase === "Ready");
      expect(await world.samples("virtrigaud_vm_snapshot_total")).toEqual({ "create mock success": 1 });
    },
  );

  it("back by an hour does not make the pause after a failed attempt as long", async () => {
    const rates = { CreateVM: { taskRate: 1 } };
    const { world, clock } = await createLab({ delays: { taskMs: { min: 5, max: 5 } }, failures: { methods: rates } });
    await world.addMachine("web", { powerState: "Off" });
    await until("failed", () => condition(world.machine("web"), "Ready")?.reason === "TaskFailed");
    expect(journalOf(world)).toContain('"failures"');
    clock.step(-hourMs);
    rates.CreateVM.taskRate = 0;
    await untilReady(world, "web");
    expect(effects(world, "lab")).toEqual(["CreateVM"]);
  });

  it("forwards by two hours leaves a guest the time it has to shut down", async () => {
    const { world, clock, provider } = await createLab({});
    const powers: PowerOp[] = [];
    // A guest that never turns off, and a provider that does not help it.
    await startFront(world, provider, (client) => ({
      powerVM(request) {
        powers.push(request.op);
        return request.op === PowerOp.SHUTDOWN_GRACEFUL ? Promise.resolve({}) : client.powerVM(request);
      },
    }));
    await world.addMachine("web", { lifecycle: { gracefulShutdownTimeout: "2s" } });
    await untilReady(world, "web");
    powers.length = 0;
    const spec = { powerState: "OffGraceful" };
    await world.resources.virtualMachines.patch({ namespace, name: "web" }, { spec }, { type: "merge" });
    await until("asked", () => journalOf(world).includes('"shutdownAtMs"'));
    clock.step(2 * hourMs);
    // In which a guest that had no time left would have been switched off.
    await wait(1_000);
    expect(powers).toEqual([PowerOp.SHUTDOWN_GRACEFUL]);
    await until("off", () => world.machine("web")?.status?.powerState === "Off");
    // Once, and then by force.
    expect(powers).toEqual([PowerOp.SHUTDOWN_GRACEFUL, PowerOp.OFF]);
  });
});

/** Seconds that the creation took, as its histogram has it. */
async function createSeconds(world: World): Promise<number> {
  const page = await (await fetch(`${world.telemetry.metricsUrl}/metrics`)).text();
  const sum = /^virtrigaud_vm_operations_duration_seconds_sum\{[^}]*operation="Create"[^}]*\} (\S+)$/m.exec(page);
  return Number(sum?.[1]);
}
