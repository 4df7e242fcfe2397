import { again, done, failure } from "@almanac/controller";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import { isKubeError } from "@almanac/kube";
import type { Informer, KubeObject } from "@almanac/kube";
import type { Condition } from "../api/schema.ts";
import { findCondition, withCondition, withoutCondition } from "../conditions.ts";
import type { ConditionInput } from "../conditions.ts";
import { countError } from "../context.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError, classify } from "../error.ts";
import { Throttled } from "../provider/pool.ts";
import type { FailedAttempt } from "./lane.ts";
import { NotYet } from "./not-yet.ts";

const conflictPauseMs = 50;
/** For what a watch reports anyway. */
export const longPauseMs = 300_000;
/** Also for what no watch reports: a Secret that is missing. */
const unmetPauseMs = 60_000;
/** Failures in a row before a task that cannot be asked for is said to be out of reach. */
const patience = 3;

/** Why an object is not as it is wished. */
export interface Problem {
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
  /** It was refused; a change is needed. */
  readonly refused: boolean;
}

export interface Observable extends KubeObject {
  readonly metadata: KubeObject["metadata"] & { readonly generation: number };
  readonly status?: { readonly conditions?: Condition[] };
}

/** One reconcile of one object. */
export interface Work<T> {
  readonly object: T;
  run(): Promise<Result>;
  /** Keeps what was found out so far. */
  commit(): Promise<void>;
  writeStatus(problem: Problem | undefined): Promise<void>;
}

/** Already kept, counted and said; only the controller needs to hear of it. */
class Settled extends Error {
  constructor(cause: unknown) {
    super("settled", { cause });
  }
}

/** The reconcile function of a kind: `start` says what there is to do, this what to make of what it throws. */
export function createFramedReconciler<T extends Observable>(
  manager: ManagerContext,
  informer: Informer<T>,
  start: (object: T, context: ReconcileContext<T>) => Work<T>,
): (request: Request, context: ReconcileContext<T>) => Promise<Result> {
  return async ({ namespace, name }, context) => {
    const object = informer.get(namespace, name);
    if (object === undefined || manager.released.has(object.metadata.uid ?? "")) return done();
    const work = start(object, context);
    try {
      return await work.run();
    } catch (thrown) {
      context.signal.throwIfAborted();
      // Someone changed the object in between; what they wrote is on its way here.
      if (isKubeError(thrown, "conflict")) return again(conflictPauseMs);
      // Gone in between.
      if (isKubeError(thrown, "not_found")) return done();
      return await explain(manager, work, thrown, context.retries);
    }
  };
}

async function explain<T extends Observable>(
  manager: ManagerContext,
  work: Work<T>,
  thrown: unknown,
  retries: number,
): Promise<Result> {
  if (thrown instanceof Settled) throw thrown.cause;
  // A worker does not wait for a token, and what waits for one is not said to be unwell.
  if (thrown instanceof Throttled) return settle(work, undefined, again(thrown.afterMs));
  if (thrown instanceof NotYet) {
    await work.commit();
    await work.writeStatus({ reason: thrown.reason, message: thrown.message, refused: false });
    return again(longPauseMs);
  }
  const error = classify(thrown);
  if (error.reason === "KubernetesApiError") {
    countError(manager, error);
    throw thrown;
  }
  await work.commit();
  if (thrown instanceof ManagerError && isUnmet(thrown)) {
    const reason = error.reason === "Unsupported" ? "UnsupportedProvider" : error.reason;
    const before = findCondition(work.object.status?.conditions, "Ready");
    const isNews = before?.reason !== reason || before.message !== error.message;
    await work.writeStatus({ reason, message: error.message, refused: thrown.code !== "dependency_not_found" });
    if (isNews) {
      countError(manager, error);
      manager.events.record(work.object, { type: "Warning", reason, message: error.message });
    }
    return failure(thrown, { afterMs: unmetPauseMs });
  }
  countError(manager, error);
  if (retries + 1 >= patience) {
    await work.writeStatus({ reason: error.reason, message: error.message, refused: error.outcome === "failure" });
  }
  if (error.outcome === "failure") return failure(thrown);
  throw thrown;
}

/** The object, or what it names, has to change first. */
function isUnmet({ code }: ManagerError): boolean {
  return code === "dependency_not_found" || code === "invalid_spec" || code === "unsupported_type";
}

/** Keeps what a reconcile found, then ends it with `calm`, or with what went wrong. */
export async function settle<T>(
  work: Pick<Work<T>, "commit" | "writeStatus">,
  failed: FailedAttempt | undefined,
  calm: Result,
): Promise<Result> {
  await work.commit();
  await work.writeStatus(failed === undefined ? undefined : problemOf(failed));
  if (failed === undefined) return calm;
  if (failed.error.outcome === "error") throw new Settled(failed.thrown);
  return failure(failed.thrown, { afterMs: calm.type === "again" ? calm.afterMs : longPauseMs });
}

function problemOf({ error }: FailedAttempt): Problem {
  return { reason: error.reason, message: error.message, refused: error.outcome === "failure" };
}

/** While a failed attempt waits for the next one, what it failed with stays to be read. */
export function standingProblem(conditions: readonly Condition[] | undefined): Problem | undefined {
  const ready = findCondition(conditions, "Ready");
  return ready?.status === "False" ? { reason: ready.reason, message: ready.message, refused: true } : undefined;
}

/** The conditions of an object: whether it is ready, and which of its fields nothing acts on. */
export function readyConditions(
  before: readonly Condition[] | undefined,
  ready: Omit<ConditionInput, "type">,
  ignored: readonly string[],
  context: { readonly generation: number; readonly nowMs: number },
): Condition[] {
  const conditions = withCondition(before, { type: "Ready", ...ready }, context);
  if (ignored.length === 0) {
    return findCondition(conditions, "FieldsIgnored") === undefined
      ? conditions
      : withoutCondition(conditions, "FieldsIgnored");
  }
  const message = ignored.join(", ");
  return withCondition(
    conditions,
    { type: "FieldsIgnored", status: "True", reason: "NotImplemented", message },
    context,
  );
}
