import { again, done, failure } from "@almanac/controller";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import { isKubeError } from "@almanac/kube";
import type { Provider } from "../api/provider.ts";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { findCondition } from "../conditions.ts";
import { cloneOf } from "../clone/journal.ts";
import { countError } from "../context.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError, classify } from "../error.ts";
import { ignoredMachineFields } from "../ignored-fields.ts";
import { standingOf } from "../image/prepared.ts";
import { pollDelay } from "../operation/pace.ts";
import { forceDeleteAnnotation } from "../operation/session.ts";
import { Throttled } from "../provider/pool.ts";
import type { Cover } from "../provider/sightings.ts";
import { isServing, supportedType } from "../provider/supported.ts";
import { changedSinceCreation } from "./creation.ts";
import { desiredMachine } from "./desired.ts";
import type { Desired } from "./desired.ts";
import { finalizer, machineProvider, taskOf } from "./journal.ts";
import type { Journal } from "./journal.ts";
import { createLooks } from "./looks.ts";
import type { Looks } from "./looks.ts";
import { countOperation } from "./measure.ts";
import { createOperations } from "./operations.ts";
import type { Operations, Peer } from "./operations.ts";
import { afterObservation, plan } from "./plan.ts";
import type { Observed, Step } from "./plan.ts";
import { findProvider, findReferences, findSources, requirePlace } from "./references.ts";
import { createSession } from "./session.ts";
import { afterRevertWish, listedSnapshots, revertWish } from "./snapshots.ts";
import type { Session } from "./session.ts";
import { isAsWished, machineStatus, observedAtRest } from "./status.ts";
import type { Problem } from "./status.ts";

/** More steps in one go mean that two of them undo each other. */
const mostSteps = 30;
const conflictPauseMs = 50;
/** For what a watch reports anyway. */
const longPauseMs = 300_000;
/** Machines that lists look after are asked for one by one so much more seldom: for what no list tells, such as a console's address. */
const coveredIntervals = 60;
/** For the first list of a Provider's machines. */
const listPauseMs = 250;
/** A provider that loses every machine at once must not be asked for new ones without a pause. */
const vanishedPauseMs = 2_000;
/** Failures in a row before a machine at rest is said to be unreachable. */
const patience = 3;

/** Signals that nothing can be done until the Provider serves. */
class NotServing extends Error {}

/** Brings machines to what their objects wish, through their providers. */
export function createMachineReconciler(
  manager: ManagerContext,
): (request: Request, context: ReconcileContext<VirtualMachine>) => Promise<Result> {
  const { virtualMachines } = manager.informers;
  const looks = createLooks(manager.clock);
  virtualMachines.onEvent(({ type, object }) => {
    if (type === "delete") looks.forget(object.metadata.namespace, object.metadata.name);
  });
  return async (request, context) => {
    const vm = virtualMachines.get(request.namespace, request.name);
    if (vm === undefined) {
      // A look that was under way when it went planned the next one.
      looks.forget(request.namespace, request.name);
      return done();
    }
    const deleting = vm.metadata.deletionTimestamp !== undefined;
    if (deleting && vm.metadata.finalizers?.includes(finalizer) !== true) return done();
    if (manager.released.has(vm.metadata.uid)) return done();
    const reconcile = createMachineReconcile(manager, { vm, looks }, context);
    try {
      return await reconcile.run();
    } catch (thrown) {
      context.signal.throwIfAborted();
      // Someone changed the object in between; what they wrote is on its way here.
      if (isKubeError(thrown, "conflict")) return again(conflictPauseMs);
      // Gone in between.
      if (isKubeError(thrown, "not_found")) return done();
      return await reconcile.onError(thrown);
    }
  };
}

interface MachineReconcile {
  run(): Promise<Result>;
  /** Explains what was thrown, counts it, and gives it on. */
  onError(thrown: unknown): Promise<Result>;
}

function createMachineReconcile(
  manager: ManagerContext,
  { vm, looks }: { readonly vm: VirtualMachine; readonly looks: Looks },
  context: ReconcileContext<VirtualMachine>,
): MachineReconcile {
  const { informers, pool, clock, events } = manager;
  const startedAtMs = clock.monotonic();
  const deleting = vm.metadata.deletionTimestamp !== undefined;
  const session: Session = createSession(manager, vm, context);
  const providerKey = machineProvider(vm, session.journal);
  const provider = findProvider(informers, providerKey);
  let desired: Desired | undefined;
  let unmet: unknown;
  let problem: Problem | undefined;
  let revertProblem: Problem | undefined;
  const operations: Operations = createOperations({
    manager,
    session,
    context,
    peer,
    providerKey,
    desired: () => {
      if (desired === undefined) throw unmet;
      return desired;
    },
  });

  try {
    // What is to go, goes where it is.
    if (!deleting) requirePlace(vm, providerKey);
    desired = desiredMachine(vm, findReferences(vm, informers));
  } catch (thrown) {
    unmet = thrown;
  }

  function peer(): Peer {
    if (provider === undefined) {
      throw new ManagerError("dependency_not_found", `Provider ${providerKey} does not exist`);
    }
    const type = supportedType(provider);
    if (!isServing(provider)) throw new NotServing(`Provider ${provider.metadata.name} is not healthy`);
    return { handle: pool.get(provider), type, name: provider.metadata.name };
  }

  async function run(): Promise<Result> {
    if (deleting && vm.metadata.annotations?.[forceDeleteAnnotation] === "true") return abandonMachine();
    const clone = cloneOf(vm, informers);
    if (clone !== undefined) return waitFor("Cloning", `VMClone ${clone.metadata.name} is making the machine`);
    const atRest = context.priority === "low" ? observedAtRest(vm, session.journal) : undefined;
    // Whether it is looked at now: what nobody asked for waits for its turn, and for the list that many wait for.
    const isDue = looks.isDue(vm);
    const cover = atRest === undefined ? "none" : coverOf(isDue);
    const isListed = cover === "covered" && !looks.isAlone(vm);
    if (cover === "asking" && isDue) return again(listPauseMs, { priority: "low" });
    operations.observed = isListed || !isDue ? atRest : undefined;
    let steps = 0;
    const advance = async (): Promise<Result> => {
      while (steps++ < mostSteps) {
        const revert = revertWish(vm, session.journal, informers);
        session.journal = afterRevertWish(session.journal, revert);
        revertProblem = revert.state === "blocked" ? revert.problem : undefined;
        const nowMs = clock.now();
        const step = plan({
          revert: revert.state === "due" ? revert.target : undefined,
          nowMs,
          generation: vm.metadata.generation,
          deleting,
          journal: withSteadyTimes(session.journal, nowMs),
          task: operations.task,
          wish: desired,
          observed: operations.observed,
          reconfiguresOnline: provider?.status?.reportedCapabilities?.supportsReconfigureOnline !== false,
        });
        if (atRest !== undefined && operations.observed === atRest) {
          if (step.type === "rest") return settle(rest(isListed, cover));
          // Whatever is to be done begins with a look of its own.
          operations.observed = undefined;
          continue;
        }
        const result = await operations.traced(() => take(step));
        if (result !== undefined) return result;
        // What could not be carried out is not made better by asking for more.
        if (operations.failed?.error.outcome === "error")
          return operations.traced(() => settle(again(manager.describeIntervalMs)));
        // All that follows belongs to what was begun: its context is entered once.
        if (isBeginning(step)) return operations.traced(advance);
      }
      throw new ManagerError("unexpected_state", `the machine was not at rest after ${mostSteps} steps`);
    };
    return advance();
  }

  function ageOf(what: string, sinceMs: number): number {
    return manager.ages.of(vm.metadata.uid, what, sinceMs);
  }

  /** What is waited for has its age; a step of the wall clock makes no guest's time to shut down shorter. */
  function withSteadyTimes(journal: Journal, nowMs: number): Journal {
    const { shutdownAtMs, poweredOnAtMs, ...rest } = journal;
    return {
      ...rest,
      ...(shutdownAtMs === undefined ? {} : { shutdownAtMs: nowMs - ageOf("shutdown", shutdownAtMs) }),
      ...(poweredOnAtMs === undefined ? {} : { poweredOnAtMs: nowMs - ageOf("poweredOn", poweredOnAtMs) }),
    };
  }

  /** Carries a step out. Undefined: plan again. */
  async function take(step: Step): Promise<Result | undefined> {
    switch (step.type) {
      case "create":
        // What may be there already has to be found before the object can go.
        if (!deleting && provider?.metadata.deletionTimestamp !== undefined) {
          return waitFor(
            "ProviderDeleting",
            `Provider ${providerKey} is being deleted; name another in spec.providerRef`,
          );
        }
        if (!imageIsThere())
          return waitFor("ImageNotReady", `VMImage ${vm.spec.imageRef?.name} is not prepared there yet`);
        await operations.begin({ operation: "Create", digest: wished().digest });
        return undefined;
      case "reconfigure":
        await operations.begin({ operation: "Reconfigure", digest: wished().digest });
        return undefined;
      case "revert":
        await operations.begin({ operation: "Revert", snapshot: step.target });
        return undefined;
      case "power":
        await operations.begin({ operation: "Power", power: step.action });
        return undefined;
      case "delete":
        await operations.begin({ operation: "Delete" });
        return undefined;
      case "resume":
        await operations.resume();
        return undefined;
      case "poll":
        if (await operations.poll()) return undefined;
        return settle(again(pollDelay(clock.now() - (session.journal.attempt?.startedAtMs ?? 0))));
      case "describe":
        noteObservation(await operations.describe());
        return undefined;
      case "abandon":
        session.journal = withoutAttempt(session.journal);
        return undefined;
      case "vanished":
        noteVanished();
        return undefined;
      case "release":
        await session.commit({ release: true });
        return done();
      case "blocked":
        return blocked();
      case "wait":
        return settle(again(step.afterMs));
      case "rest":
        return settle(rest(true, coverOf(true)));
    }
  }

  function coverOf(due: boolean): Cover {
    if (provider === undefined || !isServing(provider)) return "none";
    return manager.sightings.coverOf(provider, pool.get(provider), due);
  }

  function rest(looked: boolean, cover: Cover): Result {
    const alone = cover === "covered";
    const everyMs = manager.describeIntervalMs * (alone ? coveredIntervals : 1);
    return again(looks.plan(vm, { looked, everyMs, alone }), { priority: "low" });
  }

  function wished(): Desired {
    if (desired === undefined) throw unmet;
    return desired;
  }

  async function waitFor(reason: string, message: string): Promise<Result> {
    await session.commit();
    await writeStatus({ reason, message, refused: false });
    return again(longPauseMs);
  }

  /** An image that is to be prepared is, on this machine's Provider. */
  function imageIsThere(): boolean {
    const { image } = findSources(vm, informers);
    if (deleting || image === undefined || provider === undefined) return true;
    return standingOf(image, provider, supportedType(provider)).state !== "missing";
  }

  function noteObservation(observed: Observed): void {
    operations.observed = observed;
    const { journal, addressSince } = afterObservation(session.journal, observed, desired);
    // Of another manager, or of an earlier version: from now on it is known where it is.
    session.journal =
      observed.exists && journal.provider !== providerKey ? { ...journal, provider: providerKey } : journal;
    if (addressSince === undefined) return;
    const seconds = ageOf("poweredOn", addressSince) / 1000;
    const { type } = peer();
    session.afterCommit(() =>
      manager.instruments.virtrigaud_ip_discovery_duration_seconds.record(seconds, { provider_type: type }),
    );
  }

  function noteVanished(): void {
    const {
      id,
      provider: _provider,
      creation: _creation,
      applied: _applied,
      poweredOnAtMs: _on,
      shutdownAtMs: _off,
      failures,
      ...rest
    } = session.journal;
    const retryAtMs = clock.now() + vanishedPauseMs;
    const create = { count: (failures?.Create?.count ?? 0) + 1, retryAtMs, generation: vm.metadata.generation };
    session.journal = { ...rest, failures: { ...failures, Create: create } };
    operations.observed = undefined;
    const message = `the provider does not know ${id} any more; the machine is made again`;
    problem = { reason: "Vanished", message, refused: false };
    session.afterCommit(() => events.record(session.vm, { type: "Warning", reason: "Vanished", message }));
  }

  async function abandonMachine(): Promise<Result> {
    const { id } = session.journal;
    await session.commit({ release: true });
    const message = `released without deleting ${id === undefined ? "anything" : `machine ${id}`}: ${forceDeleteAnnotation}`;
    events.record(vm, { type: "Warning", reason: "ForceDeleted", message });
    return done();
  }

  /** Something the object names is missing or cannot be used. Said and counted once. */
  async function blocked(): Promise<Result> {
    const error = classify(unmet);
    const reason = error.reason === "Unsupported" ? "UnsupportedProvider" : error.reason;
    const before = findCondition(session.vm.status?.conditions, "Ready");
    const message = deleting
      ? `${error.message}; create it, or annotate ${forceDeleteAnnotation}: "true" to give the machine up`
      : error.message;
    const isNews = before?.reason !== reason || before.message !== message;
    problem = { reason, message, refused: true };
    await session.commit();
    await writeStatus(problem);
    if (isNews) {
      if (error.reason === "Unsupported" && provider !== undefined) refuseCreation(provider.spec.type);
      countError(manager, error);
      events.record(session.vm, { type: "Warning", reason, message });
    }
    return failure(unmet, { afterMs: longPauseMs });
  }

  /**
   * An attempt that nobody can carry out ends before it is sent: with this reconcile it began, and with the status that says so it ends.
   * The Provider's own word for its type comes from outside and is passed on as it is, since only the catalog knows which types it lists:
   * it records any other as `other` and counts that it had to.
   */
  function refuseCreation(type: Provider["spec"]["type"]): void {
    countOperation(manager.instruments, {
      operation: "Create",
      type,
      provider: vm.spec.providerRef.name,
      outcome: "failure",
      durationSeconds: (clock.monotonic() - startedAtMs) / 1000,
    });
  }

  /** Keeps what this reconcile found, then ends it with `calm`, or with what went wrong. */
  async function settle(calm: Result): Promise<Result> {
    const { failed } = operations;
    await session.commit();
    if (failed !== undefined) {
      problem = {
        reason: failed.error.reason,
        message: failed.error.message,
        refused: failed.error.outcome === "failure",
      };
    }
    await writeStatus(problem ?? standingProblem());
    if (failed === undefined) return calm;
    if (failed.error.outcome === "error") throw new Settled(failed.thrown);
    return failure(failed.thrown, { afterMs: calm.type === "again" ? calm.afterMs : longPauseMs });
  }

  /** While a failed operation waits for its next attempt, what it failed with stays to be read. */
  function standingProblem(): Problem | undefined {
    const ready = findCondition(session.vm.status?.conditions, "Ready");
    const { attempt, failures } = session.journal;
    if (failures === undefined || attempt !== undefined || ready?.status !== "False") return undefined;
    if (isAsWished(session.journal, desired, operations.observed)) return undefined;
    return { reason: ready.reason, message: ready.message, refused: session.vm.status?.phase === "Failed" };
  }

  async function writeStatus(cause: Problem | undefined): Promise<void> {
    const before = findCondition(session.vm.status?.conditions, "Ready")?.status;
    const status = machineStatus({
      vm: session.vm,
      generation: vm.metadata.generation,
      journal: session.journal,
      providerKey,
      pendingId: operations.pendingId,
      task: operations.task,
      desired,
      observed: operations.observed,
      problem: cause ?? (deleting ? undefined : revertProblem),
      snapshots: listedSnapshots(vm, session.journal, informers),
      ignored: [
        ...ignoredMachineFields(vm, findSources(vm, informers)),
        ...changedSinceCreation(vm, session.journal.id === undefined ? undefined : session.journal.creation),
      ],
      reconfigured: operations.reconfigured,
      traceNote: operations.traceNote,
      nowMs: clock.now(),
    });
    await session.writeStatus(status);
    const ready = findCondition(status.conditions, "Ready");
    if (ready?.status === "True" && before !== "True") {
      events.record(session.vm, {
        type: "Normal",
        reason: "Ready",
        message: `${ready.message} as ${session.journal.id}`,
        ...(operations.traceNote === undefined ? {} : { note: operations.traceNote }),
      });
    }
  }

  async function onError(thrown: unknown): Promise<Result> {
    if (thrown instanceof Settled) throw thrown.cause;
    const error = classify(thrown);
    // What was not kept is found out again by the next reconcile.
    if (error.reason === "KubernetesApiError") {
      countError(manager, error);
      throw thrown;
    }
    await session.commit();
    // A task whose first question went unanswered is still this attempt's: unknown to the next reconcile, it would be started again.
    const { attempt } = session.journal;
    const isTaskKept = attempt === undefined || operations.task === taskOf(session.vm, attempt);
    if (!isTaskKept) await writeStatus(undefined);
    if (thrown instanceof Throttled) return again(thrown.afterMs);
    if (thrown instanceof NotServing) return waitForProvider(thrown);
    if (thrown === unmet || isUnmet(thrown)) {
      unmet = thrown;
      return blocked();
    }
    countError(manager, error);
    // A machine that runs is not said to be unwell because one question went unanswered.
    if (session.journal.id === undefined || context.retries + 1 >= patience) {
      await writeStatus({ reason: error.reason, message: error.message, refused: error.outcome === "failure" });
    }
    if (error.outcome === "failure") return failure(thrown);
    throw thrown;
  }

  async function waitForProvider(thrown: NotServing): Promise<Result> {
    const ready = findCondition(session.vm.status?.conditions, "Ready");
    // One at rest stays what it was found to be: its provider's outage is the Provider's to report.
    const atRest = ready?.status === "True" && ready.observedGeneration === vm.metadata.generation && !deleting;
    if (!atRest) await writeStatus({ reason: "ProviderNotReady", message: thrown.message, refused: false });
    return again(longPauseMs);
  }

  return { run, onError: (thrown) => operations.traced(() => onError(thrown)) };
}

function isBeginning({ type }: Step): boolean {
  return type === "create" || type === "reconfigure" || type === "revert" || type === "power" || type === "delete";
}

/** Already kept, counted and said; only the controller needs to hear of it. */
class Settled extends Error {
  constructor(cause: unknown) {
    super("settled", { cause });
  }
}

/** The object, or what it names, has to change first. */
function isUnmet(thrown: unknown): boolean {
  return thrown instanceof ManagerError && (thrown.code === "dependency_not_found" || thrown.code === "invalid_spec");
}

function withoutAttempt({ attempt: _attempt, ...journal }: Journal): Journal {
  return journal;
}
