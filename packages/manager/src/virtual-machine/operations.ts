import { isDeepStrictEqual } from "node:util";
import { context as contexts } from "@opentelemetry/api";
import type { Context } from "@opentelemetry/api";
import type { ProviderType } from "@almanac/catalog";
import { ProviderError } from "@almanac/provider";
import type { ReconcileContext } from "@almanac/controller";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { timestamp } from "../conditions.ts";
import { countError } from "../context.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError, classify, wasNeverSent } from "../error.ts";
import type { Classified } from "../error.ts";
import { beginOperationTrace, endOperationTrace, operationContext, traceNote } from "../operation/trace.ts";
import { nextFailure } from "../operation/pace.ts";
import { Throttled } from "../provider/pool.ts";
import type { ProviderHandle } from "../provider/pool.ts";
import { creationOf } from "./creation.ts";
import type { Desired } from "./desired.ts";
import { forgetFailures, taskField, taskOf } from "./journal.ts";
import type { Attempt, Journal, Mutation } from "./journal.ts";
import { countOperation } from "./measure.ts";
import type { Observed } from "./plan.ts";
import { ownStatusId, requireOwnId } from "./references.ts";
import { createRequest, powerRequest, powerStateOf, reconfigureRequest } from "./requests.ts";
import type { Session } from "./session.ts";
import { afterRevert, countRevert } from "./snapshots.ts";
import { withMachine } from "./status.ts";
import type { StatusInput } from "./status.ts";
import { readUserData } from "./user-data.ts";
import type { UserData } from "./user-data.ts";

/** The provider of a machine, ready to be asked. */
export interface Peer {
  readonly handle: ProviderHandle;
  readonly type: ProviderType;
  readonly name: string;
}

/** How an attempt ended badly in this reconcile. */
interface FailedAttempt {
  readonly error: Classified;
  readonly thrown: unknown;
}

/** The operations on one machine within one reconcile: each attempt is begun, kept, sent, followed, kept again and only then counted. */
export interface Operations {
  /** Undefined until asked for since the last change. */
  observed: Observed | undefined;
  readonly task: string | undefined;
  readonly pendingId: string | undefined;
  readonly failed: FailedAttempt | undefined;
  readonly reconfigured: StatusInput["reconfigured"];
  /** Names the trace of the operation under way or last ended, for people; undefined without one. */
  readonly traceNote: string | undefined;
  /** Runs what follows within the operation begun last in this reconcile, to which it belongs; within the reconcile until then. */
  readonly traced: <V>(run: () => V) => V;
  /** Keeps the attempt on the object, then sends its request. */
  begin(attempt: Omit<Attempt, "startedAtMs" | "previousTask">): Promise<void>;
  /** Sends the request of the attempt under way again: whether it was sent is not known. */
  resume(): Promise<void>;
  /** Asks for the task of the attempt under way; true when it has ended. */
  poll(): Promise<boolean>;
  /** One DescribeVM, counted as an attempt of its own. */
  describe(): Promise<Observed>;
}

interface OperationsOptions {
  readonly manager: ManagerContext;
  readonly session: Session;
  readonly context: ReconcileContext<VirtualMachine>;
  readonly peer: () => Peer;
  /** `namespace/name` of the Provider that it gives. */
  readonly providerKey: string;
  readonly desired: () => Desired;
}

/** Digest of no shape: the machine has to be given the one that is wished. */
const unknownShape = "unknown";
const noUserData: UserData = { text: "", type: "cloud-init", metaData: "" };

/** A task that runs longer has been forgotten by everybody. */
const longestAttemptMs = 3_600_000;

export function createOperations(options: OperationsOptions): Operations {
  const { manager, session, context } = options;
  const { clock } = manager;
  const { signal } = context;
  const call = { signal, lend: context.lend, wake: context.wake, ticket: session.vm.metadata.uid };
  let task = session.journal.attempt === undefined ? undefined : taskOf(session.vm, session.journal.attempt);
  let pendingId: string | undefined;
  let failed: FailedAttempt | undefined;
  let reconfigured: StatusInput["reconfigured"];
  const isContinued = session.journal.attempt !== undefined;
  let operation = operationContext(session.vm);
  let begun: Context | undefined;

  function keep(journal: Journal): void {
    session.journal = journal;
  }

  function idOf(): string {
    const id = session.journal.id ?? pendingId ?? ownStatusId(session.vm, manager.informers);
    if (id === undefined || id === "")
      throw new ManagerError("unexpected_state", "the provider gave the machine no id");
    return id;
  }

  /** Before anything is begun: a Secret that is missing is no attempt. */
  async function userDataFor(operation: Mutation): Promise<UserData> {
    if (operation !== "Create" && operation !== "Reconfigure") return noUserData;
    return readUserData(session.vm, manager.resources.secrets, signal);
  }

  /** Resolves with the task, or undefined when the operation is done. */
  async function request(attempt: Attempt, userData: UserData): Promise<string | undefined> {
    const { handle } = options.peer();
    context.assertCurrent();
    switch (attempt.operation) {
      case "Create": {
        const answer = await handle.call("createVM", createRequest(options.desired(), userData), call);
        const { providerKey } = options;
        requireOwnId(manager.informers, { providerKey, id: answer.id, uid: session.vm.metadata.uid });
        pendingId = answer.id;
        return answer.task?.id;
      }
      case "Reconfigure": {
        const wish = reconfigureRequest(idOf(), options.desired(), userData);
        return (await handle.call("reconfigureVM", wish, call)).task?.id;
      }
      case "Power": {
        const { power = "On" } = attempt;
        const gracefulMs = power === "ShutdownGraceful" ? options.desired().gracefulMs : 0;
        return (await handle.call("powerVM", powerRequest(idOf(), power, gracefulMs), call)).task?.id;
      }
      case "Revert": {
        const wish = { vmId: idOf(), snapshotId: attempt.snapshot?.id ?? "" };
        return (await handle.call("revertSnapshot", wish, call)).task?.id;
      }
      case "Delete":
        try {
          return (await handle.call("deleteVM", { id: idOf() }, call)).task?.id;
        } catch (thrown) {
          // What is gone needs no deletion.
          if (thrown instanceof ProviderError && thrown.code === "NOT_FOUND") return undefined;
          throw thrown;
        }
    }
  }

  /** `isAgain`: the request may have been sent before. */
  async function send(userData: UserData, isAgain = false): Promise<void> {
    const attempt = underway();
    try {
      task = (await request(attempt, userData)) || undefined;
    } catch (thrown) {
      signal.throwIfAborted();
      // Not sent: the attempt goes on when there is a token.
      if (thrown instanceof Throttled) throw thrown;
      return fail(attempt, thrown, isAgain);
    }
    if (task === undefined) await succeed(attempt);
  }

  async function poll(): Promise<boolean> {
    const attempt = underway();
    const { handle } = options.peer();
    let state: { readonly done: boolean; readonly error: string };
    try {
      state = await handle.call("taskStatus", { task: { id: task as string } }, call);
    } catch (thrown) {
      if (!(thrown instanceof ProviderError && thrown.code === "NOT_FOUND")) throw thrown;
      await resolveLost(attempt);
      return true;
    }
    if (!state.done) {
      if (ageOf(attempt) < longestAttemptMs) return false;
      fail(attempt, new ManagerError("task_timeout", `${attempt.operation} did not end within an hour`));
    } else if (state.error !== "") fail(attempt, new ManagerError("task_failed", state.error));
    else await succeed(attempt);
    return true;
  }

  /** The provider does not know the task: only the machine itself can tell whether it took effect. */
  async function resolveLost(attempt: Attempt): Promise<void> {
    const seen = await describe();
    const tookEffect = {
      Create: () => seen.exists,
      Delete: () => !seen.exists,
      Power: () => seen.exists && (attempt.power === "On") === (seen.power === "On"),
      // Nothing tells the shape of a machine; asking again is harmless.
      Reconfigure: () => false,
      // Nor whether it was put back; a provider that has done it finds nothing more to do.
      Revert: () => false,
    }[attempt.operation]();
    if (tookEffect) return succeed(attempt);
    fail(
      attempt,
      new ManagerError("task_lost", `the provider forgot the task of ${attempt.operation}, which had no effect`),
    );
  }

  async function succeed(attempt: Attempt): Promise<void> {
    const { attempt: _ended, failures, ...rest } = session.journal;
    const cleared: Journal = { ...rest, ...forgetFailures(failures, attempt.operation) };
    const applied = attempt.digest === undefined ? {} : { applied: attempt.digest };
    switch (attempt.operation) {
      case "Create": {
        const { uncertain, uncertainShape, ...known } = cleared;
        // It may be the machine that an earlier request asked for, in the shape of that time.
        const isAsked = uncertain === undefined || uncertainShape === attempt.digest;
        const id = idOf();
        // First, since a journal is believed only where the status bears it out.
        await session.writeStatus(withMachine(session.vm.status, id, options.providerKey));
        keep({ ...known, ...(isAsked ? applied : { applied: unknownShape }), id });
        break;
      }
      case "Reconfigure": {
        keep({ ...cleared, ...applied });
        const at = timestamp(clock.now());
        reconfigured = {
          condition: {
            status: "True",
            reason: "Reconfigured",
            message: ["the machine has the wished shape", traceNote(operation) ?? ""].join(" ").trim(),
          },
          at,
        };
        break;
      }
      case "Revert":
        if (attempt.snapshot !== undefined) keep(afterRevert(cleared, attempt.snapshot));
        break;
      case "Power": {
        const { poweredOnAtMs: _on, shutdownAtMs: _off, ...calm } = cleared;
        if (attempt.power === "On") keep({ ...calm, poweredOnAtMs: attempt.startedAtMs });
        else if (attempt.power === "ShutdownGraceful") keep({ ...calm, shutdownAtMs: attempt.startedAtMs });
        else keep(calm);
        break;
      }
      case "Delete": {
        // The object goes only when the hypervisor says that the machine has.
        const seen = await describe();
        if (seen.exists) {
          return fail(attempt, new ManagerError("unexpected_state", "the machine still exists after its deletion"));
        }
        const { id: _gone, ...without } = cleared;
        keep(without);
      }
    }
    endAttempt(attempt, "success");
  }

  /** `wasSentBefore`: what was thrown says nothing of an earlier request of the attempt. */
  function fail(attempt: Attempt, thrown: unknown, wasSentBefore = false): void {
    const error = explained(attempt, classify(thrown));
    const now = { nowMs: clock.now(), generation: session.vm.metadata.generation };
    const { attempt: _ended, ...rest } = session.journal;
    const failures = {
      ...rest.failures,
      [attempt.operation]: nextFailure(rest.failures?.[attempt.operation], now, manager.random),
    };
    const unanswered =
      attempt.operation === "Create" && error.outcome === "error" && (wasSentBefore || !wasNeverSent(thrown));
    const isReshaping = attempt.operation === "Reconfigure" || attempt.operation === "Revert";
    const isRefused = thrown instanceof ProviderError && error.outcome === "failure";
    // What was sent may have been carried out, in part even by a task that failed.
    const isReshaped = isReshaping && (wasSentBefore || !(isRefused || wasNeverSent(thrown)));
    keep({
      ...(unanswered ? withUncertain(rest, attempt) : rest),
      failures,
      ...(isReshaped && rest.applied !== undefined ? { applied: unknownShape } : {}),
    });
    failed = { error, thrown };
    if (attempt.operation === "Reconfigure") {
      reconfigured = { condition: { status: "False", reason: error.reason, message: error.message }, at: undefined };
    }
    endAttempt(attempt, error.outcome, error);
  }

  /** The journal with where the machine is asked for and with what, unless an earlier request that differs may have made it. */
  function withCreation({ creation: before, ...journal }: Journal, wasSentBefore = journal.uncertain): Journal {
    const creation = creationOf(session.vm);
    const isKnown = creation !== undefined && (wasSentBefore !== true || isDeepStrictEqual(creation, before));
    return { ...journal, provider: options.providerKey, ...(isKnown ? { creation } : {}) };
  }

  /** Before a request that may have been sent is sent again, maybe with a wish that has changed since. */
  async function noteWish(attempt: Attempt): Promise<void> {
    if (attempt.operation !== "Create" && attempt.operation !== "Reconfigure") return;
    const { digest } = options.desired();
    let { journal } = session;
    if (attempt.operation === "Create") journal = withCreation(journal, true);
    if (digest !== attempt.digest) {
      if (attempt.operation === "Create") journal = withUncertain(journal, attempt);
      journal = { ...journal, attempt: { ...attempt, digest } };
    }
    keep(journal);
    await session.commit();
  }

  function endAttempt(attempt: Attempt, outcome: "success" | "failure" | "error", error?: Classified): void {
    const { type, name } = options.peer();
    const ageMs = ageOf(attempt);
    const durationSeconds = ageMs / 1000;
    const inOperation = operation ?? contexts.active();
    task = undefined;
    operations.observed = undefined;
    session.afterCommit(() => {
      const { operation: ended, startedAtMs } = attempt;
      const result = endOperationTrace(manager.telemetry, {
        name: ended,
        startedAtMs,
        nowMs: startedAtMs + ageMs,
        outcome,
        error: error?.message,
        context: inOperation,
      });
      // The result is the exemplar of its bucket, and what is said of it carries the operation's id.
      contexts.with(result, () => {
        if (ended === "Revert") countRevert(manager.instruments, type, outcome);
        else countOperation(manager.instruments, { operation: ended, type, provider: name, outcome, durationSeconds });
        context.logger.info("An operation ended", { operation: ended, startedAtMs, outcome, durationSeconds });
        if (error === undefined) return;
        countError(manager, error);
        const note = traceNote(result);
        manager.events.record(session.vm, {
          type: "Warning",
          reason: `${ended}Failed`,
          message: error.message,
          ...(note === undefined ? {} : { note }),
        });
      });
    });
  }

  function explained(attempt: Attempt, error: Classified): Classified {
    if (attempt.operation !== "Create" || error.reason !== "AlreadyExists") return error;
    const { name } = session.vm.metadata;
    const message =
      `the provider has a machine ${name} that belongs to another object (names are per provider, not per namespace); rename this one, ` +
      `or annotate it with virtrigaud.io/adopt: "true" to take over a machine that belongs to nobody (${error.message})`;
    return { ...error, message };
  }

  async function describe(): Promise<Observed> {
    const { handle, type, name } = options.peer();
    const startedAt = clock.monotonic();
    const count = (outcome: "success" | "failure" | "error"): void => {
      const durationSeconds = (clock.monotonic() - startedAt) / 1000;
      countOperation(manager.instruments, { operation: "Describe", type, provider: name, outcome, durationSeconds });
    };
    try {
      const answer = await handle.call("describeVM", { id: idOf() }, call);
      count("success");
      const { exists, ips, consoleUrl } = answer;
      const power = powerStateOf(answer.powerState);
      const unknown = exists && power === undefined ? { unknownPower: answer.powerState } : {};
      return { exists, power, ...unknown, ips: exists ? [...ips] : [], consoleUrl };
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof Throttled) throw thrown;
      count(classify(thrown).outcome);
      // Another implementation's way of saying exists=false.
      if (thrown instanceof ProviderError && thrown.code === "NOT_FOUND") {
        countError(manager, classify(thrown));
        return { exists: false, power: undefined, ips: [], consoleUrl: "" };
      }
      throw thrown;
    }
  }

  /** Milliseconds since the attempt began. */
  function ageOf({ operation: of, startedAtMs }: Attempt): number {
    return manager.ages.of(session.vm.metadata.uid, of, startedAtMs);
  }

  function underway(): Attempt {
    const { attempt } = session.journal;
    if (attempt === undefined) throw new ManagerError("unexpected_state", "no operation is under way");
    return attempt;
  }

  const operations: Operations = {
    observed: undefined,
    get task() {
      return task;
    },
    get pendingId() {
      return session.journal.attempt?.operation === "Create"
        ? (pendingId ?? (task === undefined ? undefined : ownStatusId(session.vm, manager.informers)))
        : undefined;
    },
    get failed() {
      return failed;
    },
    get reconfigured() {
      return reconfigured;
    },
    get traceNote() {
      return traceNote(operation);
    },
    traced: (run) => (begun === undefined || contexts.active() === begun ? run() : contexts.with(begun, run)),
    async begin(attempt) {
      // Throws while there is nobody to ask, which is no attempt either.
      options.peer();
      const userData = await userDataFor(attempt.operation);
      const previousTask = taskField(session.vm, attempt.operation);
      const complete: Attempt = {
        ...attempt,
        startedAtMs: clock.now(),
        ...(previousTask === undefined || previousTask === "" ? {} : { previousTask }),
      };
      // Its age counts from here, whatever becomes of the wall clock.
      ageOf(complete);
      task = undefined;
      const ownTrace = isContinued || begun !== undefined;
      const traced = beginOperationTrace(manager.telemetry, {
        name: attempt.operation,
        kind: "VirtualMachine",
        ownTrace,
      });
      operation = begun = traced.context;
      try {
        const journal = attempt.operation === "Create" ? withCreation(session.journal) : session.journal;
        keep({ ...journal, attempt: complete });
        await contexts.with(traced.context, async () => {
          await session.commit();
          await send(userData);
        });
      } finally {
        traced.span.end();
      }
    },
    async resume() {
      options.peer();
      const userData = await userDataFor(underway().operation);
      await noteWish(underway());
      await send(userData, true);
    },
    poll,
    describe,
  };
  return operations;
}

/** The journal after a request for a machine of which nobody knows whether it was carried out. */
function withUncertain(journal: Journal, { digest }: Attempt): Journal {
  const { uncertain, uncertainShape, ...rest } = journal;
  const isOnlyShape = digest !== undefined && (uncertain === undefined || uncertainShape === digest);
  return { ...rest, uncertain: true, ...(isOnlyShape ? { uncertainShape: digest } : {}) };
}
