import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { readCloneJournal } from "../clone/journal.ts";
import { closeWorlds, condition, createWorld, effects, hurriedClock, until, untilReady } from "../world.test.helper.ts";
import { readKept } from "./session.ts";

afterEach(closeWorlds);

const namespace = "default";
const seeds = [7];

describe("all kinds together", () => {
  it.each(seeds)(
    "count what the provider's journal says, whatever fails (seed %i)",
    async (seed) => {
      const failures = { rpcRate: 0.1, taskRate: 0.15, codes: { UNAVAILABLE: 2, INTERNAL: 1, ABORTED: 1 } };
      const world = await createWorld();
      await world.startMock("lab", { seed, delays: { taskMs: { min: 5, max: 60 } }, failures });
      // A breaker that opened would only make it slower.
      const options = { clock: hurriedClock, circuitBreaker: { failureThreshold: 1_000 } };
      let manager = await world.startManager(options);
      await world.addProvider("lab");
      await world.resources.vmImages.create({
        metadata: { name: "fetched", namespace },
        spec: { source: { http: { url: "https://images.example/it.img" } }, prepare: { retries: 10 } },
      } as never);
      const machines = ["a", "b", "c"];
      for (const name of machines) await world.addMachine(name, { imageRef: { name: "fetched" }, powerState: "Off" });
      for (const name of machines) {
        await world.resources.vmSnapshots.create({
          metadata: { name: `${name}-1`, namespace },
          spec: { vmRef: { name } },
        } as never);
        await world.resources.vmSnapshots.create({
          metadata: { name: `${name}-2`, namespace },
          spec: { vmRef: { name } },
        } as never);
        await world.resources.vmClones.create({
          metadata: { name: `${name}-copy`, namespace },
          spec: {
            source: { vmRef: { name } },
            target: { name: `${name}-copy` },
            options: { type: "LinkedClone", retryPolicy: { maxRetries: 10, retryDelay: "50ms", backoffMultiplier: 1 } },
          },
        } as never);
      }
      const snapshot = (name: string) =>
        world.api.store.get("vmsnapshots.infra.virtrigaud.io", namespace, name) as never;
      const clone = (name: string) => world.api.store.get("vmclones.infra.virtrigaud.io", namespace, name) as never;
      await wait(700);
      // Another process goes on wherever this one was.
      await manager.stop();
      manager = await world.startManager(options);
      for (const name of machines) await untilReady(world, name);
      for (const name of machines) {
        await until(`${name}-1`, () => condition(snapshot(`${name}-1`), "Ready")?.status === "True");
        const spec = { snapshot: { revertToRef: { name: `${name}-1` } } };
        await world.resources.virtualMachines.patch({ namespace, name }, { spec }, { type: "merge" });
      }
      await world.resources.vmSnapshots.delete({ namespace, name: "a-2" });
      await world.resources.vmSnapshots.delete({ namespace, name: "b-2" });
      // A clone that is deleted before it is done is not counted.
      await until("c cloned", () => readCloneJournal(clone("c-copy")).done === true);
      await world.resources.vmClones.delete({ namespace, name: "c-copy" });
      for (const name of machines) {
        await until("reverted", () => condition(world.machine(name), "Reverted")?.status === "True");
      }
      for (const name of ["a", "b"]) {
        await until("cloned", () => readCloneJournal(clone(`${name}-copy`)).done === true);
        await until("deleted", () => snapshot(`${name}-2`) === undefined);
      }
      await until("deleted", () => clone("c-copy") === undefined);
      await until("c-2", () => condition(snapshot("c-2"), "Ready")?.status === "True");

      const tally = (method: string) => effects(world, "lab").filter((effect) => effect === method).length;
      const sum = async (family: string, ...labels: string[]) =>
        Object.entries(await world.samples(family))
          .filter(([key]) => labels.every((label) => key.split(" ").includes(label)))
          .reduce((total, [, value]) => total + value, 0);
      expect(await sum("virtrigaud_vm_snapshot_total", "create", "success")).toBe(tally("CreateSnapshot"));
      expect(await sum("virtrigaud_vm_snapshot_total", "revert", "success")).toBe(tally("RevertSnapshot"));
      expect(await sum("virtrigaud_vm_clone_total", "success")).toBe(tally("CloneVM"));
      expect(await sum("virtrigaud_vm_image_prepare_total", "success")).toBe(1);
      expect([tally("PrepareImage"), tally("RevertSnapshot"), tally("DeleteSnapshot")]).toEqual([1, 3, 2]);
      expect(tally("CreateSnapshot")).toBe(6);
      expect(tally("CreateVM")).toBe(3);
      // Every task that failed is one attempt that failed.
      const failed = world.journal("lab").filter(({ kind, result }) => kind === "task" && result !== "success");
      const tasksOf = (method: string) => failed.filter((line) => line.method === method).length;
      expect(await sum("virtrigaud_vm_snapshot_total", "create", "failure")).toBe(tasksOf("CreateSnapshot"));
      expect(await sum("virtrigaud_vm_clone_total", "failure")).toBe(tasksOf("CloneVM"));
      for (const name of ["a-1", "b-1", "c-1"]) expect(readKept(snapshot(name))?.fields).not.toHaveProperty("create");
    },
    60_000,
  );
});
