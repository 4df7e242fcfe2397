import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { virtrigaud } from "@almanac/catalog";
import {
  createProviderClient,
  encodeCreateDocuments,
  PowerOp,
  ProviderError,
  type ProviderClient,
  type RequestOf,
} from "@almanac/provider";
import { createNoopTelemetry, startTelemetry, type Telemetry } from "@almanac/telemetry";
import { createVirtualClock } from "@almanac/testkit";
import type { JournalLine } from "./journal.ts";
import { startMockProvider, type MockProvider, type MockProviderOptions } from "./mock-provider.ts";

let folder: string;
let telemetry: Telemetry;
const closing: (() => Promise<void> | void)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "mock-provider-"));
  telemetry = await startTelemetry({
    serviceName: "virtrigaud-provider",
    owner: "provider",
    catalogs: [virtrigaud],
    metrics: {},
    logs: { level: "error" },
    known: { provider_type: ["mock"], provider: ["lab"] },
    env: {},
  });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await telemetry.shutdown();
  rmSync(folder, { recursive: true, force: true });
});

async function start(
  options: Partial<MockProviderOptions> = {},
): Promise<{ provider: MockProvider; client: ProviderClient }> {
  const provider = await startMockProvider({
    providerType: "mock",
    providerName: "lab",
    port: 0,
    tls: "insecure",
    telemetry,
    ...options,
  });
  closing.push(() => provider.shutdown());
  return { provider, client: connect(provider.address) };
}

function connect(address: string): ProviderClient {
  const client = createProviderClient({ address, tls: "insecure", telemetry: createNoopTelemetry() });
  closing.push(() => client[Symbol.dispose]());
  return client;
}

function journal(): JournalLine[] {
  const lines = readFileSync(join(folder, "journal.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as JournalLine);
}

async function samples(family: string): Promise<Record<string, number>> {
  const page = await (await fetch(`${telemetry.metricsUrl}/metrics`)).text();
  const found: Record<string, number> = {};
  for (const [, labels = "", value] of page.matchAll(new RegExp(`^${family}(?:\\{(.*)\\})? (\\S+)$`, "gm"))) {
    if (Number(value) !== 0) found[labels.replaceAll('"', "")] = Number(value);
  }
  return found;
}

const noDocuments = { class: {}, image: {}, networks: [], disks: [], placement: {} };

const owned = (uid: string): { tags: string[] } => ({ tags: [`almanac.dev/owner=${uid}`] });

/** Waits for the end of a reply's task and returns its error. */
async function taskEnd(client: ProviderClient, reply: { task?: { id: string } | undefined }): Promise<string> {
  const { task } = reply;
  if (task === undefined) return "";
  for (;;) {
    const { done, error } = await client.taskStatus({ task });
    if (done) return error;
    await wait(5);
  }
}

describe("startMockProvider", () => {
  it("counts in its metrics exactly what its journal says", async () => {
    const { provider, client } = await start({
      stateDir: folder,
      seed: 3,
      delays: { taskMs: { min: 0, max: 10 }, rpcMs: { min: 0, max: 2 } },
      failures: { rpcRate: 0.15, taskRate: 0.2, codes: { UNAVAILABLE: 2, RESOURCE_EXHAUSTED: 1, ABORTED: 1 } },
    });
    const work = async (index: number): Promise<void> => {
      const made = await client.createVM({ name: `vm-${index}`, ...owned(`u${index}`) });
      await taskEnd(client, made);
      await taskEnd(client, await client.powerVM({ id: made.id, op: PowerOp.ON }));
      await client.describeVM({ id: made.id });
      if (index % 3 === 0) await taskEnd(client, await client.deleteVM({ id: made.id }));
    };
    await Promise.allSettled([...Array(60).keys()].map(work));
    const controller = new AbortController();
    const cancelled = client.listVMs({}, { signal: controller.signal });
    controller.abort();
    await Promise.allSettled([
      cancelled,
      client.createVM({ name: "" }),
      client.describeVM({ id: "x" }, { deadlineMs: 1 }),
    ]);
    // Tasks nobody asks about any more end as well, and so do RPCs whose client is gone.
    while (provider.runningTasks > 0) await wait(5);
    await provider.shutdown();

    const lines = journal();
    const rpcs: Record<string, number> = {};
    for (const { kind, method, code } of lines) {
      const labels = `provider_type=mock,method=${method},code=${code}`;
      if (kind === "rpc") rpcs[labels] = (rpcs[labels] ?? 0) + 1;
    }
    expect(await samples("virtrigaud_provider_rpc_requests_total")).toEqual(rpcs);
    expect(Object.keys(rpcs).length).toBeGreaterThan(6);
    const latencies = Object.values(await samples("virtrigaud_provider_rpc_latency_seconds_count"));
    expect(latencies.reduce((sum, count) => sum + count, 0)).toBe(lines.filter(({ kind }) => kind === "rpc").length);
    const failures = lines.filter(
      ({ kind, code }) => kind === "rpc" && !["OK", "CANCELLED", "DEADLINE_EXCEEDED"].includes(code ?? ""),
    );
    const errors = Object.values(await samples("virtrigaud_errors_total"));
    expect(errors.reduce((sum, count) => sum + count, 0)).toBe(failures.length);
    expect(await samples("virtrigaud_provider_tasks_inflight")).toEqual({});
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_line, index) => index + 1));

    // Every effect has its RPC or task, and what is left is what was made and not deleted.
    const count = (kind: string, method: string, result?: string): number =>
      lines.filter(
        (line) => line.kind === kind && line.method === method && (result === undefined || line.result === result),
      ).length;
    expect(count("task", "CreateVM", "success")).toBeLessThanOrEqual(count("effect", "CreateVM"));
    expect(provider.hypervisor.list().vms).toHaveLength(count("effect", "CreateVM") - count("effect", "DeleteVM"));
    expect(lines.some(({ kind, result }) => kind === "task" && result === "injected failure of PowerVM")).toBe(true);
  });

  it("draws the same failures for the same seed", async () => {
    const run = async (seed: number): Promise<string[]> => {
      const { client } = await start({ seed, failures: { rpcRate: 0.5, codes: { UNAVAILABLE: 1, ABORTED: 1 } } });
      const codes: string[] = [];
      for (let index = 0; index < 20; index++) {
        codes.push(
          await client.listVMs({}).then(
            () => "OK",
            (thrown: unknown) => ProviderError.from(thrown).code,
          ),
        );
      }
      return codes;
    };
    const first = await run(11);
    expect(await run(11)).toEqual(first);
    expect(await run(12)).not.toEqual(first);
    expect(new Set(first)).toEqual(new Set(["OK", "UNAVAILABLE", "ABORTED"]));
  });

  it("answers ok=false during an outage, fails all else as UNAVAILABLE, and tasks that would end in it", async () => {
    const { provider, client } = await start({ delays: { taskMs: { min: 40, max: 40 } } });
    const made = await client.createVM({ name: "a" });
    provider.hypervisor.setOutage(true);
    expect(await client.validate({})).toMatchObject({ ok: false, message: "the hypervisor is not reachable" });
    for (const call of [client.getCapabilities({}), client.listVMs({}), client.taskStatus({ task: { id: "x" } })]) {
      await expect(call).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "ConnectionFailed" });
    }
    while (provider.runningTasks > 0) await wait(5);
    provider.hypervisor.setOutage(false);
    expect(await taskEnd(client, made)).toBe("the hypervisor is not reachable");
    expect((await client.validate({})).ok).toBe(true);
    expect((await client.describeVM({ id: made.id })).exists).toBe(false);
  });

  it("gives the same task for the same wish, and ABORTED for another one", async () => {
    const { client } = await start({ delays: { taskMs: { min: 50, max: 50 } } });
    const [first, second] = await Promise.all([1, 2].map(() => client.createVM({ name: "a", ...owned("u1") })));
    expect(second?.id).toBe(first?.id);
    expect(second?.task?.id).toBe(first?.task?.id);
    await expect(client.deleteVM({ id: first?.id ?? "" })).rejects.toMatchObject({ code: "ABORTED" });
    expect(await taskEnd(client, first ?? {})).toBe("");
  });

  it("cuts the power when a guest takes longer than its timeout", async () => {
    const quick = await start({ stateDir: folder });
    const { id } = await quick.client.createVM({ name: "a" });
    await quick.client.powerVM({ id, op: PowerOp.ON });
    await quick.provider.shutdown();

    const clock = createVirtualClock();
    const { client } = await start({ stateDir: folder, clock, delays: { taskMs: { min: 600_000, max: 600_000 } } });
    const { task = { id: "" } } = await client.powerVM({
      id,
      op: PowerOp.SHUTDOWN_GRACEFUL,
      gracefulTimeoutSeconds: 30,
    });
    await clock.advance(29_999);
    expect(await client.taskStatus({ task })).toMatchObject({ done: false });
    await clock.advance(1);
    expect(await client.taskStatus({ task })).toMatchObject({ done: true, error: "" });
    expect((await client.describeVM({ id })).powerState).toBe("Off");
  });

  it("reports a libvirt's domains and connections, and goes on when its inventory fails", async () => {
    const { provider, client } = await start({
      providerType: "libvirt",
      site: "host-1",
      failures: { sourceRate: 0.5 },
    });
    const { id } = await client.createVM({ name: "a" });
    await client.createVM({ name: "b" });
    await client.powerVM({ id, op: PowerOp.ON });
    provider.hypervisor.setOutage(true);
    await client.listVMs({}).catch(() => undefined);
    provider.hypervisor.setOutage(false);
    await client.listVMs({});
    expect(await samples("virtrigaud_libvirt_connections_total")).toEqual({ "host=host-1": 2 });
    const domains: Record<string, number>[] = [];
    for (let scrape = 0; scrape < 20; scrape++) {
      domains.push(await samples("virtrigaud_libvirt_domains_total"));
      expect(await samples("virtrigaud_libvirt_connections_total")).toEqual({ "host=host-1": 2 });
    }
    expect(domains).toContainEqual({ "host=host-1,state=running": 1, "host=host-1,state=shutoff": 1 });
    expect((await samples("almanac_collection_errors_total"))["source=inventory"]).toBeGreaterThan(0);
  });

  it("counts a vSphere's sessions and API calls", async () => {
    const { client } = await start({ providerType: "vsphere", site: "DC0" });
    const { id } = await client.createVM({ name: "a" });
    await client.powerVM({ id, op: PowerOp.ON });
    await client.powerVM({ id, op: PowerOp.OFF });
    expect(await samples("virtrigaud_vsphere_sessions_total")).toEqual({ "datacenter=DC0": 1 });
    expect(await samples("virtrigaud_vsphere_api_calls_total")).toEqual({
      "method=CreateVM_Task,datacenter=DC0": 1,
      "method=PowerOnVM_Task,datacenter=DC0": 1,
      "method=PowerOffVM_Task,datacenter=DC0": 1,
    });
  });

  it("holds and lists ten thousand VMs", async () => {
    const { provider, client } = await start();
    for (let index = 0; index < 9_500; index++) {
      const request = { name: `vm-${index}`, tags: [] } as unknown as RequestOf<"createVM">;
      const { change } = provider.hypervisor.planCreate(request, noDocuments);
      if (change !== undefined) provider.hypervisor.apply(change);
    }
    await Promise.all([...Array(500).keys()].map((index) => client.createVM({ name: `wire-${index}`, ...owned("u") })));
    const { vms } = await client.listVMs({});
    expect(new Set(vms.map(({ id }) => id)).size).toBe(10_000);
  });

  it("says which option is wrong, and closes its files when it cannot listen", async () => {
    await expect(start({ failures: { rpcRate: 2 } })).rejects.toThrow("rpcRate is 2");
    const { provider } = await start();
    await expect(start({ port: provider.port, stateDir: folder })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    writeFileSync(join(folder, "state.jsonl"), "damaged\n{}\n");
    await expect(start({ stateDir: folder })).rejects.toMatchObject({ code: "DATA_LOSS" });
  });
});

describe("a mock provider that is killed again and again", () => {
  async function boot(): Promise<{ child: ChildProcess; client: ProviderClient }> {
    const main = join(import.meta.dirname, "mock-process.test.main.ts");
    const options = "mock:///?taskMs=0-40&rpcMs=0-5&taskRate=0.1";
    const child = spawn(process.execPath, ["-C", "source", main, folder, options], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    closing.push(() => void child.kill("SIGKILL"));
    const [address] = (await once(child.stdout, "data")) as [Buffer];
    return { child, client: connect(address.toString().trim()) };
  }

  it("makes every VM exactly once for a manager that repeats what it does not know the end of", async () => {
    let { child, client } = await boot();
    const names = [...Array(24).keys()].map((index) => `vm-${index}`);
    const ids = new Map<string, string>();
    let finished = 0;

    // What a manager does: create, wait for the task, and start again whenever that is not known to have worked.
    const keep = async (name: string): Promise<void> => {
      for (;;) {
        try {
          const made = await client.createVM({
            name,
            ...encodeCreateDocuments({ class: { CPU: 1 } }),
            ...owned(`uid-${name}`),
          });
          if ((await taskEnd(client, made)) === "" && (await client.describeVM({ id: made.id })).exists) {
            ids.set(name, made.id);
            finished++;
            return;
          }
        } catch (thrown) {
          if (!["UNAVAILABLE", "CANCELLED", "INTERNAL"].includes(ProviderError.from(thrown).code)) throw thrown;
        }
        await wait(20);
      }
    };
    const manager = (async () => {
      for (let from = 0; from < names.length; from += 4) await Promise.all(names.slice(from, from + 4).map(keep));
    })();
    for (const goal of [5, 14]) {
      while (finished < goal) await wait(3);
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      ({ child, client } = await boot());
    }
    await manager;

    const { vms } = await client.listVMs({});
    expect(vms.map(({ name, id }) => [name, id]).sort()).toEqual([...ids].sort());
    expect(vms.every(({ name, providerRaw }) => providerRaw["owner"] === `uid-${name}`)).toBe(true);
    const effects = journal().filter(({ kind }) => kind === "effect");
    expect(effects.map(({ vm }) => vm).sort()).toEqual([...ids.values()].sort());
    const tasks = journal().filter(({ kind }) => kind === "task");
    expect(new Set(tasks.map(({ task }) => task)).size).toBe(tasks.length);
  });
});
