import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createAsyncCleanup } from "@almanac/core";
import { createKubeClient, isKubeError, leaseResource, loadKubeConfig } from "@almanac/kube";
import type { KubeClient, KubeObject, Lease } from "@almanac/kube";
import { customResourceDefinitions, group, version } from "@almanac/manager";
import { createTestPki } from "@almanac/testkit";
import { startKubernetes } from "../../peers/start-kubernetes.ts";
import { eventually, must } from "../report.ts";
import { readJournal } from "../journal.ts";
import type { JournalEntry } from "../journal.ts";
import { cli, createManagedProcess } from "./managed-process.ts";
import type { ManagedProcess } from "./managed-process.ts";
import type { ApiProcessSettings, Boot } from "./api-process.ts";
import { calm, providerNames } from "./plan.ts";
import type { HypervisorName } from "./plan.ts";
import { providerTypes } from "./results.ts";
import { identityOf } from "./takeovers.ts";

/** Line of a mock's journal with its time. */
export interface JournalLine extends JournalEntry {
  /** RFC 3339. */
  readonly time: string;
  readonly change?: string;
}

/** A machine as a hypervisor keeps it. */
export interface KeptMachine {
  readonly id: string;
  readonly name: string;
  readonly owner?: string;
  readonly powerState: "On" | "Off" | "Suspended";
  readonly cpu: number;
  readonly snapshots: readonly { readonly id: string; readonly name: string }[];
}

/** An API, managers and hypervisors, each a process of its own that can be killed. */
export interface World extends AsyncDisposable {
  readonly kube: KubeClient;
  readonly managers: readonly ManagedProcess[];
  readonly hypervisors: Readonly<Record<HypervisorName, ManagedProcess>>;
  /** Kills the API and starts it on what it kept. */
  restartApi(): Promise<void>;
  /** How often that happened. */
  readonly apiKills: number;
  /** What the embedded API began with when it was last started: watches of before cannot go on. */
  apiBoot?(): Boot;
  /** Where the API keeps everything, and nothing is lost of what happened: `http://host:port` of an etcd. */
  readonly etcdUrl?: string;
  journal(name: HypervisorName): JournalLine[];
  machines(name: HypervisorName): KeptMachine[];
  /** Resolves when every manager holds its share of the shards, or when all but this one hold them all. */
  untilShared(but?: ManagedProcess): Promise<void>;
  /** Creates the Provider of this name, as often as it takes until it is there. */
  ensureProvider(name: string): Promise<void>;
}

interface WorldOptions {
  readonly folder: string;
  readonly api: "embedded" | "kube-apiserver";
  readonly managers: number;
  readonly namespaces: readonly string[];
  /** Arguments of every manager besides the usual ones. */
  readonly managerArgs: readonly string[];
  /** Where managers send their spans; none are sent otherwise. */
  readonly tracesUrl?: string;
}

const hypervisorNames = ["a", "b"] as const;
const loopback = "127.0.0.1";
const namespace = "default";
const kubeletMs = 150;

/** Starts everything and waits until all Providers are healthy. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { folder } = options;
  await using cleanup = createAsyncCleanup();
  mkdirSync(folder, { recursive: true });
  const tls = await writeCertificates(folder);
  const env: Record<string, string> = {
    NODE_COMPILE_CACHE: join(folder, "..", "compile-cache"),
    OTEL_METRICS_EXPORTER: "none",
    ...(options.tracesUrl === undefined
      ? { OTEL_TRACES_EXPORTER: "none" }
      : {
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: options.tracesUrl,
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
          OTEL_BSP_SCHEDULE_DELAY: "100",
        }),
  };
  const api = await startApi(options, tls, env);
  cleanup.use(api);
  const kube = createKubeClient(await loadKubeConfig({ kubeconfig: api.kubeconfig }));
  cleanup.defer(() => kube[Symbol.dispose]());
  await prepare(kube, options.namespaces);

  const hypervisors = {} as Record<HypervisorName, ManagedProcess>;
  const endpoints: string[] = [];
  for (const name of hypervisorNames) {
    const [grpc, health] = [await freePort(), await freePort()];
    for (const provider of providerNames)
      if (provider === name || (provider === "c" && name === "b"))
        endpoints.push("--provider-endpoint", `${namespace}/${provider}=${loopback}:${grpc}`);
    hypervisors[name] = cleanup.use(
      createManagedProcess({
        name: `hypervisor ${name}`,
        file: cli,
        args: [
          ...["provider", "mock", "--type", providerTypes[name] ?? "", "--name", name, "--host", loopback],
          ...["--port", String(grpc), "--health-port", String(health), "--state-dir", stateDir(folder, name)],
          ...tls.flags,
        ],
        env,
        url: `http://${loopback}:${health}`,
        logFolder: folder,
      }),
    );
  }
  const managers: ManagedProcess[] = [];
  for (let number = 0; number < options.managers; number++) {
    const port = await freePort();
    managers.push(
      cleanup.use(
        createManagedProcess({
          name: `manager ${number}`,
          file: cli,
          args: [
            ...["manager", "--kubeconfig", api.kubeconfig, "--metrics-bind-address", `${loopback}:${port}`],
            ...[...endpoints, ...tls.flags, "--log-level", "debug", ...options.managerArgs],
          ],
          env,
          url: `http://${loopback}:${port}`,
          logFolder: folder,
        }),
      ),
    );
  }
  const all = [...Object.values(hypervisors), ...managers];
  for (const process of Object.values(hypervisors)) process.start(calm);
  for (const process of managers) process.start();

  const ended = new AbortController();
  const kubelet = followDeployments(kube, hypervisors, ended.signal);
  cleanup.defer(async () => {
    ended.abort(new Error("the world ends"));
    await kubelet;
  });
  let apiKills = 0;
  const world: Omit<World, keyof AsyncDisposable> = {
    kube,
    managers,
    hypervisors,
    restartApi() {
      apiKills += 1;
      return api.restart();
    },
    get apiKills() {
      return apiKills;
    },
    ...(api.boot === undefined ? {} : { apiBoot: api.boot }),
    ...(api.etcdUrl === undefined ? {} : { etcdUrl: api.etcdUrl }),
    journal: (name: HypervisorName) => readJournal(stateDir(folder, name)) as JournalLine[],
    machines: (name: HypervisorName) => readMachines(join(stateDir(folder, name), "state.jsonl")),
    untilShared: (but?: ManagedProcess) => untilShared(kube, managers, but),
    ensureProvider: (name: string) => ensureProvider(kube, name, ended.signal),
  };
  for (const name of providerNames) await world.ensureProvider(name);
  await Promise.all(all.map((process) => process.ready()));
  const rest = cleanup.move();
  return Object.assign(world, { [Symbol.asyncDispose]: () => rest[Symbol.asyncDispose]() });
}

async function untilShared(
  kube: KubeClient,
  managers: readonly ManagedProcess[],
  but: ManagedProcess | undefined,
): Promise<void> {
  const leases = kube.resource<Lease>(leaseResource);
  const sharing = managers.filter((manager) => manager !== but).map(({ lives }) => identityOf(lives.at(-1)?.pid ?? 0));
  await eventually(async () => {
    const { items } = await leases.list({ namespace });
    const holders = items
      .filter(({ metadata }) => /-shard-\d+$/.test(metadata.name))
      .map(({ spec }) => spec?.holderIdentity ?? "");
    const least = Math.floor(holders.length / sharing.length);
    const isShared =
      holders.every((holder) => sharing.includes(holder)) &&
      sharing.every((identity) => holders.filter((holder) => holder === identity).length >= least);
    must(isShared, `the shards are held by ${holders.join(" ")}`);
  }, 60_000);
}

interface Certificates {
  readonly flags: readonly string[];
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

async function writeCertificates(folder: string): Promise<Certificates> {
  const hosts = providerNames.map((name) => `virtrigaud-provider-${namespace}-${name}.${namespace}.svc`);
  const pair = await (await createTestPki()).issue({ sans: ["localhost", loopback, ...hosts] });
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const certFile = write("tls.crt", pair.cert);
  const keyFile = write("tls.key", pair.key);
  const caFile = write("ca.crt", pair.ca);
  const flags = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-file", caFile];
  return { flags, certFile, keyFile, caFile };
}

interface RunningApi extends AsyncDisposable {
  readonly kubeconfig: string;
  readonly restart: () => Promise<void>;
  readonly boot?: () => Boot;
  readonly etcdUrl?: string;
}

async function startApi(
  { api, folder }: WorldOptions,
  tls: Certificates,
  env: Readonly<Record<string, string>>,
): Promise<RunningApi> {
  const port = await freePort();
  if (api === "kube-apiserver") {
    const kubernetes = await startKubernetes({ folder: join(folder, "kubernetes"), port });
    const { kubeconfig, etcdUrl } = kubernetes;
    return {
      kubeconfig,
      etcdUrl,
      restart: () => kubernetes.restartApiserver(),
      [Symbol.asyncDispose]: () => kubernetes[Symbol.asyncDispose](),
    };
  }
  const token = "almanac-e2e-admin";
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const kubeconfig = join(folder, "kubeconfig");
  // JSON is YAML.
  const content = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "e2e",
    clusters: [
      { name: "e2e", cluster: { server: `https://${loopback}:${port}`, "certificate-authority": tls.caFile } },
    ],
    users: [{ name: "e2e", user: { token } }],
    contexts: [{ name: "e2e", context: { cluster: "e2e", user: "e2e" } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(content), { mode: 0o600 });
  const { certFile, keyFile, caFile } = tls;
  const settings: ApiProcessSettings = {
    port,
    stateDir: join(folder, "api"),
    certFile,
    keyFile,
    caFile,
    tokenFile,
    bootFile: join(folder, "boot.json"),
  };
  const process = createManagedProcess({
    name: "embedded API",
    file: fileURLToPath(new URL("api-process.ts", import.meta.url)),
    args: [JSON.stringify(settings)],
    env,
    url: undefined,
    logFolder: folder,
  });
  process.start();
  return {
    kubeconfig,
    restart() {
      rmSync(settings.bootFile, { force: true });
      return process.restart();
    },
    boot: () => JSON.parse(readFileSync(settings.bootFile, "utf8")) as Boot,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

async function prepare(kube: KubeClient, namespaces: readonly string[]): Promise<void> {
  const create = (path: string, body: object): Promise<unknown> =>
    eventually(() =>
      kube.request({ method: "POST", path, body }).catch((error: unknown) => {
        if (!isKubeError(error, "already_exists")) throw error;
      }),
    );
  await Promise.all(
    customResourceDefinitions().map((definition) =>
      create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition),
    ),
  );
  for (const name of namespaces)
    if (name !== namespace)
      await create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  await create(`/api/v1/namespaces/${namespace}/secrets`, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "credentials", namespace },
    stringData: { username: "root" },
  });
  for (const name of providerNames) {
    await create(`/api/v1/namespaces/${namespace}/secrets`, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: `${name}-tls`, namespace },
    });
  }
  const own = (of: string, plural: string, kind: string, name: string, spec: object): Promise<unknown> =>
    create(`/apis/${group}/${version}/namespaces/${of}/${plural}`, {
      apiVersion: `${group}/${version}`,
      kind,
      metadata: { name, namespace: of },
      spec,
    });
  for (const of of namespaces) {
    await own(of, "vmclasses", "VMClass", "small", { cpu: 1, memory: "1Gi" });
    await own(of, "vmclasses", "VMClass", "medium", { cpu: 2, memory: "4Gi" });
  }
  await own(namespace, "vmimages", "VMImage", "base", {
    source: { libvirt: { path: "/images/base.qcow2" }, vsphere: { templateName: "base" } },
  });
}

async function ensureProvider(kube: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  const providers = kube.resource<KubeObject>({
    group,
    version,
    plural: "providers",
    kind: "Provider",
    namespaced: true,
  });
  const type = providerTypes[name];
  const object = {
    metadata: { name, namespace },
    spec: {
      type,
      endpoint: type === "vsphere" ? "https://vcenter.example/sdk" : "qemu+tls://hypervisor.example/system",
      credentialSecretRef: { name: "credentials" },
      healthCheck: { interval: "1s", timeout: "2s", failureThreshold: 2 },
      rateLimit: { qps: 1000, burst: 2000 },
      runtime: {
        image: "almanac/provider-mock:0.1.0",
        service: { port: 9443, tls: { enabled: true, secretRef: { name: `${name}-tls` } } },
      },
    },
  } as unknown as KubeObject;
  while (!signal.aborted) {
    const found = await providers.find({ namespace, name }, { signal }).catch(() => undefined);
    if (found !== undefined && found.metadata.deletionTimestamp === undefined) return;
    if (found === undefined) await providers.create(object, { signal }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Deployment extends KubeObject {
  readonly status?: { readonly availableReplicas?: number };
}

/** What a kubelet says of the Deployments: whether the process behind them is ready. */
async function followDeployments(
  kube: KubeClient,
  hypervisors: Readonly<Record<HypervisorName, ManagedProcess>>,
  signal: AbortSignal,
): Promise<void> {
  const deployments = kube.resource<Deployment>({
    group: "apps",
    version: "v1",
    plural: "deployments",
    kind: "Deployment",
    namespaced: true,
  });
  while (!signal.aborted) {
    const { items } = await deployments.list({ namespace, signal }).catch(() => ({ items: [] }));
    for (const { metadata, status } of items) {
      const name = metadata.name.at(-1) ?? "";
      const available = hypervisors[name === "a" ? "a" : "b"].isReady ? 1 : 0;
      if ((status?.availableReplicas ?? 0) === available) continue;
      const body = { status: { replicas: 1, readyReplicas: available, availableReplicas: available } };
      await deployments.patch(metadata, body, { type: "merge", subresource: "status", signal }).catch(() => undefined);
    }
    await new Promise((resolve) => setTimeout(resolve, kubeletMs));
  }
}

function stateDir(folder: string, name: string): string {
  return join(folder, `state-${name}`);
}

function readMachines(file: string): KeptMachine[] {
  const records = new Map<string, KeptMachine & { readonly kind: string; readonly deleted?: true }>();
  for (const line of readFileSync(file, "utf8").split("\n").slice(0, -1)) {
    const { k, v } = JSON.parse(line) as { k: string; v?: KeptMachine & { kind: string } };
    if (v === undefined) records.delete(k);
    else records.set(k, v);
  }
  return [...records.values()].filter(({ kind, deleted }) => kind === "vm" && deleted !== true);
}

let nextPort = 20_000 + (process.pid % 900) * 10;

/** A free port that no outgoing connection takes while its process is dead. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort++;
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, loopback, () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
