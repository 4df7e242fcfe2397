import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createApiServer } from "@almanac/apiserver";
import { createInformer, createKubeClient, loadKubeConfig } from "@almanac/kube";
import type { KubeClient, KubeObject } from "@almanac/kube";
import { customResourceDefinitions, group, version } from "@almanac/manager";
import type { VirtualMachine } from "@almanac/manager";
import { startMockProvider } from "@almanac/provider-mock";
import { createNoopTelemetry } from "@almanac/telemetry";
import type { ConvergeReport, ConvergeSettings } from "./converge-child.ts";

/** One measured convergence. */
export interface Convergence extends ConvergeReport {
  /** From the first create to the last machine Ready. */
  readonly seconds: number;
  readonly machines: number;
  /** User and system time of the API server and the provider together. */
  readonly peersCpuSeconds: number;
}

const child = fileURLToPath(new URL("converge-child.ts", import.meta.url));
const createsAtATime = 32;

/** API server and provider run in this process, the manager in one of its own, so that its CPU and memory are its alone. */
export async function converge(machines: number, telemetry: boolean): Promise<Convergence> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-bench-converge-"));
  await using api = await createApiServer({});
  await using provider = await startMockProvider({
    providerType: "libvirt",
    providerName: "bench",
    host: "127.0.0.1",
    port: 0,
    tls: "insecure",
    telemetry: createNoopTelemetry(),
  });
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, api.kubeconfig, { mode: 0o600 });
  using kube = createKubeClient(await loadKubeConfig({ kubeconfig }));
  await prepare(kube);
  const manager = await startManagerProcess({ kubeconfig, provider: provider.address, telemetry });
  const ended = new AbortController();
  try {
    const ready = watchReady(kube, machines, ended.signal);
    await askReport(manager);
    const started = performance.now();
    const cpuBefore = process.cpuUsage();
    await createMachines(kube, machines);
    await ready;
    const seconds = (performance.now() - started) / 1000;
    const used = process.cpuUsage(cpuBefore);
    const report = await askReport(manager);
    const { On, Off, Suspended } = provider.hypervisor.countByPowerState();
    if (On !== machines || Off + Suspended > 0) {
      throw new Error(`${On} machines on and ${Off + Suspended} not, expected ${machines} on`);
    }
    return { ...report, seconds, machines, peersCpuSeconds: (used.user + used.system) / 1e6 };
  } finally {
    ended.abort(new Error("measured"));
    manager.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function prepare(kube: KubeClient): Promise<void> {
  for (const definition of customResourceDefinitions()) {
    await kube.request({
      method: "POST",
      path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
      body: definition,
    });
  }
  const create = (plural: string, kind: string, name: string, spec: object): Promise<unknown> =>
    kube.request({
      method: "POST",
      path: `/apis/${group}/${version}/namespaces/default/${plural}`,
      body: { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace: "default" }, spec },
    });
  await kube.request({
    method: "POST",
    path: "/api/v1/namespaces/default/secrets",
    body: { apiVersion: "v1", kind: "Secret", metadata: { name: "bench", namespace: "default" } },
  });
  await create("vmclasses", "VMClass", "small", { cpu: 1, memory: "1Gi" });
  await create("vmimages", "VMImage", "image", { source: { libvirt: { path: "/images/base.qcow2" } } });
  await create("providers", "Provider", "bench", {
    type: "libvirt",
    endpoint: "qemu:///system",
    credentialSecretRef: { name: "bench" },
    rateLimit: { qps: 1000, burst: 2000 },
    runtime: { image: "almanac/provider-mock:0.1.0", service: { tls: { enabled: false } } },
  });
}

function startManagerProcess(settings: ConvergeSettings): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const manager = fork(child, [JSON.stringify(settings)], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
    // Its log goes where a container's does, into a pipe that somebody reads.
    manager.stdout?.resume();
    manager.once("message", () => resolve(manager));
    manager.once("error", reject);
    manager.once("close", (code) => reject(new Error(`the manager's process ended with ${code}`)));
  });
}

function askReport(manager: ChildProcess): Promise<ConvergeReport> {
  return new Promise((resolve, reject) => {
    manager.once("message", (message) => resolve(message as unknown as ConvergeReport));
    manager.send("report", (error) => {
      if (error) reject(error);
    });
  });
}

async function watchReady(kube: KubeClient, machines: number, signal: AbortSignal): Promise<void> {
  const informer = createInformer(
    kube.resource<VirtualMachine & KubeObject>({
      group,
      version,
      plural: "virtualmachines",
      kind: "VirtualMachine",
      namespaced: true,
    }),
  );
  const ready = new Set<string>();
  await new Promise<void>((resolve) => {
    informer.onEvent(({ object }) => {
      if (object.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True")) {
        ready.add(object.metadata.name);
      }
      if (ready.size === machines) resolve();
    });
    informer.start(signal);
  });
}

async function createMachines(kube: KubeClient, machines: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < machines; number = next++) {
      await kube.request({
        method: "POST",
        path: `/apis/${group}/${version}/namespaces/default/virtualmachines`,
        body: {
          apiVersion: `${group}/${version}`,
          kind: "VirtualMachine",
          metadata: { name: `vm-${number}`, namespace: "default" },
          spec: { providerRef: { name: "bench" }, classRef: { name: "small" }, imageRef: { name: "image" } },
        },
      });
    }
  };
  await Promise.all(Array.from({ length: createsAtATime }, worker));
}
