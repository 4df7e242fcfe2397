// What the stories about a running manager have in common: an API server, mocks, a manager, and the questions asked of them.
import { AsyncLocalStorage } from "node:async_hooks";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { createApiServer, type ApiServer, type ApiServerOptions } from "@almanac/apiserver";
import { virtrigaud } from "@almanac/catalog";
import { bearerToken, createKubeClient, type KubeClient } from "@almanac/kube";
import { systemClock, type Clock } from "@almanac/core";
import { createProviderClient, startProviderServer } from "@almanac/provider";
import type { ProviderClient, ProviderHandlers } from "@almanac/provider";
import {
  startMockProvider,
  type JournalLine,
  type MockProvider,
  type MockProviderOptions,
} from "@almanac/provider-mock";
import { createNoopTelemetry, startTelemetry, type Telemetry } from "@almanac/telemetry";
import { customResourceDefinitions } from "./api/kinds.ts";
import type { Provider } from "./api/provider.ts";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import { startManager, type Manager, type ManagerOptions } from "./manager.ts";
import { createResources, type Resources } from "./resources.ts";

const hurry = 5;
const beginMs = Date.now();
/** Real time, five times as fast: pauses between tries are shorter, and nothing else is different. */
export const hurriedClock: Clock = {
  now: () => beginMs + (Date.now() - beginMs) * hurry,
  monotonic: () => performance.now() * hurry,
  setTimeout: (callback, delayMs, options) => systemClock.setTimeout(callback, delayMs / hurry, options),
};

type Close = () => Promise<unknown> | void;

const ofNoTest: Close[] = [];
const ofTest = new AsyncLocalStorage<Close[]>();

/** Called when the test is over, before what was given earlier. */
function atEnd(close: Close): void {
  (ofTest.getStore() ?? ofNoTest).push(close);
}

/** For `afterEach`: ends everything that was started here, newest first. */
export async function closeWorlds(): Promise<void> {
  for (const close of ofNoTest.splice(0).reverse()) await close();
}

/** For `aroundEach`: the same, of each test for itself, so that several may run at a time. */
export async function withOwnWorlds(runTest: () => Promise<unknown>): Promise<void> {
  const closing: Close[] = [];
  try {
    await ofTest.run(closing, runTest);
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

export interface World {
  readonly api: ApiServer;
  /** Another process at the same address, after `downMs` in which nobody listens. The world must be persistent. */
  restartApi(downMs: number): Promise<void>;
  readonly kube: KubeClient;
  readonly resources: Resources;
  readonly telemetry: Telemetry;
  readonly folder: string;
  /** `method path` of every write the API server took. */
  readonly writes: string[];
  /** Address of the Provider `default/NAME`. */
  readonly endpoints: Map<string, string>;
  startMock(name: string, options?: Partial<MockProviderOptions>): Promise<MockProvider>;
  startManager(options?: Partial<ManagerOptions>): Promise<Manager>;
  addProvider(name: string, spec?: Partial<Provider["spec"]>, namespace?: string): Promise<void>;
  addMachine(name: string, spec?: Partial<VirtualMachine["spec"]>, namespace?: string): Promise<void>;
  provider(name: string): Provider | undefined;
  machine(name: string, namespace?: string): VirtualMachine | undefined;
  journal(name: string): JournalLine[];
  /** Samples other than 0 of the manager's page, by their label values in the order of the catalog. */
  samples(family: string): Promise<Record<string, number>>;
}

/** An API server with the definitions, a class and an image; everything else is the test's. */
export async function createWorld(
  options: { readonly retireAfterMs?: number; readonly persistent?: boolean } = {},
): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "manager-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const writes: string[] = [];
  const startApi = (more: ApiServerOptions = {}): Promise<ApiServer> =>
    createApiServer({
      onRequest: ({ method, path }) => void (method === "GET" || writes.push(`${method} ${path}`)),
      ...(options.persistent === true ? { stateDir: join(folder, "api") } : {}),
      ...more,
    });
  let api = await startApi();
  atEnd(() => api.close());
  const kube = clientOf(api.url, api.token);
  const telemetry = await startTelemetry({
    serviceName: "virtrigaud-manager",
    owner: "manager",
    catalogs: [virtrigaud],
    metrics: {},
    logs: { level: "error", destination: process.stderr },
    env: {},
    ...options,
  });
  atEnd(() => telemetry.shutdown());
  const resources = createResources(kube);
  for (const body of customResourceDefinitions()) {
    await kube.request({ method: "POST", path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body });
  }
  await resources.vmClasses.create({
    metadata: { name: "small", namespace: "default" },
    spec: { cpu: 1, memory: "1Gi" },
  } as never);
  await resources.vmImages.create({
    metadata: { name: "linux", namespace: "default" },
    spec: { source: { libvirt: { url: "https://images.example/linux.img" } } },
  } as never);
  const endpoints = new Map<string, string>();

  return {
    get api() {
      return api;
    },
    async restartApi(downMs) {
      const { port } = new URL(api.url);
      const { token } = api;
      await api.close();
      await wait(downMs);
      api = await startApi({ port: Number(port), tokens: [token] });
    },
    kube,
    resources,
    telemetry,
    folder,
    writes,
    endpoints,
    async startMock(name, options = {}) {
      const mockTelemetry = createNoopTelemetry();
      const mock = await startMockProvider({
        providerType: "mock",
        providerName: name,
        port: 0,
        tls: "insecure",
        telemetry: mockTelemetry,
        stateDir: join(folder, name),
        drainMs: 100,
        ...options,
      });
      atEnd(() => mock.shutdown());
      endpoints.set(`default/${name}`, mock.address);
      return mock;
    },
    async startManager(options = {}) {
      const manager = await startManager({
        kube,
        telemetry,
        tls: "insecure",
        providerEndpoint: (key) => endpoints.get(key),
        describeIntervalMs: 60_000,
        random: () => 0,
        drainMs: 1_000,
        ...options,
      });
      atEnd(() => manager.stop());
      return manager;
    },
    async addProvider(name, spec = {}, namespace = "default") {
      await resources.providers.create({
        metadata: { name, namespace },
        spec: {
          type: "mock",
          endpoint: "mock:///",
          credentialSecretRef: { name: "credentials" },
          healthCheck: { interval: "300ms", timeout: "2s" },
          runtime: { image: "almanac/provider-mock:0.1.0", service: { tls: { enabled: false } } },
          ...spec,
        },
      } as never);
    },
    async addMachine(name, spec = {}, namespace = "default") {
      await resources.virtualMachines.create({
        metadata: { name, namespace },
        spec: {
          providerRef: { name: "lab", namespace: "default" },
          classRef: { name: "small", namespace: "default" },
          imageRef: { name: "linux", namespace: "default" },
          ...spec,
        },
      } as never);
    },
    provider: (name) => api.store.get("providers.infra.virtrigaud.io", "default", name) as never,
    machine: (name, namespace = "default") =>
      api.store.get("virtualmachines.infra.virtrigaud.io", namespace, name) as never,
    journal(name) {
      const text = readFileSync(join(folder, name, "journal.jsonl"), "utf8").trim();
      return text === "" ? [] : text.split("\n").map((line) => JSON.parse(line) as JournalLine);
    },
    async samples(family) {
      const headers = { "accept-encoding": "identity" };
      const page = await (await fetch(`${telemetry.metricsUrl}/metrics`, { headers })).text();
      const found: Record<string, number> = {};
      for (const [, labels = "", value] of page.matchAll(new RegExp(`^${family}(?:\\{(.*)\\})? (\\S+)$`, "gm"))) {
        if (Number(value) === 0) continue;
        const values = Object.fromEntries(
          [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", text]) => [key, text]),
        ) as Record<string, string>;
        const keys = Object.keys(virtrigaud.families[family as keyof typeof virtrigaud.families]?.labels ?? values);
        found[keys.map((key) => values[key]).join(" ")] = Number(value);
      }
      return found;
    },
  };
}

export function clientOf(server: string, token: string): KubeClient {
  const kube = createKubeClient({ server, auth: bearerToken(token) }, { userAgent: "virtrigaud-manager/test" });
  atEnd(() => kube[Symbol.dispose]());
  return kube;
}

/** Resolves with the first truthy answer. */
export async function until<T>(what: string, ask: () => T | Promise<T>, timeoutMs = 40_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await wait(5);
  }
}

interface Conditioned {
  readonly status?: { readonly conditions?: { type: string; status: string; reason: string; message: string }[] };
}

export function condition(object: Conditioned | undefined, type: string) {
  return object?.status?.conditions?.find((candidate) => candidate.type === type);
}

export function isReady(object: Conditioned | undefined): boolean {
  return condition(object, "Ready")?.status === "True";
}

/** A machine that is as wished and whose status is about its present specification. */
export function isCurrent(machine: VirtualMachine | undefined): boolean {
  return isReady(machine) && machine?.status?.observedGeneration === machine?.metadata.generation;
}

export async function untilReady(world: World, name: string, namespace = "default"): Promise<VirtualMachine> {
  await until(`${name} ready`, () => isCurrent(world.machine(name, namespace)));
  return world.machine(name, namespace) as VirtualMachine;
}

export function effects(world: World, provider: string): string[] {
  return world
    .journal(provider)
    .filter(({ kind }) => kind === "effect")
    .map(({ method }) => method);
}

/** An address of this machine at which nothing listens. */
export async function closedAddress(): Promise<string> {
  const reserved = createServer().listen(0, "127.0.0.1");
  await until("listening", () => reserved.listening);
  const { port } = reserved.address() as AddressInfo;
  await new Promise((resolve) => reserved.close(resolve));
  return `127.0.0.1:${port}`;
}

interface EventRead {
  readonly involvedObject: { readonly name: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

export function eventsOf(world: World, name: string): EventRead[] {
  const all = world.api.store.list("events") as unknown as EventRead[];
  return all.filter(({ involvedObject }) => involvedObject.name === name);
}

export interface Proxy {
  readonly url: string;
  /** `host:port`. */
  readonly address: string;
  /** Connections that it has now, and the most that it ever had. */
  readonly open: number;
  readonly most: number;
  cut(): void;
}

/** Passes bytes on to a port until it is cut: then every connection breaks, and none is taken. */
export async function startProxy(port: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let most = 0;
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
      socket.on("close", () => void (sockets.delete(socket), other.destroy()));
    }
    most = Math.max(most, sockets.size / 2);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  atEnd(cut);
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${address}`,
    address,
    get open() {
      return Math.ceil(sockets.size / 2);
    },
    get most() {
      return most;
    },
    cut,
  };
}

/** Stands before a provider and answers in its place where `instead` says so; all else is passed on. */
export async function startFront(
  world: World,
  mock: MockProvider,
  instead: (client: ProviderClient) => Partial<ProviderHandlers>,
): Promise<void> {
  const telemetry = createNoopTelemetry();
  const client = createProviderClient({ address: mock.address, tls: "insecure", telemetry });
  const others = instead(client);
  const handlers = new Proxy({} as ProviderHandlers, {
    get: (_target, name) =>
      others[name as keyof ProviderHandlers] ??
      ((request: never) => (client[name as keyof ProviderHandlers] as (request: never) => Promise<unknown>)(request)),
    has: () => true,
  });
  const server = await startProviderServer({
    handlers,
    telemetry,
    providerType: "mock",
    providerName: "lab",
    port: 0,
    tls: "insecure",
    drainMs: 50,
  });
  atEnd(async () => {
    await server.shutdown();
    client[Symbol.dispose]();
  });
  world.endpoints.set("default/lab", server.address);
}
