import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { LogFields, Logger } from "@almanac/core";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import type { SpanProcessor } from "@opentelemetry/sdk-trace";
import { createProviderClient } from "@almanac/provider";
import type { JournalLine } from "@almanac/provider-mock";
import { createNoopTelemetry } from "@almanac/telemetry";
import { createTestPki, createVirtualClock, writeTestCertificate } from "@almanac/testkit";
import { aroundEach, describe, expect, it } from "vitest";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import { startManager } from "./manager.ts";
import {
  clientOf,
  closedAddress,
  condition,
  createWorld,
  effects,
  eventsOf,
  isCurrent,
  isReady,
  startProxy,
  until,
  untilReady,
  withOwnWorlds,
} from "./world.test.helper.ts";

aroundEach(withOwnWorlds);

/** Time that stands still, and a question that lets it pass until the answer is yes. */
function createTime() {
  const clock = createVirtualClock();
  const inTime = (what: string, ask: () => unknown): Promise<unknown> =>
    until(what, async () => {
      if (await ask()) return true;
      await clock.advance(2_500);
      return false;
    });
  return { clock, inTime };
}

describe.concurrent("startManager", () => {
  it("makes a machine over mutual TLS, powers it on and finds its address", async () => {
    const world = await createWorld();
    const pki = await createTestPki();
    const server = await writeTestCertificate(
      join(world.folder, "server"),
      await pki.issue({ sans: ["virtrigaud-provider-default-lab.default.svc"] }),
    );
    const client = await writeTestCertificate(join(world.folder, "client"), await pki.issue());
    await world.startMock("lab", {
      tls: server,
      delays: { taskMs: { min: 20, max: 20 }, ipMs: { min: 250, max: 250 } },
    });
    await world.startManager({ tls: client });
    await world.addProvider("lab", { runtime: { image: "almanac/provider-mock:0.1.0" } });
    await world.addMachine("web", { tags: ["blue"], disks: [{ name: "data", sizeGiB: 5 }] });
    const versions: VirtualMachine[] = [];
    await until("address", () => {
      const now = world.machine("web");
      if (now !== undefined && versions.at(-1)?.metadata.resourceVersion !== now.metadata.resourceVersion)
        versions.push(now);
      return now?.status?.ips?.length === 1;
    });

    const machine = world.machine("web");
    expect(machine?.status).toMatchObject({
      phase: "Running",
      powerState: "On",
      currentResources: { cpu: 1, memoryMiB: 1024 },
      consoleURL: `mock://console/${machine?.status?.id}`,
    });
    expect(condition(machine, "Provisioned")?.status).toBe("True");
    expect(machine?.status).not.toHaveProperty("lastTaskRef");
    expect(machine?.metadata.finalizers).toEqual(["virtualmachine.infra.virtrigaud.io/finalizer"]);
    const underway = versions.filter(({ metadata }) =>
      metadata.annotations?.["almanac.dev/operation"]?.includes('"attempt"'),
    );
    expect(underway.length).toBeGreaterThan(0);
    for (const { metadata } of underway) expect(metadata.annotations?.["almanac.dev/traceparent"]).toMatch(/^00-/);
    await until(
      "count",
      async () => (await world.samples("virtrigaud_ip_discovery_duration_seconds_count"))["mock"] === 1,
    );
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({
      "Create mock lab success": 1,
      "Power mock lab success": 1,
    });
    expect((await world.samples("virtrigaud_ip_discovery_duration_seconds_sum"))["mock"]).toBeGreaterThan(0.25);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({});
    expect(condition(world.provider("lab"), "Ready")).toMatchObject({ status: "True", reason: "Healthy" });
    expect(condition(world.provider("lab"), "TLSReady")).toMatchObject({ status: "False", reason: "SecretIncomplete" });
  });

  it("needs five writes from a new object to a ready one when nothing takes time", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    world.writes.length = 0;
    await world.addMachine("web");
    await untilReady(world, "web");
    const own = world.writes.filter((line) => line.startsWith("PATCH") && line.includes("/virtualmachines/web"));
    // One of them says which machine it is before its journal does.
    expect(own).toHaveLength(5);
  });

  it("follows the power state, the class and the end of an object", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: { min: 5, max: 5 } } });
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web");
    const { status } = await untilReady(world, "web");
    const key = { namespace: "default", name: "web" };
    const { virtualMachines, vmClasses } = world.resources;

    await virtualMachines.patch(key, { spec: { powerState: "OffGraceful" } }, { type: "merge" });
    await until("off", () => isCurrent(world.machine("web")) && world.machine("web")?.status?.powerState === "Off");
    expect(world.machine("web")?.status?.phase).toBe("Stopped");
    await virtualMachines.patch(key, { spec: { powerState: "On" } }, { type: "merge" });
    await until("on", () => isCurrent(world.machine("web")) && world.machine("web")?.status?.powerState === "On");
    await virtualMachines.patch(key, { spec: { powerState: "Off" } }, { type: "merge" });
    await until("off", () => isCurrent(world.machine("web")) && world.machine("web")?.status?.powerState === "Off");

    await vmClasses.patch({ namespace: "default", name: "small" }, { spec: { cpu: 3 } }, { type: "merge" });
    await until("three processors", () => world.machine("web")?.status?.currentResources?.cpu === 3);
    expect(condition(world.machine("web"), "Reconfigured")?.status).toBe("True");
    expect(world.machine("web")?.status?.lastReconfigureTime).toBeDefined();

    await virtualMachines.delete(key);
    await until("gone", () => world.machine("web") === undefined);
    expect(effects(world, "lab")).toEqual([
      "CreateVM",
      "PowerVM",
      "PowerVM",
      "PowerVM",
      "PowerVM",
      "ReconfigureVM",
      "DeleteVM",
    ]);
    expect(world.journal("lab").filter(({ kind, vm }) => kind === "effect" && vm !== status?.id)).toEqual([]);
    const counts = await world.samples("virtrigaud_vm_operations_total");
    expect(counts).toMatchObject({
      "Create mock lab success": 1,
      "Power mock lab success": 4,
      "Reconfigure mock lab success": 1,
      "Delete mock lab success": 1,
    });
    const described = world.journal("lab").filter(({ kind, method }) => kind === "rpc" && method === "DescribeVM");
    expect(counts["Describe mock lab success"]).toBe(described.length);
    expect(await world.samples("virtrigaud_vm_reconfigure_total")).toEqual({ "mock success": 1 });
  });

  it("counts a task that fails as one failure and tries again", async () => {
    const world = await createWorld();
    const rates = { CreateVM: { taskRate: 1 } };
    await world.startMock("lab", { delays: { taskMs: { min: 5, max: 5 } }, failures: { methods: rates } });
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web");
    await until("failed", () => world.machine("web")?.status?.phase === "Failed");
    expect(condition(world.machine("web"), "Ready")).toMatchObject({ status: "False", reason: "TaskFailed" });
    rates.CreateVM.taskRate = 0;
    await untilReady(world, "web");
    const failedTasks = world.journal("lab").filter(({ kind, result }) => kind === "task" && result !== "success");
    const counts = await world.samples("virtrigaud_vm_operations_total");
    expect(counts).toMatchObject({ "Create mock lab failure": failedTasks.length, "Create mock lab success": 1 });
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "TaskFailed manager": failedTasks.length });
    expect((await world.samples("virtrigaud_manager_reconcile_total"))["VirtualMachine failure"]).toBe(
      failedTasks.length,
    );
  });

  it("waits for what an object names, says so once, and goes on when it appears", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web", { classRef: { name: "huge" } });
    await until("missing", () => condition(world.machine("web"), "Ready")?.reason === "DependencyNotFound");
    expect(condition(world.machine("web"), "Ready")?.message).toContain("VMClass default/huge does not exist");
    await world.resources.virtualMachines.patch(
      { namespace: "default", name: "web" },
      { metadata: { annotations: { note: "another reconcile" } } },
      { type: "merge" },
    );
    await world.resources.vmClasses.create({
      metadata: { name: "huge", namespace: "default" },
      spec: { cpu: 8, memory: "64Gi" },
    } as never);
    expect((await untilReady(world, "web")).status?.currentResources).toEqual({ cpu: 8, memoryMiB: 65_536 });
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "DependencyNotFound manager": 1 });
  });

  it("makes a machine again that vanished from its hypervisor", async () => {
    const world = await createWorld();
    const mock = await world.startMock("lab");
    await world.startManager({ describeIntervalMs: 50 });
    await world.addProvider("lab");
    await world.addMachine("web");
    const first = (await untilReady(world, "web")).status?.id as string;
    using client = createProviderClient({ address: mock.address, tls: "insecure", telemetry: createNoopTelemetry() });
    await client.deleteVM({ id: first });
    await until("noticed", () => condition(world.machine("web"), "Ready")?.reason === "Vanished");
    const second = (await untilReady(world, "web")).status?.id;
    expect(second).not.toBe(first);
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM", "DeleteVM", "CreateVM", "PowerVM"]);
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({ "Create mock lab success": 2 });
  });

  it("finds a provider that was not there, and one of two without the other", async () => {
    const world = await createWorld();
    const reserved = createServer().listen(0, "127.0.0.1");
    await until("listening", () => reserved.listening);
    const { port } = reserved.address() as AddressInfo;
    await new Promise((resolve) => reserved.close(resolve));
    world.endpoints.set("default/lab", `127.0.0.1:${port}`);
    await world.startMock("other");
    await world.startManager({ startGraceMs: 50 });
    await world.addProvider("lab", { healthCheck: { interval: "1h", timeout: "1s" } });
    await world.addProvider("other");
    await world.addMachine("web");
    await world.addMachine("elsewhere", { providerRef: { name: "other" } });
    await until("refused", () => condition(world.provider("lab"), "Ready")?.reason === "ConnectionFailed");
    await untilReady(world, "elsewhere");
    expect(condition(world.machine("web"), "Ready")?.reason).toBe("ProviderNotReady");
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "ConnectionFailed manager": 1 });
    // Long before the next check: the port is looked at.
    await world.startMock("lab", { port });
    await untilReady(world, "web");
    expect(isReady(world.provider("lab"))).toBe(true);
  });

  it("names a certificate that does not fit", async () => {
    const world = await createWorld();
    const [pki, stranger] = [await createTestPki(), await createTestPki()];
    const files = async (name: string, from: typeof pki, sans: string[]) =>
      writeTestCertificate(join(world.folder, name), await from.issue({ sans }));
    const host = (name: string) => `virtrigaud-provider-default-${name}.default.svc`;
    await world.startMock("lab", { tls: await files("strange", stranger, [host("lab")]) });
    await world.startMock("misnamed", { tls: await files("misnamed", pki, ["elsewhere.example"]) });
    await world.startManager({ tls: await files("client", pki, ["manager"]) });
    const runtime = { image: "almanac/provider-mock:0.1.0" };
    await world.addProvider("lab", { runtime });
    await world.addProvider("misnamed", { runtime });
    for (const name of ["lab", "misnamed"]) {
      const ready = await until(name, () => condition(world.provider(name), "Ready"));
      expect(ready).toMatchObject({ status: "False", reason: "TLSError" });
    }
    expect((await world.samples("virtrigaud_errors_total"))["TLSError manager"]).toBeGreaterThanOrEqual(2);
  });

  it("opens the circuit breaker of a provider that is not well, and closes it when it is", async () => {
    const world = await createWorld();
    const { clock, inTime } = createTime();
    const mock = await world.startMock("lab");
    await world.startManager({ clock, circuitBreaker: { failureThreshold: 3, openMs: 60_000, halfOpenCalls: 1 } });
    await world.addProvider("lab", { healthCheck: { interval: "10s", timeout: "5s", failureThreshold: 2 } });
    await inTime("healthy", () => world.provider("lab")?.status?.healthy);
    expect(await world.samples("virtrigaud_circuit_breaker_state")).toEqual({});
    mock.hypervisor.setOutage(true);
    await inTime("open", async () => (await world.samples("virtrigaud_circuit_breaker_state"))["mock lab"] === 2);
    expect(world.provider("lab")?.status?.healthy).toBe(false);
    expect((await world.samples("virtrigaud_circuit_breaker_failures_total"))["mock lab"]).toBe(3);
    expect((await world.samples("virtrigaud_errors_total"))["HypervisorError manager"]).toBe(3);
    await until("refused", () => condition(world.provider("lab"), "Ready")?.reason === "CircuitOpen");
    mock.hypervisor.setOutage(false);
    await inTime(
      "closed",
      async () => (await world.samples("virtrigaud_circuit_breaker_state"))["mock lab"] === undefined,
    );
    await inTime("healthy again", () => isReady(world.provider("lab")));
  });

  it("sends nothing, and counts and says nothing more, while a circuit is open", async () => {
    const world = await createWorld();
    const lines: LogLine[] = [];
    world.endpoints.set("default/lab", await closedAddress());
    const { clock, inTime } = createTime();
    await world.startManager({
      clock,
      circuitBreaker: { failureThreshold: 2, openMs: 60_000, halfOpenCalls: 1 },
      startGraceMs: 0,
      telemetry: { ...world.telemetry, logger: loggerInto(lines) },
    });
    await world.addProvider("lab", { healthCheck: { interval: "10s", timeout: "1s" } });
    const state = async () => (await world.samples("virtrigaud_circuit_breaker_state"))["mock lab"] ?? 0;
    await inTime("open", async () => (await state()) === 2);
    await until("said", () => condition(world.provider("lab"), "Ready")?.reason === "CircuitOpen");
    const said = condition(world.provider("lab"), "Ready")?.message;
    expect(said).toMatch(/circuit breaker is open.*nothing listens at/);
    expect(said?.match(/open/g)).toHaveLength(1);
    const version = world.provider("lab")?.metadata.resourceVersion;
    const counted = { "ConnectionFailed manager": 2 };
    expect(await world.samples("virtrigaud_errors_total")).toEqual(counted);
    const logsBefore = lines.length;
    await clock.advance(40_000);
    await wait(50);
    expect(await state()).toBe(2);
    expect(await world.samples("virtrigaud_errors_total")).toEqual(counted);
    expect(world.provider("lab")?.metadata.resourceVersion).toBe(version);
    expect(lines.slice(logsBefore).filter(({ level }) => level !== "debug")).toEqual([]);
    await inTime("half-open", async () => (await state()) === 1);
    await inTime("open again", async () => (await state()) === 2);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "ConnectionFailed manager": 3 });
    expect((await world.samples("virtrigaud_circuit_breaker_failures_total"))["mock lab"]).toBe(3);
    // Of all that failed, the state was said when it became what it is.
    const warnings = lines.filter(({ level }) => level === "warn" || level === "error");
    expect(warnings.map(({ message, fields }) => fields?.["state"] ?? message)).toEqual([
      "The provider failed its health check",
      "open",
      "The provider is given a rest",
      "half-open",
      "open",
    ]);
  });

  it("tries a changed Provider at once, long before its open circuit would", async () => {
    const world = await createWorld();
    world.endpoints.set("default/lab", await closedAddress());
    await world.startManager({ circuitBreaker: { failureThreshold: 1, openMs: 600_000 }, startGraceMs: 0 });
    await world.addProvider("lab");
    await until("open", () => condition(world.provider("lab"), "Ready")?.reason === "CircuitOpen");
    await world.startMock("lab");
    await world.resources.providers.patch(
      { namespace: "default", name: "lab" },
      { spec: { rateLimit: { qps: 50 } } },
      { type: "merge" },
    );
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "ConnectionFailed manager": 1 });
  });

  it("says that a Provider starts while it has no pod, and counts an error only when that takes too long", async () => {
    const world = await createWorld();
    world.endpoints.set("default/lab", await closedAddress());
    const { clock, inTime } = createTime();
    const circuitBreaker = { failureThreshold: 3, openMs: 600_000 };
    await world.startManager({ clock, circuitBreaker, startGraceMs: 30_000 });
    await world.addProvider("lab", { healthCheck: { interval: "10s", timeout: "1s" } });
    await inTime("starting", () => condition(world.provider("lab"), "Ready")?.reason === "RuntimeStarting");
    expect(condition(world.provider("lab"), "Ready")?.message).toContain("the runtime is starting");
    await clock.advance(20_000);
    await wait(50);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({});
    expect(eventsOf(world, "lab").filter(({ type }) => type !== "Normal")).toEqual([]);
    await inTime("open", async () => (await world.samples("virtrigaud_circuit_breaker_state"))["mock lab"] === 2);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "ConnectionFailed manager": 3 });
    await until("said", () =>
      ["ConnectionFailed", "CircuitOpen"].every((reason) =>
        eventsOf(world, "lab").some((event) => event.type === "Warning" && event.reason === reason),
      ),
    );

    // Long before the circuit would be tried again: a pod has come.
    await world.startMock("lab");
    await world.resources.deployments.patch(
      { namespace: "default", name: "virtrigaud-provider-default-lab" },
      { status: { replicas: 1, readyReplicas: 1, availableReplicas: 1 } },
      { type: "merge", subresource: "status" },
    );
    await inTime("healthy", () => isReady(world.provider("lab")));
    expect(await world.samples("virtrigaud_circuit_breaker_state")).toEqual({});
  });

  it("repeats a check that fails at the interval, however short the pauses of a start", async () => {
    const world = await createWorld();
    world.endpoints.set("default/lab", await closedAddress());
    const { clock, inTime } = createTime();
    await world.startManager({ clock, startGraceMs: 0 });
    await world.addProvider("lab", { healthCheck: { interval: "1h", timeout: "1s" } });
    await inTime("refused", () => condition(world.provider("lab"), "Ready")?.reason === "ConnectionFailed");
    await clock.advance(3_500_000);
    await wait(50);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "ConnectionFailed manager": 1 });
    expect((await world.samples("virtrigaud_manager_reconcile_total"))["Provider error"]).toBeUndefined();
  });

  it("neither makes nor counts a machine twice when it dies between an answer and its record", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { rpcMs: { min: 250, max: 250 } } });
    const proxy = await startProxy(Number(new URL(world.api.url).port));
    const kube = clientOf(proxy.url, world.api.token);
    await world.addProvider("lab");
    const first = await world.startManager({ kube, drainMs: 1 });
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    await world.addMachine("web");
    await until("begun", () => world.machine("web")?.metadata.annotations?.["almanac.dev/operation"]);
    // The request is on its way for 250 ms; its answer finds nobody to tell.
    await wait(100);
    proxy.cut();
    await until("made", () => effects(world, "lab").includes("CreateVM"));
    await wait(50);
    expect(world.machine("web")?.status?.id).toBeUndefined();
    await first.stop();
    expect((await world.samples("virtrigaud_vm_operations_total"))["Create mock lab success"]).toBeUndefined();

    await world.startManager();
    await untilReady(world, "web");
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM"]);
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({
      "Create mock lab success": 1,
      "Power mock lab success": 1,
    });
  });

  it("goes on with the task of a manager that ended", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { taskMs: { min: 400, max: 400 } } });
    await world.addProvider("lab");
    const first = await world.startManager();
    await world.addMachine("web");
    await until("task", () => world.machine("web")?.status?.lastTaskRef);
    await first.stop();
    expect(await world.samples("virtrigaud_vm_operations_total")).toEqual({});
    await world.startManager();
    await untilReady(world, "web");
    const asked = world.journal("lab").filter(({ kind, method }) => kind === "rpc" && method === "CreateVM");
    expect(asked).toHaveLength(1);
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({ "Create mock lab success": 1 });
    expect(
      (await world.samples("virtrigaud_vm_operations_duration_seconds_sum"))["Create mock lab success"],
    ).toBeGreaterThan(0.4);
  });

  it("counts exactly what its provider's journal says, whatever fails", async () => {
    const world = await createWorld();
    await world.startMock("lab", {
      seed: 5,
      delays: { taskMs: { min: 0, max: 30 }, ipMs: { min: 0, max: 100 } },
      failures: { rpcRate: 0.1, taskRate: 0.15, codes: { UNAVAILABLE: 2, ABORTED: 1, RESOURCE_EXHAUSTED: 1 } },
    });
    const manager = await world.startManager({ describeIntervalMs: 300 });
    await world.addProvider("lab");
    const names = Array.from({ length: 8 }, (_, index) => `web-${index}`);
    for (const name of names) await world.addMachine(name);
    for (const name of names) await untilReady(world, name);
    for (const name of names) await world.resources.virtualMachines.delete({ namespace: "default", name });
    await until("all gone", () => names.every((name) => world.machine(name) === undefined));
    await manager.stop();

    const lines = world.journal("lab");
    const count = (matches: Partial<JournalLine>): number =>
      lines.filter((line) => Object.entries(matches).every(([key, value]) => line[key as keyof JournalLine] === value))
        .length;
    const counts = await world.samples("virtrigaud_vm_operations_total");
    for (const operation of ["Create", "Power", "Delete"]) {
      const method = `${operation}VM`;
      const failedTasks = lines.filter(
        ({ kind, method: of, result }) => kind === "task" && of === method && result !== "success",
      );
      expect({
        success: counts[`${operation} mock lab success`] ?? 0,
        failure: counts[`${operation} mock lab failure`] ?? 0,
        error: counts[`${operation} mock lab error`] ?? 0,
      }).toEqual({
        success: count({ kind: "effect", method }),
        failure: failedTasks.length + count({ kind: "rpc", method, code: "RESOURCE_EXHAUSTED" }),
        error: count({ kind: "rpc", method, code: "UNAVAILABLE" }) + count({ kind: "rpc", method, code: "ABORTED" }),
      });
    }
    expect(count({ kind: "effect", method: "CreateVM" })).toBe(names.length);
    expect(count({ kind: "effect", method: "DeleteVM" })).toBe(names.length);
    expect(counts["Describe mock lab success"]).toBe(count({ kind: "rpc", method: "DescribeVM", code: "OK" }));
    // Whatever a provider has counted is not counted again.
    const failedTasks = lines.filter(({ kind, result }) => kind === "task" && result !== "success");
    expect(await world.samples("virtrigaud_errors_total")).toEqual(
      failedTasks.length === 0 ? {} : { "TaskFailed manager": failedTasks.length },
    );
    const refused = lines.filter(({ kind, code }) => kind === "rpc" && code !== "OK");
    expect(failedTasks.length + refused.length).toBeGreaterThan(0);
  });

  it("gives machines of two namespaces never the same machine", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web");
    await untilReady(world, "web");
    await world.kube.request({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: "other" } } });
    await world.addMachine("web", {}, "other");
    await until("refused", () => condition(world.machine("web", "other"), "Ready")?.reason === "AlreadyExists");
    expect(condition(world.machine("web", "other"), "Ready")?.message).toContain("belongs to another object");
    // The provider has counted it.
    expect(await world.samples("virtrigaud_errors_total")).toEqual({});
    expect(await world.samples("virtrigaud_vm_operations_total")).toMatchObject({ "Create mock lab failure": 1 });
  });

  it("forgets the series of a deleted Provider after a while, unless another one has its name", async () => {
    const world = await createWorld({ retireAfterMs: 1_000 });
    await world.startMock("lab");
    await world.startMock("twin");
    world.endpoints.set("other/twin", world.endpoints.get("default/twin") ?? "");
    await world.addProvider("lab");
    await world.addProvider("twin");
    await world.kube.request({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: "other" } } });
    await world.addProvider("twin", {}, "other");
    await world.startManager();
    await world.addMachine("web", { providerRef: { name: "lab" } });
    await world.addMachine("db", { providerRef: { name: "twin" } });
    await untilReady(world, "web");
    await untilReady(world, "db");
    for (const name of ["web", "db"]) await world.resources.virtualMachines.delete({ namespace: "default", name });
    for (const name of ["lab", "twin"]) await world.resources.providers.delete({ namespace: "default", name });
    const providers = async (): Promise<string[]> => {
      const page = await (await fetch(`${world.telemetry.metricsUrl}/metrics`)).text();
      return [...new Set([...page.matchAll(/\bprovider="([^"]*)"/g)].map(([, name = ""]) => name))].sort();
    };
    await until("deleted", () => world.provider("lab") === undefined);
    expect(await providers()).toEqual(["lab", "twin"]);
    await until("forgotten", async () => !(await providers()).includes("lab"));
    await wait(1_200);
    expect(await providers()).toEqual(["twin"]);
  });

  it("keeps a Provider as long as machines refer to it, and a machine as long as its Provider is missing", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web");
    await untilReady(world, "web");
    const { providers, virtualMachines } = world.resources;
    await providers.delete({ namespace: "default", name: "lab" });
    const blocked = await until("blocked", () => condition(world.provider("lab"), "DeletionBlocked"));
    expect(blocked.message).toContain("default/web");
    await virtualMachines.delete({ namespace: "default", name: "web" });
    await until("both gone", () => world.machine("web") === undefined && world.provider("lab") === undefined);
    expect(effects(world, "lab").at(-1)).toBe("DeleteVM");
    expect(await world.samples("virtrigaud_circuit_breaker_state")).toEqual({});

    await world.addProvider("brief", {});
    world.endpoints.set("default/brief", world.endpoints.get("default/lab") as string);
    await world.addMachine("left", { providerRef: { name: "brief" } });
    await untilReady(world, "left");
    await providers.patch(
      { namespace: "default", name: "brief" },
      { metadata: { finalizers: null } },
      { type: "merge" },
    );
    await providers.delete({ namespace: "default", name: "brief" });
    await until("no provider", () => world.provider("brief") === undefined);
    await virtualMachines.delete({ namespace: "default", name: "left" });
    await until("held", () =>
      condition(world.machine("left"), "Ready")?.message.includes(
        "Provider default/brief does not exist; create it, or annotate",
      ),
    );
    const annotations = { "virtrigaud.io/force-delete": "true" };
    await virtualMachines.patch(
      { namespace: "default", name: "left" },
      { metadata: { annotations } },
      { type: "merge" },
    );
    await until("released", () => world.machine("left") === undefined);
  });

  it("refuses a type that is not built, once, and names the fields nothing acts on", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("strange", { type: "proxmox", endpoint: "https://proxmox.example:8006" });
    await world.addMachine("stranded", { providerRef: { name: "strange" } });
    const ready = await until("refused", () => condition(world.provider("strange"), "Ready"));
    expect(ready).toMatchObject({ status: "False", reason: "UnsupportedType" });
    expect(ready.message).toContain("vsphere, libvirt, mock");
    await until("stranded", () => condition(world.machine("stranded"), "Ready")?.reason === "UnsupportedProvider");
    expect(await world.samples("virtrigaud_vm_operations_total")).toEqual({ "Create other strange failure": 1 });
    const took = await world.samples("virtrigaud_vm_operations_duration_seconds_sum");
    expect(Object.values(took)[0] ?? 0).toBeGreaterThan(0);
    expect(world.provider("strange")?.status?.connectedVMs ?? 0).toBe(0);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "Unsupported manager": 2 });
    expect(world.api.store.get("deployments.apps", "default", "virtrigaud-provider-default-strange")).toBeUndefined();

    await world.addProvider("lab", { defaults: { network: "dmz" } });
    await world.addMachine("web", { importedDisk: { diskID: "disk-7" } });
    expect(condition(await untilReady(world, "web"), "FieldsIgnored")?.message).toBe("spec.importedDisk");
    expect(condition(world.provider("lab"), "FieldsIgnored")?.message).toBe("spec.defaults.network");
  });

  it("works on as many objects of a kind at a time as it was told", async () => {
    const world = await createWorld();
    await world.startMock("lab", { delays: { rpcMs: { min: 60, max: 60 } } });
    // Reconciles under way by kind, and the most there were at a moment.
    const now: Record<string, number> = {};
    const most: Record<string, number> = {};
    const note = (name: string, change: number): void => {
      now[name] = (now[name] ?? 0) + change;
      most[name] = Math.max(most[name] ?? 0, now[name]);
    };
    const counting: SpanProcessor = {
      onStart: ({ name }) => note(name, 1),
      onEnd: ({ name }) => note(name, -1),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
    const tracerProvider = new TracerProvider({ spanProcessors: [counting] });
    const telemetry = { ...world.telemetry, tracerProvider };
    await world.startManager({ telemetry, concurrency: 4, concurrencyByKind: { VirtualMachine: 2 } });
    await world.addProvider("lab");
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    const names = Array.from({ length: 6 }, (_, index) => `web-${index}`);
    await Promise.all(names.map((name) => world.addMachine(name)));
    for (const name of names) await untilReady(world, name);
    const { vmSnapshots } = world.resources;
    await Promise.all(
      names.map((name) =>
        vmSnapshots.create({ metadata: { name, namespace: "default" }, spec: { vmRef: { name } } } as never),
      ),
    );
    await until("taken", () => effects(world, "lab").filter((method) => method === "CreateSnapshot").length === 6);
    expect(most).toMatchObject({ "reconcile VirtualMachine": 2, "reconcile VMSnapshot": 4 });
  });

  it("reconciles only while it holds the Lease", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.addProvider("lab");
    const first = await world.startManager({ leaderElection: { namespace: "default", identity: "first" } });
    await until("leading", () => first.leading);
    expect(await world.samples("leader_election_master_status")).toEqual({ "virtrigaud-manager": 1 });
    await world.addMachine("web");
    await untilReady(world, "web");
    await first.stop();
    expect(first.leading).toBe(false);
    expect(await world.samples("leader_election_master_status")).toEqual({});
  });

  it("names the option that does not make sense", async () => {
    const kube = clientOf("http://127.0.0.1:9", "none");
    const base = { kube, telemetry: createNoopTelemetry(), tls: "insecure" } as const;
    await expect(startManager({ ...base, concurrency: 0 })).rejects.toThrow(/invalid_options.*concurrency.*got 0/);
    await expect(startManager({ ...base, concurrencyByKind: { VMImage: 1.5 } })).rejects.toThrow(
      /invalid_options.*concurrencyByKind\.VMImage.*got 1\.5/,
    );
    await expect(startManager({ ...base, describeIntervalMs: -1 })).rejects.toThrow(
      /invalid_options.*describeIntervalMs/,
    );
    const tls = { certFile: "/nowhere/tls.crt", keyFile: "/nowhere/tls.key", caFile: "/nowhere/ca.crt" };
    await expect(startManager({ ...base, tls })).rejects.toThrow(/tls_file_unreadable/);
    const stopped = AbortSignal.abort(new Error("not any more"));
    await expect(startManager({ ...base, signal: stopped })).rejects.toThrow("not any more");
  });
});

interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

function loggerInto(lines: LogLine[]): Logger {
  const at = (level: LogLine["level"]) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message, fields });
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  return logger;
}
