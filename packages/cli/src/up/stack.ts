import { rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createApiServer } from "@almanac/apiserver";
import { createAsyncCleanup, sleep } from "@almanac/core";
import type { AsyncCleanup, Logger } from "@almanac/core";
import { createKubeClient, loadKubeConfig } from "@almanac/kube";
import type { KubeClient } from "@almanac/kube";
import { customResourceDefinitions } from "@almanac/manager";
import { CliError } from "../error.ts";
import { startComponent } from "./component.ts";
import type { Component } from "./component.ts";
import { builtFamilies } from "./families.ts";
import { createRunFolder } from "./folder.ts";
import type { RunFolder } from "./folder.ts";
import { openLogFile } from "./log-file.ts";
import { applyManifests, readManifests } from "./manifests.ts";
import type { Manifest } from "./manifests.ts";
import { idleFamilies, otlpDestination } from "./otlp-destination.ts";
import type { OtlpDestination } from "./otlp-destination.ts";
import { createDemoAuthority } from "./pki.ts";
import type { DemoAuthority } from "./pki.ts";
import { choosePort } from "./ports.ts";
import { createFamilyWatch } from "./readiness.ts";
import type { FamilyWatch, WatchedTarget } from "./readiness.ts";
import { startLocalRunner } from "./runner.ts";
import type { LocalRunner } from "./runner.ts";
import { startTraceSink } from "./trace-sink.ts";
import type { TraceSink } from "./trace-sink.ts";
import { createWorkload } from "./workload.ts";
import type { Workload } from "./workload.ts";

export interface StackOptions {
  /** Folder for everything this run writes. */
  readonly directory: string;
  /** Use this cluster instead of the embedded API. */
  readonly kubeconfig?: string;
  /** Keep the embedded API's state here across runs. */
  readonly stateDir?: string;
  /** A port that the user asked for by number; otherwise the usual one, or a free one when that is taken. */
  readonly apiPort?: number;
  readonly metricsPort?: number;
  readonly tracesPort?: number;
  /** Manifests to apply besides the definitions. Default: the examples. */
  readonly manifests?: string;
  readonly workload: false | { readonly size: number; readonly seed: number };
  readonly logLevel: string;
  readonly logger: Logger;
  /** Told about every step as it ends. */
  readonly onStep: (step: StackStep) => void;
}

export interface StackStep {
  readonly title: string;
  readonly detail: string;
  readonly seconds: number;
}

/** The whole demo, running. Disposing it stops every process and flushes what they hold. */
export interface Stack extends AsyncDisposable {
  readonly folder: RunFolder;
  /** What a person gives to kubectl. */
  readonly kubeconfig: string;
  readonly destination: OtlpDestination;
  readonly kube: KubeClient;
  readonly apiUrl: string;
  readonly manager: Component;
  readonly managerMetrics: string;
  readonly runner: LocalRunner;
  readonly sink: TraceSink | undefined;
  readonly workload: Workload | undefined;
  readonly watch: FamilyWatch;
}

const runsFromSource = import.meta.url.endsWith(".ts");
// The build copies the examples into the package.
const examples = runsFromSource ? "../../../../examples" : "../examples";
const defaultManifests = fileURLToPath(new URL(`${examples}/virtual-machines`, import.meta.url));
const namespace = "default";
/** Providers of the examples that a local process stands in for. */
const localProviders = ["vsphere-lab", "libvirt-lab"] as const;

/** Starts everything, in the order in which a person would. Whatever fails stops what was started before. */
export async function startStack(options: StackOptions, signal: AbortSignal): Promise<Stack> {
  const { logger } = options;
  const cleanup = createAsyncCleanup();
  try {
    const folder = cleanup.use(createRunFolder(options.directory, podsOf(options)));
    const authority = await step(options, "certificates", "demo authority, 30 days", () => prepareTls(folder));
    const apiUrl = await startApi(options, folder, authority, cleanup);
    const kube = createKubeClient(await loadKubeConfig({ kubeconfig: options.kubeconfig ?? folder.kubeconfig }), {
      userAgent: "almanac-up",
      logger,
    });
    cleanup.use(kube);
    const manifests = readManifests(options.manifests ?? defaultManifests);
    const definitions = customResourceDefinitions();
    await step(options, "definitions", `${definitions.length} kinds`, () => applyManifests(kube, definitions, signal));
    const destination = otlpDestination(process.env);
    const sink = await startSink(options, destination, cleanup);
    const env = componentEnv(sink, gitCommit());
    const runner = await startLocalRunner({
      kube,
      env,
      directory: folder.pods,
      endpointsFile: folder.endpoints,
      logger,
      signal,
    });
    cleanup.use(runner);
    const metricsPort = await portFor(options, "manager metrics", options.metricsPort, 8080);
    const managerMetrics = `http://127.0.0.1:${metricsPort}/metrics`;
    const manager = startManagerProcess(options, folder, metricsPort, env, cleanup);
    // While the manager's process loads.
    await step(options, "examples", `${manifests.length} objects`, async () =>
      applyManifests(kube, [...(await tlsSecrets(authority)), ...manifests], signal),
    );
    await step(options, "manager", managerMetrics, () => untilAnswers(managerMetrics, signal));
    await step(options, "providers", "two mock hypervisors over mTLS gRPC", () => untilProviders(runner, signal));
    const kubeconfig = options.kubeconfig ?? folder.kubeconfig;
    const result = { folder, kubeconfig, destination, kube, apiUrl, manager, managerMetrics, runner, sink };
    const list = (): void => writeUpJson(result);
    runner.onChange(list);
    list();
    const workload = startWorkload(options, kube, cleanup);
    const watch = createFamilyWatch({
      families: [...builtFamilies().keys()].filter((name) => !idleFamilies(destination).includes(name)),
      targets: () => watchedTargets(managerMetrics, runner),
    });
    return { ...result, workload, watch, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/** Volumes live as long as the API's objects: with its state, with the user's cluster, or for this run. */
function podsOf({ directory, stateDir, kubeconfig }: StackOptions): { pods?: string } {
  if (kubeconfig !== undefined) return { pods: join(directory, "cluster-pods") };
  return stateDir === undefined ? {} : { pods: join(stateDir, "pods") };
}

async function prepareTls(folder: RunFolder): Promise<DemoAuthority> {
  const authority = await createDemoAuthority();
  const client = await authority.issue(["virtrigaud-manager"]);
  writeFileSync(join(folder.tls, "ca.crt"), authority.ca, { mode: 0o600 });
  writeFileSync(join(folder.tls, "tls.crt"), client.cert, { mode: 0o600 });
  writeFileSync(join(folder.tls, "tls.key"), client.key, { mode: 0o600 });
  return authority;
}

async function startApi(
  options: StackOptions,
  folder: RunFolder,
  authority: DemoAuthority,
  cleanup: AsyncCleanup,
): Promise<string> {
  if (options.kubeconfig !== undefined) {
    // The file is the user's: scripts are pointed at it, nothing is copied out of it.
    rmSync(folder.kubeconfig, { force: true });
    return (await loadKubeConfig({ kubeconfig: options.kubeconfig })).server;
  }
  const port = await portFor(options, "Kubernetes API", options.apiPort, 6443);
  return step(options, "Kubernetes API", `https://127.0.0.1:${port}`, async () => {
    const pair = await authority.issue(["localhost", "127.0.0.1"]);
    const server = await createApiServer({
      port,
      tls: { ...pair, ca: authority.ca },
      logger: options.logger,
      ...(options.stateDir === undefined ? {} : { stateDir: join(options.stateDir, "api") }),
    });
    cleanup.use(server);
    writeFileSync(folder.kubeconfig, server.kubeconfig, { mode: 0o600 });
    return server.url;
  });
}

async function startSink(
  options: StackOptions,
  destination: OtlpDestination,
  cleanup: AsyncCleanup,
): Promise<TraceSink | undefined> {
  if (destination.kind !== "own") return undefined;
  const port = await portFor(options, "traces", options.tracesPort, 4318);
  return cleanup.use(await startTraceSink({ port, refuseOnce: true }));
}

/** Variables of every component. */
function componentEnv(sink: TraceSink | undefined, gitSha: string | undefined): Record<string, string> {
  return {
    ...(gitSha === undefined ? {} : { ALMANAC_GIT_SHA: gitSha }),
    ...(sink === undefined
      ? {}
      : {
          OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
          // Soon enough for somebody who watches.
          OTEL_BSP_SCHEDULE_DELAY: process.env["OTEL_BSP_SCHEDULE_DELAY"] || "1000",
          OTEL_METRIC_EXPORT_INTERVAL: process.env["OTEL_METRIC_EXPORT_INTERVAL"] || "5000",
        }),
  };
}

/** The commit that runs, when this is a clone and git is there. An installed package is in somebody else's repository. */
function gitCommit(): string | undefined {
  if (!runsFromSource) return undefined;
  const { status, stdout } = spawnSync("git", ["rev-parse", "--short=12", "HEAD"], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return status === 0 ? stdout.trim() : undefined;
}

function startManagerProcess(
  options: StackOptions,
  folder: RunFolder,
  metricsPort: number,
  env: Readonly<Record<string, string>>,
  cleanup: AsyncCleanup,
): Component {
  const log = openLogFile(join(folder.logs, "manager.log"));
  return cleanup.use(
    startComponent({
      name: "manager",
      args: [
        "manager",
        ...["--kubeconfig", options.kubeconfig ?? folder.kubeconfig],
        ...["--metrics-bind-address", `127.0.0.1:${metricsPort}`],
        ...["--provider-endpoints-file", folder.endpoints],
        ...["--tls-cert-file", join(folder.tls, "tls.crt")],
        ...["--tls-key-file", join(folder.tls, "tls.key")],
        ...["--tls-ca-file", join(folder.tls, "ca.crt")],
        // Few, so that a newcomer sees a queue: the demo's machines are few as well.
        ...["--concurrency", "2"],
        ...["--log-level", options.logLevel],
      ],
      env,
      log,
      onExit: (how) => options.logger.warn("the manager ended and is started again", { how, log: log.path }),
    }),
  );
}

function startWorkload(options: StackOptions, kube: KubeClient, cleanup: AsyncCleanup): Workload | undefined {
  if (options.workload === false) return undefined;
  const { size, seed } = options.workload;
  const workload = createWorkload({ kube, logger: options.logger, namespace, providers: localProviders, size, seed });
  const ended = new AbortController();
  const running = workload.run(ended.signal);
  cleanup.defer(async () => {
    ended.abort(new Error("the stack is closing"));
    await running;
  });
  return workload;
}

/** Server certificates of the providers, as Secrets that their Deployments mount. */
async function tlsSecrets(authority: DemoAuthority): Promise<Manifest[]> {
  return Promise.all(
    localProviders.map(async (name) => {
      const service = `virtrigaud-provider-${namespace}-${name}`;
      const pair = await authority.issue([
        `${service}.${namespace}.svc`,
        `${service}.${namespace}.svc.cluster.local`,
        "localhost",
        "127.0.0.1",
      ]);
      return {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: `${name}-tls`, namespace },
        type: "kubernetes.io/tls",
        stringData: { "tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": authority.ca },
      } as Manifest;
    }),
  );
}

function watchedTargets(managerMetrics: string, runner: LocalRunner): WatchedTarget[] {
  return [
    { name: "manager", url: managerMetrics },
    ...runner.providers.map(({ provider, metrics }) => ({ name: `provider ${provider}`, url: metrics })),
  ];
}

function writeUpJson({
  folder,
  kubeconfig,
  managerMetrics,
  runner,
}: Pick<Stack, "folder" | "kubeconfig" | "managerMetrics" | "runner">): void {
  const tls = { ca: join(folder.tls, "ca.crt"), cert: join(folder.tls, "tls.crt"), key: join(folder.tls, "tls.key") };
  const content = {
    kubeconfig: resolve(kubeconfig),
    targets: [
      { component: "manager", name: "virtrigaud-manager", metrics: managerMetrics },
      ...runner.providers.map(({ provider, metrics }) => ({ component: "provider", name: provider, metrics })),
    ],
    providers: runner.providers.map(({ provider, grpc, stateDir }) => ({ name: provider, grpc, tls, stateDir })),
  };
  writeFileSync(folder.upJson, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
}

async function portFor(options: StackOptions, what: string, asked: number | undefined, usual: number): Promise<number> {
  const { port, wasTaken } = await choosePort(asked ?? usual, { strict: asked !== undefined && asked !== 0 });
  if (wasTaken) options.onStep({ title: "port", detail: `${usual} is taken, ${what} uses ${port}`, seconds: 0 });
  return port;
}

async function step<T>(options: StackOptions, title: string, detail: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  options.onStep({ title, detail, seconds: (performance.now() - started) / 1000 });
  return result;
}

const startTimeoutMs = 60_000;

async function untilAnswers(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  while (performance.now() < deadline) {
    const answered = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) }).then(
      (response) => response.ok,
      () => false,
    );
    if (answered) return;
    await sleep(50, { signal });
  }
  throw new CliError(
    "failed",
    `${url} did not answer within ${startTimeoutMs / 1000} s; see the logs in the run folder`,
  );
}

async function untilProviders(runner: LocalRunner, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  while (runner.providers.length < localProviders.length) {
    if (performance.now() > deadline) {
      throw new CliError(
        "failed",
        `the manager made no Deployment for ${localProviders.join(" and ")} within ${startTimeoutMs / 1000} s`,
      );
    }
    await sleep(50, { signal });
  }
  await Promise.all(runner.providers.map(({ metrics }) => untilAnswers(metrics, signal)));
}
