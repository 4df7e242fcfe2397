import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createApiServer } from "@almanac/apiserver";
import { createInformer, createKubeClient, loadKubeConfig } from "@almanac/kube";
import type { Informer, KubeClient, KubeObject } from "@almanac/kube";
import { customResourceDefinitions, group, version } from "@almanac/manager";
import type { VirtualMachine, VMSnapshot } from "@almanac/manager";
import { startMockProvider } from "@almanac/provider-mock";
import type { MockProvider } from "@almanac/provider-mock";
import { createNoopTelemetry } from "@almanac/telemetry";
import type { ConvergeReport, ConvergeSettings } from "../converge-child.ts";
import type { Progress } from "../result.ts";

/** What one life of many machines took. */
export interface Life {
  /** From the first write of each step to the last machine that has taken it. */
  readonly seconds: Readonly<Record<Phase, number>>;
  /** From the write of a user to the first question that the reconcile asks of the provider, which is later than its start. */
  readonly latenciesMs: readonly number[];
  /** Of the manager at rest. */
  readonly restCpuPercent: number;
  readonly restRssMib: number;
  /** From the start of another manager's process until it has reconciled every machine. */
  readonly restartSeconds: number;
  /** Writes to the API and changes at the provider that the restart led to. */
  readonly restartWrites: number;
  readonly restartChanges: number;
  /** Questions that the provider was asked about each machine by the restart. */
  readonly restartQuestions: number;
  /** Of the first manager, from its first to its last operation. */
  readonly cpuSeconds: number;
}

export const phases = ["create", "power", "reconfigure", "snapshot", "delete"] as const;
export type Phase = (typeof phases)[number];

type Machine = VirtualMachine & KubeObject;
type Snapshot = VMSnapshot & KubeObject;

const child = fileURLToPath(new URL("../converge-child.ts", import.meta.url));
const writesAtATime = 32;
const writesPerSecond = 200;
const pacedSeconds = 10;
const restSeconds = 20;
const giveUpMs = 600_000;

/** API server and provider run in this process, the manager in one of its own. `whole`: with the rest and the restart in the middle. */
export async function life(machines: number, telemetry: boolean, whole: boolean, progress: Progress): Promise<Life> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-bench-life-"));
  let writes = 0;
  await using api = await createApiServer({
    onRequest: ({ method, path }) => {
      // Its own events and Leases are no writes to objects.
      if (method !== "GET" && path.includes(`/apis/${group}/`)) writes += 1;
    },
  });
  await using provider = await startMockProvider({
    providerType: "libvirt",
    providerName: "bench",
    host: "127.0.0.1",
    port: 0,
    tls: "insecure",
    telemetry: createNoopTelemetry(),
  });
  const asked = watchQuestions(provider);
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, api.kubeconfig, { mode: 0o600 });
  using kube = createKubeClient(await loadKubeConfig({ kubeconfig }));
  await prepare(kube);
  const settings: ConvergeSettings = { kubeconfig, provider: provider.address, telemetry };
  let manager = await startManager(settings);
  const ended = new AbortController();
  const world = followObjects(kube, ended.signal);
  const names = Array.from({ length: machines }, (_, number) => `vm-${number}`);
  const seconds: Record<Phase, number> = { create: 0, power: 0, reconfigure: 0, snapshot: 0, delete: 0 };
  const step = async (phase: Phase, write: (name: string) => Promise<unknown>, done: () => boolean): Promise<void> => {
    progress(`${machines} machines: ${phase}`);
    const began = performance.now();
    await forEach(names, write);
    await untilTrue(phase, done);
    seconds[phase] = (performance.now() - began) / 1_000;
  };
  const all = (holds: (machine: Machine) => boolean): boolean =>
    world.machines.list().filter(holds).length === machines;
  const change = (name: string, spec: object): Promise<unknown> =>
    world.vms.patch({ namespace: "default", name }, { spec }, { type: "merge" });
  try {
    await askReport(manager);
    await step(
      "create",
      (name) => createMachine(kube, name),
      () => all(isReady),
    );
    let cpuSeconds = (await askReport(manager)).cpuSeconds;
    let rest = { restCpuPercent: 0, restRssMib: 0 };
    let restart = { restartSeconds: 0, restartWrites: 0, restartChanges: 0, restartQuestions: 0 };
    let latenciesMs: number[] = [];
    if (whole) {
      progress(`${machines} machines: ${writesPerSecond} writes a second`);
      latenciesMs = await pacedWrites(names, world, asked);
      progress(`${machines} machines at rest`);
      await pause(5_000);
      await askReport(manager);
      await pause(restSeconds * 1_000);
      const restCpuPercent = ((await askReport(manager)).cpuSeconds / restSeconds) * 100;
      rest = { restCpuPercent, restRssMib: rssMib(manager.pid ?? 0) };
      progress(`${machines} machines: restart`);
      await stopManager(manager);
      const writesBefore = writes;
      const effectsBefore = asked.changes;
      asked.forget();
      const began = performance.now();
      manager = await startManager(settings);
      let reconciles = 0;
      const deadline = began + giveUpMs;
      while (reconciles < machines) {
        if (performance.now() > deadline)
          throw new Error(`only ${reconciles} machines were reconciled after the restart`);
        await pause(50);
        ({ reconciles } = await askReport(manager));
      }
      const restartSeconds = (performance.now() - began) / 1_000;
      // What is needless may come a little later.
      await pause(3_000);
      restart = {
        restartSeconds,
        restartWrites: writes - writesBefore,
        restartChanges: asked.changes - effectsBefore,
        restartQuestions: asked.questions / machines,
      };
      await askReport(manager);
    }
    await step(
      "power",
      (name) => change(name, { powerState: "Off" }),
      () => all(({ status }) => status?.powerState === "Off"),
    );
    await step(
      "reconfigure",
      (name) => change(name, { classRef: { name: "medium" } }),
      () => all(({ status }) => status?.currentResources?.cpu === 2),
    );
    await step(
      "snapshot",
      (name) => createSnapshot(world, name),
      () => world.snapshots.list().filter(isReady).length === machines,
    );
    await step(
      "delete",
      (name) => world.vms.delete({ namespace: "default", name }),
      () => world.machines.list().length === 0,
    );
    cpuSeconds += (await askReport(manager)).cpuSeconds;
    const { On, Off, Suspended } = provider.hypervisor.countByPowerState();
    if (On + Off + Suspended > 0) throw new Error(`${On + Off + Suspended} machines are left at the provider`);
    return { seconds, latenciesMs, ...rest, ...restart, cpuSeconds };
  } finally {
    ended.abort(new Error("measured"));
    if (manager.connected) manager.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Questions {
  /** Since `forget`. */
  readonly questions: number;
  /** Changes carried out. */
  readonly changes: number;
  forget(): void;
  /** When the machine was asked about next after `since`, of `performance.now()`. */
  lastAsked(id: string): number | undefined;
}

/** Sees DescribeVM and changes where the provider carries them out. */
function watchQuestions({ hypervisor }: MockProvider): Questions {
  const asked = new Map<string, number>();
  let questions = 0;
  let changes = 0;
  const describe = hypervisor.describe.bind(hypervisor);
  hypervisor.describe = (id) => {
    asked.set(id, performance.now());
    questions += 1;
    return describe(id);
  };
  const apply = hypervisor.apply.bind(hypervisor);
  hypervisor.apply = (change) => {
    changes += 1;
    apply(change);
  };
  return {
    get questions() {
      return questions;
    },
    get changes() {
      return changes;
    },
    forget() {
      asked.clear();
      questions = 0;
    },
    lastAsked: (id) => asked.get(id),
  };
}

/** Users who annotate machines at rest, so many a second; how long until each is looked at, milliseconds. */
async function pacedWrites(names: readonly string[], world: Objects, asked: Questions): Promise<number[]> {
  const latencies: number[] = [];
  const running: Promise<void>[] = [];
  const count = Math.min(names.length, writesPerSecond * pacedSeconds);
  const began = performance.now();
  for (let number = 0; number < count; number++) {
    await pause(began + (number * 1_000) / writesPerSecond - performance.now());
    running.push(writeOne(names[number] ?? ""));
  }
  await Promise.all(running);
  return latencies;

  async function writeOne(name: string): Promise<void> {
    const id = world.machines.get("default", name)?.status?.id ?? "";
    const written = performance.now();
    const body = { metadata: { annotations: { "example.com/touched": String(written) } } };
    await world.vms.patch({ namespace: "default", name }, body, { type: "merge" });
    let at = asked.lastAsked(id);
    while (at === undefined || at < written) {
      await pause(5);
      at = asked.lastAsked(id);
    }
    latencies.push(at - written);
  }
}

interface Objects {
  readonly vms: ReturnType<typeof machinesOf>;
  readonly machines: Informer<Machine>;
  readonly snapshots: Informer<Snapshot>;
  readonly snapshotResource: ReturnType<typeof snapshotsOf>;
}

const machinesOf = (kube: KubeClient) =>
  kube.resource<Machine>({ group, version, plural: "virtualmachines", kind: "VirtualMachine", namespaced: true });
const snapshotsOf = (kube: KubeClient) =>
  kube.resource<Snapshot>({ group, version, plural: "vmsnapshots", kind: "VMSnapshot", namespaced: true });

function followObjects(kube: KubeClient, signal: AbortSignal): Objects {
  const vms = machinesOf(kube);
  const snapshotResource = snapshotsOf(kube);
  const machines = createInformer(vms);
  const snapshots = createInformer(snapshotResource);
  machines.start(signal);
  snapshots.start(signal);
  return { vms, machines, snapshots, snapshotResource };
}

function isReady({ status }: Machine | Snapshot): boolean {
  return status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
}

function createSnapshot(world: Objects, name: string): Promise<unknown> {
  const body = { metadata: { name, namespace: "default" }, spec: { vmRef: { name } } };
  return world.snapshotResource.create(body as unknown as Snapshot);
}

function createMachine(kube: KubeClient, name: string): Promise<unknown> {
  const body = {
    metadata: { name, namespace: "default" },
    spec: { providerRef: { name: "bench" }, classRef: { name: "small" }, imageRef: { name: "image" } },
  };
  return machinesOf(kube).create(body as unknown as Machine);
}

async function prepare(kube: KubeClient): Promise<void> {
  const post = (path: string, body: object): Promise<unknown> => kube.request({ method: "POST", path, body });
  for (const definition of customResourceDefinitions())
    await post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
  const create = (plural: string, kind: string, name: string, spec: object): Promise<unknown> =>
    post(`/apis/${group}/${version}/namespaces/default/${plural}`, {
      apiVersion: `${group}/${version}`,
      kind,
      metadata: { name, namespace: "default" },
      spec,
    });
  await post("/api/v1/namespaces/default/secrets", {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "bench", namespace: "default" },
  });
  await create("vmclasses", "VMClass", "small", { cpu: 1, memory: "1Gi" });
  await create("vmclasses", "VMClass", "medium", { cpu: 2, memory: "4Gi" });
  await create("vmimages", "VMImage", "image", { source: { libvirt: { path: "/images/base.qcow2" } } });
  await create("providers", "Provider", "bench", {
    type: "libvirt",
    endpoint: "qemu:///system",
    credentialSecretRef: { name: "bench" },
    runtime: { image: "almanac/provider-mock:0.1.0", service: { tls: { enabled: false } } },
  });
}

function startManager(settings: ConvergeSettings): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const manager = fork(child, [JSON.stringify(settings)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    manager.once("message", () => resolve(manager));
    manager.once("error", reject);
    manager.once("close", (code) => reject(new Error(`the manager's process ended with ${code}`)));
  });
}

async function stopManager(manager: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => manager.once("exit", resolve));
  manager.kill("SIGKILL");
  await gone;
}

function askReport(manager: ChildProcess): Promise<ConvergeReport> {
  return new Promise((resolve, reject) => {
    manager.once("message", (message) => resolve(message as unknown as ConvergeReport));
    manager.send("report", (error) => {
      if (error) reject(error);
    });
  });
}

async function forEach(names: readonly string[], write: (name: string) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < names.length; number = next++) await write(names[number] ?? "");
  };
  await Promise.all(Array.from({ length: writesAtATime }, worker));
}

async function untilTrue(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + giveUpMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`${what} did not end within ${giveUpMs / 1_000} s`);
    // Seldom: whoever asks takes time from whoever is measured.
    await pause(50);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** Resident set of a process. Linux only. */
function rssMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1_024;
}
