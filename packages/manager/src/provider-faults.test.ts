import { setTimeout as wait } from "node:timers/promises";
import { ProviderError } from "@almanac/provider";
import type { ProviderClient, ProviderHandlers } from "@almanac/provider";
import { aroundEach, describe, expect, it } from "vitest";
import {
  condition,
  createWorld,
  effects,
  isReady,
  startFront,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "./world.test.helper.ts";

aroundEach(withOwnWorlds);

const count = (world: World, provider: string, method: string): number =>
  effects(world, provider).filter((effect) => effect === method).length;

describe.concurrent("a provider that hangs", () => {
  it("is given up by its health check, holds no other one up, and loses nothing", async () => {
    const world = await createWorld();
    let hangs = false;
    let swallowed = 0;
    const mock = await world.startMock("lab");
    await startFront(world, mock, (client) => {
      const hang = async (signal: AbortSignal): Promise<void> => {
        if (!hangs) return;
        swallowed += 1;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        throw new ProviderError("CANCELLED", "given up");
      };
      return {
        validate: (request, { signal }) => hang(signal).then(() => client.validate(request)),
        createVM: (request, { signal }) => hang(signal).then(() => client.createVM(request)),
      };
    });
    await world.startMock("other");
    await world.startManager({
      concurrency: 2,
      circuitBreaker: { failureThreshold: 4, openMs: 300, halfOpenCalls: 1 },
    });
    await world.addProvider("lab", { healthCheck: { interval: "100ms", timeout: "150ms", failureThreshold: 2 } });
    await world.addProvider("other");
    for (const name of ["lab", "other"]) await until("healthy", () => world.provider(name)?.status?.healthy);

    hangs = true;
    const names = Array.from({ length: 4 }, (_, index) => `web-${index}`);
    for (const name of names) await world.addMachine(name);
    await until("every worker held", () => swallowed >= 2);
    await world.addMachine("elsewhere", { providerRef: { name: "other", namespace: "default" } });
    // The method's own deadline is five minutes.
    await untilReady(world, "elsewhere");
    expect(isReady(world.provider("other"))).toBe(true);
    expect(world.provider("lab")?.status?.healthy).toBe(false);
    await until("open", async () => (await world.samples("virtrigaud_circuit_breaker_state"))["mock lab"] === 2);
    await until("said", () => condition(world.provider("lab"), "Ready")?.reason === "CircuitOpen");
    expect(condition(world.provider("lab"), "Ready")?.message).toContain("no answer in time");

    hangs = false;
    for (const name of names) await untilReady(world, name);
    expect(count(world, "lab", "CreateVM")).toBe(names.length);
    const operations = await world.samples("virtrigaud_vm_operations_total");
    expect(operations["Create mock lab success"]).toBe(names.length);
    // What was given up was an attempt each.
    expect(operations["Create mock lab error"]).toBeGreaterThanOrEqual(2);
    expect(Object.keys(operations).filter((key) => / other (error|failure)/.test(key))).toEqual([]);
  });
});

describe.concurrent("a provider whose requests hang while its health checks pass", () => {
  it("holds no worker of the others, whose machines are made meanwhile, and loses nothing", async () => {
    const world = await createWorld();
    const released = Promise.withResolvers<void>();
    let hanging = 0;
    let most = 0;
    const mock = await world.startMock("lab");
    await startFront(world, mock, (client) => ({
      async createVM(request) {
        most = Math.max(most, ++hanging);
        await released.promise;
        hanging -= 1;
        return client.createVM(request);
      },
    }));
    await world.startMock("other");
    await world.startManager({ concurrency: 2 });
    for (const name of ["lab", "other"]) {
      await world.addProvider(name);
      await until("healthy", () => world.provider(name)?.status?.healthy);
    }
    const names = Array.from({ length: 20 }, (_, index) => `web-${index}`);
    for (const name of names) await world.addMachine(name);
    await until("every worker held", () => hanging >= 2);
    const others = names.map((name) => `other-${name}`);
    for (const name of others) await world.addMachine(name, { providerRef: { name: "other", namespace: "default" } });
    // The method's own deadline is five minutes.
    for (const name of others) await untilReady(world, name);
    // As many wait for an answer as there are workers, and as many more may have begun meanwhile.
    expect(most).toBeLessThanOrEqual(4);
    expect(hanging).toBe(most);
    expect(world.provider("lab")?.status?.healthy).toBe(true);

    released.resolve();
    for (const name of names) await untilReady(world, name);
    expect([count(world, "lab", "CreateVM"), count(world, "other", "CreateVM")]).toEqual([names.length, names.length]);
    // Put off is neither failed nor unwell.
    expect(await world.samples("virtrigaud_errors_total")).toEqual({});
    const reconciles = await world.samples("virtrigaud_manager_reconcile_total");
    expect(Object.keys(reconciles).filter((key) => !key.endsWith(" success"))).toEqual([]);
  });
});

/** What the provider says instead of the truth while it lies, and what a person reads then. */
const lies: readonly {
  readonly lie: string;
  readonly instead: (client: ProviderClient, isLying: () => boolean) => Partial<ProviderHandlers>;
  /** Undefined for one that is seen through at once. */
  readonly reads: RegExp | undefined;
}[] = [
  {
    lie: "names tasks that nobody knows",
    instead: (client, isLying) => ({
      async createVM(request) {
        const answer = await client.createVM(request);
        return isLying() ? { id: answer.id, task: { id: "task-of-nobody" } } : answer;
      },
      taskStatus: async (request) => {
        if (isLying()) throw new ProviderError("NOT_FOUND", `there is no task ${request.task?.id}`);
        return client.taskStatus(request);
      },
    }),
    reads: undefined,
  },
  {
    lie: "gives no id",
    instead: (client, isLying) => ({
      createVM: async (request) => (isLying() ? { id: "" } : client.createVM(request)),
    }),
    reads: /the provider gave the machine no id/,
  },
  {
    lie: "gives the id of another machine",
    instead: (client, isLying) => ({
      async createVM(request) {
        const [other] = (await client.listVMs({})).vms;
        return isLying() ? { id: other?.id ?? "" } : client.createVM(request);
      },
    }),
    reads: /the id .* is that of VirtualMachine default\/first/,
  },
  {
    lie: "describes a power state that there is not, and no JSON",
    instead: (client, isLying) => ({
      async describeVM(request) {
        const answer = await client.describeVM(request);
        return isLying() ? { ...answer, powerState: "levitating", providerRawJson: "{not json" } : answer;
      },
    }),
    reads: /the power state "levitating"; the machine is left alone/,
  },
  {
    lie: "fails in ways that are not in its contract",
    instead: (client, isLying) => ({
      async createVM(request) {
        if (isLying()) throw new TypeError("Unexpected token < in JSON at position 0");
        return client.createVM(request);
      },
    }),
    reads: /INTERNAL/,
  },
];

describe.concurrent("a provider that", () => {
  it.each(lies)("$lie, harms no machine, and is believed when it tells the truth", async ({ instead, reads }) => {
    const world = await createWorld();
    let lying = false;
    const mock = await world.startMock("lab");
    await startFront(world, mock, (client) => instead(client, () => lying));
    await world.startManager({ describeIntervalMs: 300 });
    await world.addProvider("lab");
    await world.addMachine("first");
    const { id } = (await untilReady(world, "first")).status ?? {};

    lying = true;
    await world.addMachine("web");
    if (reads === undefined) await untilReady(world, "web");
    else {
      await until("said", () => reads.test(condition(world.machine("web"), "Ready")?.message ?? ""));
      expect(isReady(world.machine("web"))).toBe(false);
    }
    await wait(300);
    lying = false;
    const web = await untilReady(world, "web");
    expect(web.status?.id).toBeTruthy();
    expect(web.status?.id).not.toBe(id);
    expect({ made: count(world, "lab", "CreateVM"), powered: count(world, "lab", "PowerVM") }).toEqual({
      made: 2,
      powered: 2,
    });
    // The other one was left alone, and goes alone.
    expect((await untilReady(world, "first")).status).toMatchObject({ id, powerState: "On" });
    await world.resources.virtualMachines.delete({ namespace: "default", name: "web" });
    await until("gone", () => world.machine("web") === undefined);
    expect(count(world, "lab", "DeleteVM")).toBe(1);
    expect(isReady(world.machine("first"))).toBe(true);
    const errors = await world.samples("virtrigaud_errors_total");
    expect(errors["Internal manager"]).toBeUndefined();
  });
});
