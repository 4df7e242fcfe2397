import { createProviderClient } from "@almanac/provider";
import type { MockProvider } from "@almanac/provider-mock";
import { createNoopTelemetry } from "@almanac/telemetry";
import { aroundEach, describe, expect, it } from "vitest";
import {
  condition,
  createWorld,
  effects,
  isCurrent,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const key = { namespace: "default", name: "web" };
const merge = { type: "merge" } as const;

/** The one machine of a mock, as the provider tells. */
async function onlyMachine(mock: MockProvider) {
  using client = createProviderClient({ address: mock.address, tls: "insecure", telemetry: createNoopTelemetry() });
  const { vms } = await client.listVMs({});
  expect(vms).toHaveLength(1);
  return vms[0] as (typeof vms)[number];
}

const rpcs = (world: World, method: string): number =>
  world.journal("lab").filter((line) => line.kind === "rpc" && line.method === method).length;

async function createReady(spec: Parameters<World["addMachine"]>[1] = {}) {
  const world = await createWorld();
  const mock = await world.startMock("lab");
  await world.startManager();
  // Checked once: what it reports can be changed by hand after that.
  await world.addProvider("lab", { healthCheck: { interval: "1h", timeout: "2s" } });
  await world.addMachine("web", spec);
  await untilReady(world, "web");
  return { world, mock };
}

describe.concurrent("a machine's life", () => {
  it("ends a graceful stop once, by force after its time", async () => {
    const { world, mock } = await createReady();
    await mock.shutdown();
    // A guest that does not care: its provider cuts the power at the limit it was given.
    await world.startMock("lab", { delays: { taskMs: { min: 60_000, max: 60_000 } } });
    const spec = { powerState: "OffGraceful", lifecycle: { gracefulShutdownTimeout: "1s" } } as const;
    await world.resources.virtualMachines.patch(key, { spec }, merge);
    await until("off", () => isCurrent(world.machine("web")) && world.machine("web")?.status?.powerState === "Off");
    // On, and the graceful stop: neither was sent again.
    expect(rpcs(world, "PowerVM")).toBe(2);
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({ "Power mock lab success": 2 });
  });

  it("changes a running machine's shape, and grows its disks", async () => {
    const { world, mock } = await createReady({ disks: [{ name: "data", sizeGiB: 10 }] });
    await world.resources.virtualMachines.patch(
      key,
      { spec: { resources: { cpu: 3 }, disks: [{ name: "data", sizeGiB: 25 }] } },
      merge,
    );
    await until("changed", () => isCurrent(world.machine("web")));
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "ReconfigureVM"]);
    const { cpu, disks, powerState } = await onlyMachine(mock);
    expect({ cpu, sizes: disks.map(({ sizeGib }) => sizeGib), powerState }).toMatchObject({ cpu: 3, powerState: "On" });
    expect(disks.map(({ sizeGib }) => sizeGib)).toContain(25);
    expect(condition(world.machine("web"), "Reconfigured")?.status).toBe("True");
  });

  it("says that a disk cannot shrink, and changes nothing", async () => {
    const { world, mock } = await createReady({ disks: [{ name: "data", sizeGiB: 10 }] });
    await world.resources.virtualMachines.patch(key, { spec: { disks: [{ name: "data", sizeGiB: 5 }] } }, merge);
    await until("refused", () => condition(world.machine("web"), "Reconfigured")?.status === "False");
    expect((await onlyMachine(mock)).disks.map(({ sizeGib }) => sizeGib)).toContain(10);
    expect(condition(world.machine("web"), "Ready")?.reason).toBe("InvalidSpec");
  });

  it("stops a machine to change it where the provider cannot do so while it runs, and starts it again", async () => {
    const { world, mock } = await createReady();
    const reportedCapabilities = {
      ...world.provider("lab")?.status?.reportedCapabilities,
      supportsReconfigureOnline: false,
    };
    await world.resources.providers.patch(
      { namespace: "default", name: "lab" },
      { status: { reportedCapabilities } },
      { ...merge, subresource: "status" },
    );
    await world.resources.virtualMachines.patch(key, { spec: { resources: { cpu: 4 } } }, merge);
    await until(
      "changed",
      () => isCurrent(world.machine("web")) && world.machine("web")?.status?.currentResources?.cpu === 4,
    );
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "PowerVM", "ReconfigureVM", "PowerVM"]);
    expect(await onlyMachine(mock)).toMatchObject({ cpu: 4, powerState: "On" });
  });

  it("takes over a machine that belongs to nobody, only when asked to, and leaves its shape alone", async () => {
    const world = await createWorld();
    const mock = await world.startMock("lab");
    using client = createProviderClient({ address: mock.address, tls: "insecure", telemetry: createNoopTelemetry() });
    const { id } = await client.createVM({ name: "web", classJson: JSON.stringify({ CPU: 7, MemoryMiB: 512 }) });
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web");
    await until("refused", () => condition(world.machine("web"), "Ready")?.reason === "AlreadyExists");
    await world.resources.virtualMachines.patch(
      key,
      { metadata: { annotations: { "virtrigaud.io/adopt": "true" } } },
      merge,
    );
    const adopted = await untilReady(world, "web");
    expect(adopted.status?.id).toBe(id);
    expect(effects(world, "lab")).toEqual(["CreateVM", "Adopt", "PowerVM"]);
    expect((await onlyMachine(mock)).cpu).toBe(7);
  });

  it("gives a machine up without asking its provider when its deletion is forced", async () => {
    const { world, mock } = await createReady();
    await mock.shutdown();
    await world.resources.virtualMachines.delete(key);
    await world.resources.virtualMachines.patch(
      key,
      { metadata: { annotations: { "virtrigaud.io/force-delete": "true" } } },
      merge,
    );
    await until("gone", () => world.machine("web") === undefined);
    expect(effects(world, "lab")).not.toContain("DeleteVM");
  });

  it("waits for a Secret without asking again, and goes on when it appears", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web", { userData: { cloudInit: { secretRef: { name: "seed" } } } });
    await until("missing", () => condition(world.machine("web"), "Ready")?.reason === "DependencyNotFound");
    const data = { "user-data": Buffer.from("#cloud-config\n").toString("base64") };
    await world.resources.secrets.create({ metadata: { namespace: "default", name: "seed" }, data });
    await until("made", () => effects(world, "lab").includes("CreateVM"), 3_000);
    await untilReady(world, "web");
  });

  it("does not let a Provider's rate limit hold up machines of another one", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startMock("slow");
    await world.startManager({ concurrency: 1 });
    await world.addProvider("lab");
    await world.addProvider("slow", { rateLimit: { qps: 1, burst: 1 } });
    for (const name of ["lab", "slow"]) await until("healthy", () => world.provider(name)?.status?.healthy);
    const providerRef = { name: "slow", namespace: "default" };
    for (let index = 0; index < 8; index++) await world.addMachine(`slow-${index}`, { providerRef });
    await until("limited", () => effects(world, "slow").includes("CreateVM"));
    await world.addMachine("web");
    await until("ready", () => isCurrent(world.machine("web")), 1_500);
    expect(effects(world, "slow").length).toBeLessThan(4);
    expect((await world.samples("virtrigaud_errors_total"))["Internal manager"]).toBeUndefined();
    // A place in the queue is kept: the next one gets through in its turn.
    await until("next", () => effects(world, "slow").length >= 2, 3_000);
  });
});
