import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { virtrigaud } from "@almanac/catalog";
import type { Kind } from "@almanac/catalog";
import { createAsyncCleanup, systemClock } from "@almanac/core";
import type { AsyncCleanup, Clock } from "@almanac/core";
import {
  annotationsChanged,
  createController,
  generationChanged,
  or,
  ownerRequests,
  runControllers,
  watch,
} from "@almanac/controller";
import type { Controller, Partition, Predicate, Request } from "@almanac/controller";
import { clientCredentials } from "@almanac/grpc";
import type { TlsFiles } from "@almanac/grpc";
import { createEventRecorder, createInformer } from "@almanac/kube";
import type { KubeClient, KubeObject } from "@almanac/kube";
import type { Telemetry } from "@almanac/telemetry";
import { group } from "./api/define-kind.ts";
import type { Provider } from "./api/provider.ts";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import type { Informers, ManagerContext } from "./context.ts";
import { cloneIndexers } from "./clone/reconciler.ts";
import { findCondition } from "./conditions.ts";
import { ManagerError } from "./error.ts";
import { imageIndexers } from "./image/journal.ts";
import { createIdleCollector } from "./idle-collector.ts";
import { createKindControllers, imageMoved } from "./kinds.ts";
import { createProviderPool } from "./provider/pool.ts";
import type { BreakerOptions } from "./provider/pool.ts";
import { providerKey } from "./provider/names.ts";
import { createProviderReconciler } from "./provider/reconciler.ts";
import { createSightings } from "./provider/sightings.ts";
import { fieldManager } from "./provider/workload.ts";
import { createResources } from "./resources.ts";
import type { Resources, Secret } from "./resources.ts";
import { createAges } from "./operation/ages.ts";
import { journalAnnotation } from "./operation/session.ts";
import { createReleased } from "./operation/released.ts";
import { operationContext, operationLinks, traceAnnotation } from "./operation/trace.ts";
import { machineProvider, readJournal } from "./virtual-machine/journal.ts";
import { machineNameOf } from "./snapshot/journal.ts";
import { snapshotIndexers } from "./snapshot/siblings.ts";
import { createMachineReconciler } from "./virtual-machine/reconciler.ts";
import { findProvider, referenceIndexers } from "./virtual-machine/references.ts";
import { snapshotAppeared } from "./virtual-machine/snapshots.ts";
import { createShare } from "./sharding.ts";
import type { LeaderElectionOptions, ShardingOptions } from "./sharding.ts";

export interface ManagerOptions {
  readonly kube: KubeClient;
  /** Started with owner `manager` and the catalog `virtrigaud`. */
  readonly telemetry: Telemetry;
  /** Client certificate towards all providers; plaintext only when asked for in so many words. */
  readonly tls: TlsFiles | "insecure";
  /** Where to dial a Provider (`namespace/name`) instead of its Service, `host:port`. Asked before every request. */
  readonly providerEndpoint?: (namespacedName: string) => string | undefined;
  /** Only the holder of a Lease reconciles. Default: false, it reconciles at once. */
  readonly leaderElection?: LeaderElectionOptions | false;
  /** More than one manager works at a time, each on its own namespaces. Default: one works on all. */
  readonly sharding?: ShardingOptions;
  /**
   * Objects of each kind that are reconciled at the same time. What has waited for a provider's answer for a second comes on top; as many of
   * one Provider, then its others are put off. Default: 8.
   */
  readonly concurrency?: number;
  /** The same of single kinds; it wins over `concurrency`. */
  readonly concurrencyByKind?: Partial<Readonly<Record<Kind, number>>>;
  /**
   * How often a machine at rest is compared with its hypervisor, milliseconds: by itself, or with a hundred and more of one Provider by a list of
   * all. Default: 60,000.
   */
  readonly describeIntervalMs?: number;
  /**
   * How long the Deployment of a Provider may be without an available pod, milliseconds, until that counts as a failure to connect.
   * Default: 10,000.
   */
  readonly startGraceMs?: number;
  /** Of every Provider. Default: 10 failures in a row open it for 60 s, then 3 calls decide. */
  readonly circuitBreaker?: BreakerOptions;
  /** How long reconciles under way may take to end at a stop, milliseconds. Default: 10,000. */
  readonly drainMs?: number;
  /** Labels of `virtrigaud_build_info`. Default: this package's version, and `unknown`. */
  readonly build?: { readonly version?: string; readonly gitSha?: string };
  readonly clock?: Clock;
  /** Source of jitter, in [0, 1). Default: Math.random. */
  readonly random?: () => number;
  /** Stops the manager, as disposing does. */
  readonly signal?: AbortSignal;
}

/** A running manager. Disposing it stops it and waits for what is under way. */
export interface Manager extends AsyncDisposable {
  /** It reconciles now: with leader election, it holds the Lease, or one of a shard. */
  readonly leading: boolean;
  /** With shared-out shards, those that it holds. */
  readonly shards: readonly number[];
  /** Resolves when it has stopped; rejects when it could not go on. */
  readonly ended: Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts the reconcilers of all seven kinds. Resolves once their informers are complete, which takes an API server that
 * answers; until then `/readyz` says what is missing.
 *
 * @throws ManagerError `invalid_options`; GrpcError for TLS files that cannot be used; the reason of `signal`.
 */
export async function startManager(options: ManagerOptions): Promise<Manager> {
  const {
    kube,
    telemetry,
    concurrency = 8,
    concurrencyByKind = {},
    describeIntervalMs = 60_000,
    startGraceMs = 10_000,
    clock = systemClock,
    random = Math.random,
  } = options;
  requireWorkers("concurrency", concurrency);
  for (const [kind, workers] of Object.entries(concurrencyByKind)) requireWorkers(`concurrencyByKind.${kind}`, workers);
  if (!(describeIntervalMs > 0)) {
    throw new ManagerError("invalid_options", `describeIntervalMs must be greater than 0, got ${describeIntervalMs}`);
  }
  if (!(startGraceMs >= 0)) {
    throw new ManagerError("invalid_options", `startGraceMs must be 0 or more milliseconds, got ${startGraceMs}`);
  }
  // Files that cannot be used are better found now than with the first Provider.
  clientCredentials(options.tls)[Symbol.dispose]();

  await using cleanup = createAsyncCleanup();
  const { logger } = telemetry;
  const instruments = telemetry.instruments(virtrigaud);
  const resources = createResources(kube);
  const informers = createInformers(resources, { clock, logger });
  const pool = cleanup.use(
    createProviderPool({
      telemetry,
      clock,
      tls: options.tls,
      providerEndpoint: options.providerEndpoint,
      breaker: options.circuitBreaker,
      slowCalls: Math.max(concurrency, ...Object.values(concurrencyByKind)),
    }),
  );
  const asking = new AbortController();
  cleanup.defer(() => asking.abort(new Error("the manager has stopped")));
  const sightings = createSightings({
    informers,
    intervalMs: describeIntervalMs,
    isActive: () => isLeading(),
    clock,
    logger,
    signal: asking.signal,
  });
  const events = cleanup.use(createEventRecorder(kube, { component: "virtrigaud-manager", logger, clock }));
  const manager: ManagerContext = {
    telemetry,
    instruments,
    resources,
    informers,
    pool,
    sightings,
    events,
    released: createReleased(),
    ages: createAges(clock),
    clock,
    random,
    describeIntervalMs,
    startGraceMs,
  };
  const share = createShare(kube, {
    leaderElection: options.leaderElection,
    sharding: options.sharding,
    clock,
    random,
    telemetry,
  });
  const idle = cleanup.use(createIdleCollector({ clock, logger }));
  const controllers = createControllers(manager, {
    onReconciled: () => idle.note(),
    workersOf: (kind) => concurrencyByKind[kind] ?? concurrency,
    drainMs: options.drainMs ?? 10_000,
    ...(share.partition === undefined ? {} : { partition: share.partition }),
  });
  // Every manager has a handle of whatever Provider its machines use; only one reconciles the Provider.
  cleanup.use(
    informers.providers.onEvent(({ type, object }) => {
      if (type === "delete") pool.remove(providerKey(object));
    }),
  );
  cleanup.use(
    sightings.onFind((request, priority) => {
      for (const controller of controllers) {
        if (controller.kind === "VirtualMachine") controller.enqueue(request, { priority });
      }
    }),
  );
  cleanup.use(observeQueues(manager, controllers));
  await recordBuild(manager, options.build);

  const stopping = new AbortController();
  const signal = options.signal === undefined ? stopping.signal : AbortSignal.any([options.signal, stopping.signal]);
  const { elector, shards } = share;
  const synced = Promise.withResolvers<void>();
  let running = true;
  function isLeading(): boolean {
    return running && (elector?.leading ?? (shards === undefined || shards.held.length > 0));
  }
  addHealthChecks(cleanup, manager, controllers);

  const run = runControllers({
    controllers,
    informers: Object.values(informers),
    signal,
    logger,
    onSynced: synced.resolve,
    ...(elector === undefined ? {} : { leaderElection: elector }),
    ...(shards === undefined ? {} : { shards }),
  });
  const resourcesInUse = cleanup.move();
  const ended = run.finally(async () => {
    running = false;
    await resourcesInUse[Symbol.asyncDispose]();
  });
  // Reported by the promise itself; a caller that only stops must not be hit by an unhandled rejection.
  ended.catch(() => {});
  await Promise.race([synced.promise, ended]);
  signal.throwIfAborted();
  logger.info("The manager has started", {
    concurrency,
    ...(Object.keys(concurrencyByKind).length === 0 ? {} : { concurrencyByKind }),
    leaderElection: elector !== undefined,
    sharding: options.sharding,
  });

  async function stop(): Promise<void> {
    stopping.abort(new Error("the manager was asked to stop"));
    await ended;
  }
  return {
    get leading() {
      return isLeading();
    },
    get shards() {
      return running ? (shards?.held ?? []) : [];
    },
    ended,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function requireWorkers(name: string, workers: number): void {
  if (Number.isInteger(workers) && workers >= 1) return;
  throw new ManagerError("invalid_options", `${name} must be a whole number of at least 1, got ${workers}`);
}

function createInformers(
  resources: Resources,
  options: { readonly clock: Clock; readonly logger: Telemetry["logger"] },
): Informers {
  return {
    providers: createInformer(resources.providers, options),
    virtualMachines: createInformer(resources.virtualMachines, { ...options, indexers: referenceIndexers }),
    vmClasses: createInformer(resources.vmClasses, options),
    vmImages: createInformer(resources.vmImages, { ...options, indexers: imageIndexers }),
    vmNetworkAttachments: createInformer(resources.vmNetworkAttachments, options),
    vmSnapshots: createInformer(resources.vmSnapshots, { ...options, indexers: snapshotIndexers }),
    vmClones: createInformer(resources.vmClones, { ...options, indexers: cloneIndexers }),
    deployments: createInformer(resources.deployments, {
      ...options,
      labelSelector: `app.kubernetes.io/managed-by=${fieldManager}`,
    }),
    secrets: createInformer(resources.secrets, { ...options, transform: withoutData }),
  };
}

function withoutData({ apiVersion, kind, metadata }: Secret): Secret {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion, kind, metadata: { namespace, name, uid, resourceVersion } } as Secret;
}

type AnyController = Controller & { readonly kind: string };

function createControllers(
  manager: ManagerContext,
  options: {
    readonly workersOf: (kind: Kind) => number;
    readonly onReconciled: () => void;
    readonly drainMs: number;
    readonly partition?: Partition;
  },
): AnyController[] {
  const { informers, telemetry, clock, random, instruments } = manager;
  const { workersOf, ...common } = options;
  const shared = (kind: Kind) => ({
    telemetry,
    clock,
    random,
    ...common,
    concurrency: workersOf(kind),
    onReconciled({ outcome, durationSeconds }: { outcome: "success" | "failure" | "error"; durationSeconds: number }) {
      instruments.virtrigaud_manager_reconcile_total.add(1, { kind, outcome });
      instruments.virtrigaud_manager_reconcile_duration_seconds.record(durationSeconds, { kind });
      common.onReconciled();
    },
  });
  /** Reconciles belong to the trace of the operation under way; all others link to that of the last one. */
  const traced = <T extends KubeObject>(isUnderway: (object: T) => boolean) => ({
    parentContext: (object: T) => (isUnderway(object) ? operationContext(object) : undefined),
    links: (object: T) => (isUnderway(object) ? [] : operationLinks(object)),
  });
  const changed: Predicate = or(
    generationChanged(),
    // What the manager writes itself is no news to it.
    annotationsChanged({ ignore: [journalAnnotation, traceAnnotation] }),
  );
  const users = (index: keyof typeof referenceIndexers) => (object: KubeObject) =>
    informers.virtualMachines
      .byIndex(index, `${object.metadata.namespace}/${object.metadata.name}`)
      .map(({ metadata }): Request => ({ namespace: metadata.namespace, name: metadata.name }));

  const providers = createController<Provider>({
    ...shared("Provider"),
    name: "provider",
    informer: informers.providers,
    predicates: [changed],
    reconcile: createProviderReconciler(manager),
    // For writes that the API server did not take; checks that fail have their own rhythm.
    backoff: { baseMs: 200, maxMs: 60_000 },
    watches: [
      watch(informers.deployments, { map: ownerRequests("Provider", { apiGroup: group }) }),
      watch(informers.virtualMachines, {
        map: (vm) => providersWaitingFor(vm, informers),
        predicates: [
          (event) =>
            event.type === "delete" ||
            (event.type === "update" && machineProvider(event.old) !== machineProvider(event.object)),
        ],
      }),
    ],
  });
  const machines = createController<VirtualMachine>({
    ...shared("VirtualMachine"),
    name: "virtualmachine",
    informer: informers.virtualMachines,
    predicates: [changed, isThere],
    reconcile: createMachineReconciler(manager),
    ...traced((vm: VirtualMachine) => readJournal(vm).attempt !== undefined),
    backoff: { baseMs: 1_000, maxMs: 300_000 },
    watches: [
      watch(informers.providers, { map: users("provider"), predicates: [providerBecameUsable] }),
      watch(informers.vmClasses, { map: users("class"), predicates: [generationChanged()] }),
      watch(informers.vmImages, { map: users("image"), predicates: [imageMoved] }),
      watch(informers.vmNetworkAttachments, { map: users("network"), predicates: [generationChanged()] }),
      watch(informers.secrets, {
        // One that has what it needs is not asked about because a password was changed.
        map: (secret) => users("secret")(secret).filter((machine) => isUnmet(machine, informers)),
      }),
      watch(informers.vmSnapshots, {
        map: (snapshot) =>
          [{ namespace: snapshot.metadata.namespace, name: machineNameOf(snapshot) }].filter(
            ({ namespace, name }) => informers.virtualMachines.get(namespace, name) !== undefined,
          ),
        predicates: [(event) => event.type === "update" && snapshotAppeared(event.old, event.object)],
      }),
    ],
  });
  const others = createKindControllers(manager, {
    shared,
    traced,
    changed,
    isThere,
    providerBecameUsable,
  });
  return [providers, machines, ...others];
}

/** For a kind with a finalizer nothing is left to do once its object is gone. */
const isThere: Predicate = ({ type }) => type !== "delete";

/** It was said to lack something it names, or to be unable to use it. */
function isUnmet({ namespace, name }: Request, informers: Informers): boolean {
  const vm = informers.virtualMachines.get(namespace, name);
  const reason = findCondition(vm?.status?.conditions, "Ready")?.reason;
  return reason === "DependencyNotFound" || reason === "InvalidSpec";
}

/** The Provider that cannot go before this machine has. */
function providersWaitingFor(vm: VirtualMachine, informers: Informers): Request[] {
  const provider = findProvider(informers, machineProvider(vm));
  if (provider?.metadata.deletionTimestamp === undefined) return [];
  const { namespace, name } = provider.metadata;
  return [{ namespace, name }];
}

/** Health checks write the status all the time; machines care when it opens a door. */
const providerBecameUsable: Predicate<Provider> = (event) => {
  if (event.type !== "update") return true;
  const { old, object } = event;
  return (
    old.metadata.generation !== object.metadata.generation ||
    (old.status?.healthy !== true && object.status?.healthy === true) ||
    !isDeepStrictEqual(old.status?.reportedCapabilities, object.status?.reportedCapabilities)
  );
};

function observeQueues({ instruments }: ManagerContext, controllers: readonly Controller[]): Disposable {
  return instruments.virtrigaud_queue_depth.observe(
    (observe) => {
      for (const { kind, depth } of controllers) observe(depth, { kind: kind as Kind });
    },
    { source: "workqueue" },
  );
}

async function recordBuild({ instruments }: ManagerContext, build: ManagerOptions["build"]): Promise<void> {
  instruments.virtrigaud_build_info.record(1, {
    version: build?.version ?? (await packageVersion()),
    git_sha: build?.gitSha ?? "unknown",
    go_version: `node${process.versions.node}`,
    component: "manager",
  });
}

async function packageVersion(): Promise<string> {
  // Beside src/ and dist/ alike.
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function addHealthChecks(cleanup: AsyncCleanup, manager: ManagerContext, controllers: readonly Controller[]): void {
  const { readiness, liveness } = manager.telemetry.health;
  for (const [name, informer] of Object.entries(manager.informers)) {
    cleanup.use(
      readiness.add(`informer ${name}`, () => {
        const { synced, lastError } = (informer as Informers["providers"]).status();
        return synced || `not complete yet${lastError === undefined ? "" : `: ${lastError.message}`}`;
      }),
    );
  }
  for (const controller of controllers)
    cleanup.use(liveness.add(`controller ${controller.name}`, () => controller.health()));
}
