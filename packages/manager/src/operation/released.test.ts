import { done } from "@almanac/controller";
import { systemClock, silentLogger } from "@almanac/core";
import { createNoopTelemetry } from "@almanac/telemetry";
import { afterEach, describe, expect, it } from "vitest";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { finalizer, snapshotJournal } from "../snapshot/journal.ts";
import { closeWorlds, createWorld } from "../world.test.helper.ts";
import { createFramedReconciler } from "./frame.ts";
import { createReleased } from "./released.ts";
import { createSession } from "./session.ts";

afterEach(closeWorlds);

describe("an object that was released", () => {
  it("is not gone on with, and nothing counted again, while a cache still has it", async () => {
    const { resources } = await createWorld();
    const key = { namespace: "default", name: "it" };
    await resources.vmSnapshots.create({
      metadata: { ...key, finalizers: [finalizer] },
      spec: { vmRef: { name: "web" } },
    } as never);
    await resources.vmSnapshots.delete(key);
    const cached = await resources.vmSnapshots.get(key);
    const manager = {
      telemetry: createNoopTelemetry(),
      clock: systemClock,
      released: createReleased(),
      events: { record() {} },
    };
    const context = {
      signal: new AbortController().signal,
      logger: silentLogger,
      assertCurrent() {},
      // A kube-apiserver answers what deletes an object with the version of before.
      observe() {},
    };
    let counted = 0;
    const reconcile = createFramedReconciler<VMSnapshot>(
      manager as never,
      { get: () => cached } as never,
      (object) => ({
        object,
        async run() {
          const kind = snapshotJournal({ virtualMachines: {} } as never);
          const session = createSession(manager as never, resources.vmSnapshots, kind, object, context as never);
          session.afterCommit(() => (counted += 1));
          await session.commit({ release: true });
          return done();
        },
        commit: () => Promise.resolve(),
        writeStatus: () => Promise.resolve(),
      }),
    );
    await reconcile(key, context as never);
    expect(counted).toBe(1);
    await expect(resources.vmSnapshots.find(key)).resolves.toBeUndefined();
    await reconcile(key, context as never);
    expect(counted).toBe(1);
  });
});

describe("createReleased", () => {
  it("forgets the oldest of very many", () => {
    const released = createReleased();
    for (let number = 0; number <= 10_000; number++) released.add(`${number}`);
    expect([released.has("0"), released.has("1"), released.has("10000")]).toEqual([false, true, true]);
  });
});
