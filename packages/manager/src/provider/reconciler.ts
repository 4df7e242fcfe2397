import { createHash } from "node:crypto";
import { again, done, terminal } from "@almanac/controller";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import { isKubeError } from "@almanac/kube";
import type { Provider } from "../api/provider.ts";
import { findCondition, timestamp, withCondition, withoutCondition } from "../conditions.ts";
import type { ConditionInput } from "../conditions.ts";
import { countError } from "../context.ts";
import type { ManagerContext } from "../context.ts";
import { parseDuration } from "../duration.ts";
import { classify } from "../error.ts";
import type { Classified } from "../error.ts";
import { ignoredProviderFields } from "../ignored-fields.ts";
import { statusPatch } from "../status-patch.ts";
import { pollDelay } from "../operation/pace.ts";
import { capabilityNames, reportedCapabilities } from "./capabilities.ts";
import { accepts, checkProvider } from "./check.ts";
import { afterCheck } from "./health.ts";
import type { HealthState } from "./health.ts";
import { providerKey, tlsSecretName, workloadName } from "./names.ts";
import type { ProviderHandle } from "./pool.ts";
import { runtimeStatus } from "./runtime-status.ts";
import { supportedType } from "./supported.ts";
import { fieldManager, providerWorkload } from "./workload.ts";

const providerFinalizer = "provider.infra.virtrigaud.io/finalizer";

/** On its Deployment: tells what was applied last, also of fields that are wished no more. */
const digestAnnotation = "almanac.dev/applied";

const conflictPauseMs = 50;

/** A half-open circuit waits this long for its first check, or one interval if that is shorter: long enough for a scrape to see it. */
const longestTrialPauseMs = 5_000;

/** How often an address that is looked up is compared while no check is sent. */
const addressPauseMs = 5_000;

const lookTimeoutMs = 200;

const defaultInterval = "30s";

type Status = NonNullable<Provider["status"]>;

/** What is remembered of a Provider between reconciles; a new process finds it out again. */
interface Memory {
  readonly uid: string;
  health: HealthState;
  nextCheckAtMs: number;
  /** Since when the connection is refused; only then is it worth to look at the port. */
  refusedSinceMs: number | undefined;
  /** What the last check that failed said. */
  lastFailure: string | undefined;
  peer: Peer;
  /** Since when `peer` is as it is: a start is given some time, and its end is looked for often. */
  peerSinceMs: number;
  /** What was applied last, and the Deployment's generation after it. */
  applied: { readonly digest: string; readonly generation: number | undefined } | undefined;
}

/** What a change of makes the process at the other end another one. */
interface Peer {
  readonly generation: number | undefined;
  readonly address: string | undefined;
  readonly available: boolean;
}

/** Keeps a Provider's workload, its health and its connection as its object says. */
export function createProviderReconciler(
  manager: ManagerContext,
): (request: Request, context: ReconcileContext<Provider>) => Promise<Result> {
  const { resources, informers, pool, clock, events } = manager;
  const memories = new Map<string, Memory>();

  function forget(key: string): void {
    memories.delete(key);
    pool.remove(key);
  }

  function memoryOf(provider: Provider): Memory {
    const key = providerKey(provider);
    const known = memories.get(key);
    if (known?.uid === provider.metadata.uid) return known;
    const fresh: Memory = {
      uid: provider.metadata.uid,
      health: { healthy: provider.status?.healthy, failures: 0, successes: 0 },
      nextCheckAtMs: checkedUntilMs(provider),
      refusedSinceMs: undefined,
      lastFailure: undefined,
      peer: { generation: provider.metadata.generation, address: undefined, available: false },
      peerSinceMs: clock.now(),
      applied: undefined,
    };
    memories.set(key, fresh);
    return fresh;
  }

  /** What another process found well is well until the next check is due; it may have been checked just now. */
  function checkedUntilMs({ metadata, spec, status }: Provider): number {
    if (status?.healthy !== true || status.observedGeneration !== metadata.generation) return 0;
    const checkedAtMs = Date.parse(status.lastHealthCheck ?? "");
    if (!(checkedAtMs <= clock.now())) return 0;
    return checkedAtMs + parseDuration(spec.healthCheck?.interval ?? defaultInterval, "spec.healthCheck.interval");
  }

  async function reconcile(request: Request, context: ReconcileContext<Provider>): Promise<Result> {
    const provider = informers.providers.get(request.namespace, request.name);
    if (provider === undefined) {
      forget(`${request.namespace}/${request.name}`);
      return done();
    }
    const users = informers.virtualMachines.byIndex("provider", providerKey(provider));
    if (provider.metadata.deletionTimestamp !== undefined && users.length === 0) {
      await releaseProvider(provider, context);
      return done();
    }
    const draft: Draft = { provider, status: { ...provider.status }, nowMs: clock.now() };
    draft.status.connectedVMs = users.length;
    draft.status.observedGeneration = provider.metadata.generation;
    if (provider.metadata.deletionTimestamp === undefined) dropCondition(draft, "DeletionBlocked");
    else {
      const names = users.slice(0, 5).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      const more = users.length > names.length ? ` and ${users.length - names.length} more` : "";
      const message = `VirtualMachines still refer to it: ${names.join(", ")}${more}; delete them first`;
      setCondition(draft, { type: "DeletionBlocked", status: "True", reason: "InUse", message });
    }
    let result: Result;
    try {
      supportedType(provider);
      result = await serve(draft, context);
    } catch (thrown) {
      context.signal.throwIfAborted();
      // Someone changed the object in between; what they wrote is on its way here.
      if (isKubeError(thrown, "conflict")) return again(conflictPauseMs);
      const error = classify(thrown);
      if (error.outcome === "error") {
        countError(manager, error);
        throw thrown;
      }
      refuse(draft, error);
      // Nothing but a change of the object helps, and that comes by itself.
      result = terminal(thrown);
    }
    await writeStatus(draft, context);
    return result;
  }

  /** The object cannot be acted on as it is. Said and counted once per generation. */
  function refuse(draft: Draft, error: Classified): void {
    const { provider } = draft;
    const reason = error.reason === "Unsupported" ? "UnsupportedType" : error.reason;
    const before = findCondition(provider.status?.conditions, "Ready");
    const isNews = before?.reason !== reason || before.observedGeneration !== provider.metadata.generation;
    forget(providerKey(provider));
    draft.status.healthy = false;
    draft.status.connectedVMs = 0;
    setCondition(draft, { type: "Ready", status: "False", reason, message: error.message });
    if (!isNews) return;
    countError(manager, error);
    events.record(provider, { type: "Warning", reason, message: error.message });
  }

  async function serve(draft: Draft, context: ReconcileContext<Provider>): Promise<Result> {
    const memory = memoryOf(draft.provider);
    const intervalMs = parseDuration(
      draft.provider.spec.healthCheck?.interval ?? defaultInterval,
      "spec.healthCheck.interval",
    );
    const timeoutMs = parseDuration(draft.provider.spec.healthCheck?.timeout ?? "10s", "spec.healthCheck.timeout");
    context.assertCurrent();
    await addFinalizer(draft, context);
    await applyWorkload(draft.provider, memory, context);
    const deployment = informers.deployments.get(draft.provider.metadata.namespace, workloadName(draft.provider));
    const { runtime, condition } = runtimeStatus(draft.provider, deployment);
    draft.status.runtime = runtime;
    setCondition(draft, condition);
    const ignored = ignoredProviderFields(draft.provider);
    if (ignored.length === 0) dropCondition(draft, "FieldsIgnored");
    else
      setCondition(draft, {
        type: "FieldsIgnored",
        status: "True",
        reason: "NotImplemented",
        message: ignored.join(", "),
      });

    const handle = pool.get(draft.provider);
    const available = (runtime.availableReplicas ?? 0) > 0;
    notePeer(draft, memory, handle, available);

    if (draft.provider.spec.healthCheck?.enabled === false) {
      delete draft.status.healthy;
      const status = available ? "True" : "False";
      setCondition(draft, { ...condition, type: "Ready", status });
      return done();
    }
    const { signal } = context;
    if (handle.breakerState !== "open") {
      const startingMs = await startsForMs(draft, memory, { handle, signal });
      if (startingMs > 0) return noteStarting(draft, memory, { startingMs, words: runtime.message });
      if (await isCheckDue(draft, memory, { handle, signal })) {
        await checkTls(draft, context);
        await check(draft, memory, handle, { context, timeoutMs });
        memory.nextCheckAtMs = clock.now() + intervalMs;
      }
    }
    if (handle.breakerState === "open") return waitForBreaker(draft, memory, { handle, intervalMs, context });
    const untilCheckMs = Math.max(1, memory.nextCheckAtMs - clock.now());
    if (memory.refusedSinceMs === undefined || !isLookedFor(memory)) return again(untilCheckMs);
    return again(Math.min(untilCheckMs, pollDelay(clock.now() - memory.refusedSinceMs)));
  }

  /** Another specification, another address, a pod that came or went: what came before is not held against a new peer. */
  function notePeer({ provider, nowMs }: Draft, memory: Memory, handle: ProviderHandle, available: boolean): void {
    const before = memory.peer;
    const peer: Peer = { generation: provider.metadata.generation, address: handle.address, available };
    memory.peer = peer;
    const isOther = before.generation !== peer.generation || (before.address ?? peer.address) !== peer.address;
    if (!isOther && before.available === available) return;
    memory.peerSinceMs = nowMs;
    const isWell = memory.health.healthy === true;
    if (isOther || (available && !isWell)) memory.nextCheckAtMs = 0;
    if (isWell || (!isOther && !available)) return;
    handle.renew();
    memory.refusedSinceMs = undefined;
  }

  /** The port is looked at between checks while a pod is awaited, and for a while after it has come. */
  function isLookedFor(memory: Memory): boolean {
    return !memory.peer.available || clock.now() - memory.peerSinceMs < manager.startGraceMs;
  }

  /** How much longer a Provider without a pod may take before that is an error; 0 when it has one, or answers all the same. */
  async function startsForMs(
    { nowMs }: Draft,
    memory: Memory,
    { handle, signal }: { readonly handle: ProviderHandle; readonly signal: AbortSignal },
  ): Promise<number> {
    const leftMs = memory.peerSinceMs + manager.startGraceMs - nowMs;
    if (leftMs <= 0 || memory.peer.available || memory.health.healthy === true) return 0;
    return (await accepts(handle.address, { signal, timeoutMs: lookTimeoutMs })) ? 0 : leftMs;
  }

  function noteStarting(
    draft: Draft,
    memory: Memory,
    { startingMs, words }: { readonly startingMs: number; readonly words: string | undefined },
  ): Result {
    const message = `the runtime is starting: ${words ?? "nothing listens yet"}`;
    draft.status.healthy = false;
    if (say(draft, { status: "False", reason: "RuntimeStarting", message })) {
      events.record(draft.provider, { type: "Normal", reason: "RuntimeStarting", message });
    }
    return again(Math.min(startingMs, pollDelay(draft.nowMs - memory.peerSinceMs)));
  }

  /** While the circuit is open nothing is sent, so nothing can fail: the state is said once, and the next check planned for its end. */
  function waitForBreaker(
    draft: Draft,
    memory: Memory,
    options: {
      readonly handle: ProviderHandle;
      readonly intervalMs: number;
      readonly context: ReconcileContext<Provider>;
    },
  ): Result {
    const { handle, intervalMs, context } = options;
    memory.health = { healthy: false, failures: 0, successes: 0 };
    draft.status.healthy = false;
    const last = memory.lastFailure === undefined ? "" : `; the last: ${memory.lastFailure}`;
    const message = `the circuit breaker is open after repeated failures, no request is sent until it tries again${last}`;
    if (say(draft, { status: "False", reason: "CircuitOpen", message })) {
      context.logger.warn("The provider is given a rest", { reason: "CircuitOpen", error: message });
      events.record(draft.provider, { type: "Warning", reason: "CircuitOpen", message });
    }
    const openForMs = handle.refusesForMs;
    memory.nextCheckAtMs = clock.now() + openForMs + Math.min(intervalMs, longestTrialPauseMs);
    const waitMs = Math.max(1, Math.ceil(openForMs));
    return again(pool.looksUpAddresses ? Math.min(waitMs, addressPauseMs) : waitMs);
  }

  /** Besides every interval: when a port that was closed opens. */
  async function isCheckDue(
    { nowMs }: Draft,
    memory: Memory,
    { handle, signal }: { readonly handle: ProviderHandle; readonly signal: AbortSignal },
  ): Promise<boolean> {
    if (nowMs >= memory.nextCheckAtMs) return true;
    if (memory.refusedSinceMs === undefined || !isLookedFor(memory)) return false;
    return accepts(handle.address, { signal, timeoutMs: lookTimeoutMs });
  }

  async function check(
    draft: Draft,
    memory: Memory,
    handle: ProviderHandle,
    { context, timeoutMs }: { readonly context: ReconcileContext<Provider>; readonly timeoutMs: number },
  ): Promise<void> {
    const { provider } = draft;
    const { failureThreshold = 3, successThreshold = 1 } = provider.spec.healthCheck ?? {};
    const result = await checkProvider(handle, { signal: context.signal, lend: context.lend, timeoutMs });
    // A machine's request opened the circuit in between, or uses up its trial: nothing was asked, so nothing was learned.
    if (!result.ok && result.error.reason === "CircuitOpen") return;
    const before = memory.health.healthy;
    memory.health = afterCheck(memory.health, result.ok, { failures: failureThreshold, successes: successThreshold });
    draft.status.healthy = memory.health.healthy === true;
    draft.status.lastHealthCheck = timestamp(clock.now());
    if (result.ok) {
      memory.refusedSinceMs = undefined;
      if (result.capabilities !== undefined) {
        draft.status.reportedCapabilities = reportedCapabilities(result.capabilities);
        draft.status.capabilities = capabilityNames(result.capabilities);
      }
    } else {
      memory.lastFailure = result.error.message;
      if (memory.health.healthy !== true && result.error.reason === "Timeout") {
        handle.giveUp("the provider does not answer its health checks either");
      }
      countError(manager, result.error);
      memory.refusedSinceMs =
        result.error.reason === "ConnectionFailed" && !result.error.counted
          ? (memory.refusedSinceMs ?? clock.now())
          : undefined;
    }
    const fields = result.ok ? {} : { reason: result.error.reason, error: result.error.message };
    // Below the threshold a failure changes nothing that others act on; and what opened the circuit is said with that.
    if (!result.ok && (memory.health.healthy === true || handle.breakerState === "open")) {
      context.logger.debug("A health check failed", fields);
      return;
    }
    const waiting = result.ok && memory.health.healthy !== true;
    const isNews = say(
      draft,
      waiting
        ? {
            status: "False",
            reason: "Recovering",
            message: `${memory.health.successes} of ${successThreshold} checks passed`,
          }
        : result.ok
          ? { status: "True", reason: "Healthy", message: result.message || "the provider answers" }
          : { status: "False", reason: result.error.reason, message: result.error.message },
    );
    if (result.ok) {
      if (before === true || waiting) return;
      events.record(provider, { type: "Normal", reason: "Healthy", message: `connected to ${handle.address}` });
    } else if (isNews) {
      context.logger.warn("The provider failed its health check", fields);
      events.record(provider, { type: "Warning", reason: result.error.reason, message: result.error.message });
    } else context.logger.debug("The provider failed its health check again", fields);
  }

  async function checkTls(draft: Draft, context: ReconcileContext<Provider>): Promise<void> {
    const name = tlsSecretName(draft.provider);
    if (name === undefined) {
      const message = "spec.runtime.service.tls.enabled is false: requests travel in plaintext";
      return setCondition(draft, { type: "TLSReady", status: "True", reason: "Plaintext", message });
    }
    const { namespace } = draft.provider.metadata;
    const secret = await resources.secrets.find({ namespace, name }, { signal: context.signal });
    const lacking = ["tls.crt", "tls.key", "ca.crt"].filter((key) => secret?.data?.[key] === undefined);
    if (lacking.length === 0) {
      const message = `Secret ${name} has a certificate`;
      return setCondition(draft, { type: "TLSReady", status: "True", reason: "SecretFound", message });
    }
    const message =
      secret === undefined
        ? `Secret ${namespace}/${name} does not exist; it must hold tls.crt, tls.key and ca.crt`
        : `Secret ${namespace}/${name} lacks ${lacking.join(", ")}`;
    setCondition(draft, { type: "TLSReady", status: "False", reason: "SecretIncomplete", message });
  }

  async function applyWorkload(
    provider: Provider,
    memory: Memory,
    { signal }: ReconcileContext<Provider>,
  ): Promise<void> {
    const workload = providerWorkload(provider);
    const digest = createHash("sha256").update(JSON.stringify(workload)).digest("base64url");
    workload.deployment.metadata.annotations = { [digestAnnotation]: digest };
    const { namespace, name } = workload.deployment.metadata;
    const current = informers.deployments.get(namespace, name);
    const { applied } = memory;
    // Another generation means that someone else changed what is ours.
    if (applied?.digest === digest && current !== undefined && current.metadata.generation === applied.generation)
      return;
    const key = { namespace: provider.metadata.namespace, name };
    if (applied === undefined && isWithin(workload.deployment, current)) {
      // Another process has applied the same, after the Service, and nobody has changed it since.
      const service = await resources.services.find(key, { signal });
      if (isWithin(workload.service, service)) {
        memory.applied = { digest, generation: current?.metadata.generation };
        return;
      }
    }
    const options = { type: "apply", fieldManager, force: true, signal } as const;
    await resources.services.patch(key, workload.service, options);
    const deployment = await resources.deployments.patch(key, workload.deployment, options);
    informers.deployments.observe(deployment);
    memory.applied = { digest, generation: deployment.metadata.generation };
  }

  async function addFinalizer(draft: Draft, context: ReconcileContext<Provider>): Promise<void> {
    const { metadata } = draft.provider;
    if (metadata.finalizers?.includes(providerFinalizer) === true || metadata.deletionTimestamp !== undefined) return;
    const finalizers = [...(metadata.finalizers ?? []), providerFinalizer];
    const body = { metadata: { resourceVersion: metadata.resourceVersion, finalizers } };
    draft.provider = await resources.providers.patch(metadata, body, {
      type: "merge",
      fieldManager,
      signal: context.signal,
    });
    context.observe(draft.provider);
  }

  async function releaseProvider(provider: Provider, context: ReconcileContext<Provider>): Promise<void> {
    const { metadata } = provider;
    forget(providerKey(provider));
    if (metadata.finalizers?.includes(providerFinalizer) !== true) return;
    const finalizers = metadata.finalizers.filter((name) => name !== providerFinalizer);
    const body = { metadata: { resourceVersion: metadata.resourceVersion, finalizers } };
    try {
      context.observe(
        await resources.providers.patch(metadata, body, { type: "merge", fieldManager, signal: context.signal }),
      );
    } catch (error) {
      if (!isKubeError(error, "not_found")) throw error;
    }
  }

  async function writeStatus(draft: Draft, context: ReconcileContext<Provider>): Promise<void> {
    const patch = statusPatch(draft.provider.status, draft.status);
    if (patch === undefined) return;
    context.assertCurrent();
    const { metadata } = draft.provider;
    const options = { type: "merge", subresource: "status", fieldManager, signal: context.signal } as const;
    try {
      context.observe(await resources.providers.patch(metadata, { status: patch }, options));
    } catch (error) {
      if (!isKubeError(error, "not_found")) throw error;
    }
  }

  return reconcile;
}

/** Every field of `wanted` is the same in `found`, which may have more. */
function isWithin(wanted: unknown, found: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((entry, index) => isWithin(entry, found[index]))
    );
  }
  if (typeof wanted !== "object" || wanted === null) return wanted === found;
  if (typeof found !== "object" || found === null) return false;
  return Object.entries(wanted).every(([key, value]) => isWithin(value, (found as Record<string, unknown>)[key]));
}

interface Draft {
  provider: Provider;
  readonly status: Status;
  readonly nowMs: number;
}

function setCondition(draft: Draft, input: ConditionInput): void {
  const context = { generation: draft.provider.metadata.generation, nowMs: draft.nowMs };
  draft.status.conditions = withCondition(draft.status.conditions, input, context);
}

/** Sets the verdict on the provider. True when it is another than the one that stands. */
function say(draft: Draft, verdict: Omit<ConditionInput, "type">): boolean {
  const standing = findCondition(draft.provider.status?.conditions, "ProviderAvailable");
  setCondition(draft, { type: "ProviderAvailable", ...verdict });
  setCondition(draft, { type: "Ready", ...verdict });
  return standing?.status !== verdict.status || standing.reason !== verdict.reason;
}

function dropCondition(draft: Draft, type: string): void {
  if (findCondition(draft.status.conditions, type) === undefined) return;
  draft.status.conditions = withoutCondition(draft.status.conditions, type);
}
