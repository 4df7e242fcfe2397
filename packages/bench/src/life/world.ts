import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApiServer } from "@almanac/apiserver";
import { createInformer, createKubeClient, loadKubeConfig } from "@almanac/kube";
import type { Informer, KubeClient, KubeObject, ResourceClient } from "@almanac/kube";
import { customResourceDefinitions, group, version } from "@almanac/manager";
import type { VirtualMachine, VMSnapshot } from "@almanac/manager";
import { startMockProvider } from "@almanac/provider-mock";
import { createNoopTelemetry } from "@almanac/telemetry";
import type { Telemetry } from "@almanac/telemetry";
import type { ManagerSettings } from "./manager-child.ts";
import { startManagerProcess } from "./manager-process.ts";
import type { ManagerProcess } from "./manager-process.ts";

export type Machine = VirtualMachine & KubeObject;
export type Snapshot = VMSnapshot & KubeObject;

/** An API server, a provider and a receiver of traces in this process, and what happens at them. */
export interface World extends AsyncDisposable {
  readonly vms: ResourceClient<Machine>;
  readonly vmSnapshots: ResourceClient<Snapshot>;
  readonly machines: Informer<Machine>;
  readonly snapshots: Informer<Snapshot>;
  /** `METHOD path` of each write that the API server took, whoever sent it. */
  readonly writes: string[];
  /** Requests that the provider took, by method. */
  readonly rpcs: ReadonlyMap<string, number>;
  /** Changes that the provider carried out, by method: its journal. */
  readonly effects: ReadonlyMap<string, number>;
  /** Machines at the provider. */
  readonly present: number;
  /** Resolves with the time of `performance.now()` when the provider is asked for the machine `id` next. */
  nextLook(id: string): Promise<number>;
  startManager(telemetry: ManagerSettings["telemetry"]): Promise<ManagerProcess>;
}

/** With a Provider without a rate limit, two classes and an image; no machines. */
export async function createWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "almanac-bench-life-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const writes: string[] = [];
  const api = stack.use(
    await createApiServer({
      onRequest: ({ method, path }) => void (method === "GET" || writes.push(`${method} ${path}`)),
    }),
  );
  const rpcs = new Map<string, number>();
  const provider = stack.use(
    await startMockProvider({
      providerType: "libvirt",
      providerName: "bench",
      host: "127.0.0.1",
      port: 0,
      tls: "insecure",
      telemetry: countSpans(rpcs),
    }),
  );
  const { hypervisor } = provider;
  const effects = new Map<string, number>();
  const apply = hypervisor.apply.bind(hypervisor);
  hypervisor.apply = (change) => {
    increment(effects, change.method);
    apply(change);
  };
  const looks = new Map<string, (at: number) => void>();
  const describe = hypervisor.describe.bind(hypervisor);
  hypervisor.describe = (id) => {
    looks.get(id)?.(performance.now());
    return describe(id);
  };
  const receiver = createServer((request, response) => request.resume().on("end", () => response.end()));
  await once(receiver.listen(0, "127.0.0.1"), "listening");
  stack.defer(() => receiver.close().closeAllConnections());
  const tracesUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/v1/traces`;
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, api.kubeconfig, { mode: 0o600 });
  const kube = stack.use(createKubeClient(await loadKubeConfig({ kubeconfig })));
  await prepare(kube);
  const definition = { group, version, namespaced: true };
  const vms = kube.resource<Machine>({ ...definition, plural: "virtualmachines", kind: "VirtualMachine" });
  const vmSnapshots = kube.resource<Snapshot>({ ...definition, plural: "vmsnapshots", kind: "VMSnapshot" });
  const [machines, snapshots] = [createInformer(vms), createInformer(vmSnapshots)];
  const ended = new AbortController();
  stack.defer(() => ended.abort(new Error("measured")));
  machines.start(ended.signal);
  snapshots.start(ended.signal);
  const all = stack.move();
  return {
    vms,
    vmSnapshots,
    machines,
    snapshots,
    writes,
    rpcs,
    effects,
    get present() {
      const { On, Off, Suspended } = hypervisor.countByPowerState();
      return On + Off + Suspended;
    },
    nextLook(id) {
      return new Promise((resolve) =>
        looks.set(id, (at) => {
          looks.delete(id);
          resolve(at);
        }),
      );
    },
    startManager: (telemetry) => startManagerProcess({ kubeconfig, provider: provider.address, telemetry, tracesUrl }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
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

/** Telemetry that records nothing, but counts the server spans that begin: one per RPC. */
function countSpans(rpcs: Map<string, number>): Telemetry {
  const noop = createNoopTelemetry();
  return {
    ...noop,
    tracerProvider: {
      getTracer(...name) {
        const tracer = noop.tracerProvider.getTracer(...name);
        return {
          startActiveSpan: tracer.startActiveSpan.bind(tracer),
          startSpan(span, ...rest) {
            increment(rpcs, span.slice(span.lastIndexOf("/") + 1));
            return tracer.startSpan(span, ...rest);
          },
        };
      },
    },
  };
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
