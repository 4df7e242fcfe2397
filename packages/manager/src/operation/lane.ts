import { context as contexts } from "@opentelemetry/api";
import type { Context } from "@opentelemetry/api";
import type { Outcome } from "@almanac/catalog";
import type { ReconcileContext } from "@almanac/controller";
import type { KubeObject } from "@almanac/kube";
import { ProviderError } from "@almanac/provider";
import { countError } from "../context.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError, classify, wasNeverSent } from "../error.ts";
import type { Classified } from "../error.ts";
import { Throttled } from "../provider/pool.ts";
import { each, onlyTrue, text, time, whole } from "./decode.ts";
import type { Decoder } from "./decode.ts";
import { countOf, decodeFailures, nextFailure, retryIn } from "./pace.ts";
import type { Failures } from "./pace.ts";
import type { Session } from "./session.ts";
import { beginOperationTrace, endOperationTrace, operationContext, traceNote } from "./trace.ts";

/** One attempt that was begun and has no result yet. */
export interface Attempt<A extends object> {
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** The provider's task, once it has answered with one. */
  readonly task?: string;
  /** What the attempt is about and what its answer named. */
  readonly about: A;
}

/** The part of a journal that belongs to one kind of operation. */
export interface Slot<A extends object> {
  readonly attempt?: Attempt<A>;
  readonly failures?: Failures;
  /** A request went unanswered: it may have had its effect. */
  readonly uncertain?: true;
}

/** Reads a slot of a journal; `about` reads what its attempts are about. */
export function slotOf<A extends object>(about: Decoder<A>): Decoder<Slot<A>> {
  const attempt = whole<Attempt<A>>({ startedAtMs: time, task: text, about }, ["task"]);
  const fields = each<Slot<A>>({ attempt, failures: decodeFailures, uncertain: onlyTrue });
  return (value) => {
    const slot = fields(value);
    return Object.keys(slot).length === 0 ? undefined : slot;
  };
}

/** An attempt that ended badly in this reconcile. */
export interface FailedAttempt {
  readonly error: Classified;
  readonly thrown: unknown;
}

export type Progress = "running" | "succeeded" | "failed";

/** What a request was answered with. */
export interface Answer<A extends object> {
  /** Undefined when everything is done already. */
  readonly task: string | undefined;
  readonly about: A;
}

type Outcomes = Exclude<Outcome, "other">;

interface LaneOptions<A extends object> {
  readonly manager: ManagerContext;
  readonly context: Pick<ReconcileContext<never>, "signal" | "logger" | "assertCurrent">;
  readonly session: Pick<
    Session<KubeObject & { readonly status?: object }, unknown>,
    "object" | "afterCommit" | "commit"
  >;
  /** Of the object. */
  readonly kind: string;
  /** Names the operation in traces, logs and, with `Failed` behind it, in Events: `CreateSnapshot`. */
  readonly operation: string;
  /** For people: `the creation of the snapshot`. */
  readonly what: string;
  /** Attempts that take longer are given up, milliseconds. */
  readonly timeoutMs: number;
  /** Retries of one generation. Default: no limit. */
  readonly retries?: number | undefined;
  /** Pause before the attempt after `count` failures, milliseconds. Default: 1 s, doubling to 5 min. */
  readonly retryDelayMs?: ((count: number) => number) | undefined;
  /** Throws while there is nobody to ask, which is no attempt. */
  ready(): void;
  slot(): Slot<A>;
  keep(slot: Slot<A>): void;
  /** Sends the request. The same again must not have its effect twice. Rejects with Throttled when it has to be put off. */
  send(about: A): Promise<Answer<A>>;
  /** Asks the provider for the state of a task. */
  taskStatus(task: string): Promise<{ readonly done: boolean; readonly error: string }>;
  /** Whether an attempt whose task the provider forgot had its effect; undefined when only the same request again can tell. */
  tookEffect(about: A): Promise<boolean | undefined>;
  /** Changes the journal to what a success makes of it. */
  succeeded(about: A): void;
  /** Called once per attempt, after its result was kept. */
  count(outcome: Outcomes, about: A): void;
}

/** One kind of operation on an object within one reconcile: begun, kept, sent, followed, kept again and only then counted. */
export interface Lane<A extends object> {
  readonly failed: FailedAttempt | undefined;
  /** Milliseconds to the next attempt; 0: now. Undefined: not before the specification changes. */
  readonly retryInMs: number | undefined;
  begin(about: A): Promise<Progress>;
  /** Goes on with the attempt under way: sends its request again when it may not have been sent, else asks for its task. */
  advance(): Promise<Progress>;
  /** An attempt that ends before it is sent, since it is known to be refused. */
  refuse(about: A, thrown: unknown): Progress;
}

export function createLane<A extends object>(options: LaneOptions<A>): Lane<A> {
  const { manager, session, context, operation } = options;
  const { clock, telemetry } = manager;
  const generation = session.object.metadata.generation ?? 0;
  // A reconcile within an operation's trace begins the next one in a trace of its own.
  let ownTrace = options.slot().attempt !== undefined;
  let traced = operationContext(session.object);
  let failed: FailedAttempt | undefined;

  function underway(): Attempt<A> {
    const { attempt } = options.slot();
    if (attempt === undefined) throw new ManagerError("unexpected_state", `${options.what} is not under way`);
    return attempt;
  }

  /** Milliseconds since the attempt began. */
  function ageOf({ startedAtMs }: Pick<Attempt<A>, "startedAtMs">): number {
    return manager.ages.of(session.object.metadata.uid ?? "", operation, startedAtMs);
  }

  /** `isAgain`: the request may have been sent before. */
  async function send(isAgain = false): Promise<Progress> {
    const attempt = underway();
    let answer: Answer<A>;
    context.assertCurrent();
    try {
      answer = await options.send(attempt.about);
    } catch (thrown) {
      context.signal.throwIfAborted();
      // Not sent: the attempt goes on when there is a token.
      if (thrown instanceof Throttled) throw thrown;
      return fail(underway(), thrown, isAgain);
    }
    const { about } = answer;
    if (answer.task === undefined || answer.task === "") return succeed(attempt, about);
    options.keep({ ...options.slot(), attempt: { ...attempt, about, task: answer.task } });
    await session.commit();
    return "running";
  }

  async function poll(task: string): Promise<Progress> {
    const attempt = underway();
    let state: { readonly done: boolean; readonly error: string };
    try {
      state = await options.taskStatus(task);
    } catch (thrown) {
      if (!(thrown instanceof ProviderError && thrown.code === "NOT_FOUND")) throw thrown;
      return resolveLost(attempt);
    }
    if (state.done) {
      if (state.error === "") return succeed(attempt, attempt.about);
      return fail(attempt, new ManagerError("task_failed", state.error));
    }
    if (ageOf(attempt) < options.timeoutMs) return "running";
    const seconds = Math.round(options.timeoutMs / 1000);
    return fail(attempt, new ManagerError("task_timeout", `${options.what} did not end within ${seconds} s`));
  }

  /** The provider does not know the task: only the effect itself can tell. */
  async function resolveLost(attempt: Attempt<A>): Promise<Progress> {
    const { about, startedAtMs } = attempt;
    const tookEffect = await options.tookEffect(about);
    if (tookEffect === true) return succeed(attempt, about);
    if (tookEffect === false) {
      const message = `the provider forgot the task of ${options.what}, which had no effect`;
      return fail(attempt, new ManagerError("task_lost", message));
    }
    options.keep({ ...options.slot(), attempt: { startedAtMs, about } });
    return send(true);
  }

  function succeed(attempt: Attempt<A>, about: A): Progress {
    options.keep({});
    options.succeeded(about);
    end(attempt, about, "success", undefined);
    return "succeeded";
  }

  /** `wasSentBefore`: what was thrown says nothing of an earlier request of the attempt. */
  function fail(attempt: Attempt<A>, thrown: unknown, wasSentBefore = false): Progress {
    const error = classify(thrown);
    const { failures: before, uncertain } = options.slot();
    const now = { nowMs: clock.now(), generation };
    let failures = nextFailure(before, now, manager.random);
    if (options.retryDelayMs !== undefined) {
      failures = { ...failures, retryAtMs: now.nowMs + options.retryDelayMs(failures.count) };
    }
    const unanswered = uncertain === true || (error.outcome === "error" && (wasSentBefore || !wasNeverSent(thrown)));
    options.keep({ failures, ...(unanswered ? { uncertain: true } : {}) });
    failed = { error, thrown };
    end(attempt, attempt.about, error.outcome, error);
    return "failed";
  }

  /** What is told of an attempt, once its result is kept. */
  function end({ startedAtMs }: Attempt<A>, about: A, outcome: Outcomes, error: Classified | undefined): void {
    const ageMs = ageOf({ startedAtMs });
    const within: Context = traced ?? contexts.active();
    session.afterCommit(() => {
      const result = endOperationTrace(telemetry, {
        name: operation,
        startedAtMs,
        nowMs: startedAtMs + ageMs,
        outcome,
        error: error?.message,
        context: within,
      });
      contexts.with(result, () => {
        options.count(outcome, about);
        context.logger.info("An operation ended", {
          operation,
          startedAtMs,
          outcome,
          durationSeconds: ageMs / 1000,
        });
        if (error === undefined) return;
        countError(manager, error);
        const note = traceNote(result);
        const event = { type: "Warning", reason: `${operation}Failed`, message: error.message } as const;
        manager.events.record(session.object, note === undefined ? event : { ...event, note });
      });
    });
  }

  return {
    get failed() {
      return failed;
    },
    get retryInMs() {
      const { failures } = options.slot();
      const count = countOf(failures, generation);
      if (count > (options.retries ?? Number.POSITIVE_INFINITY)) return undefined;
      return retryIn(failures, { nowMs: clock.now(), generation }, options.retryDelayMs?.(count));
    },
    async begin(about) {
      options.ready();
      const trace = beginOperationTrace(telemetry, { name: operation, kind: options.kind, ownTrace });
      ownTrace = true;
      traced = trace.context;
      try {
        const startedAtMs = clock.now();
        ageOf({ startedAtMs });
        options.keep({ ...options.slot(), attempt: { startedAtMs, about } });
        return await contexts.with(trace.context, async () => {
          await session.commit();
          return send();
        });
      } finally {
        trace.span.end();
      }
    },
    async advance() {
      options.ready();
      const { task } = underway();
      return task === undefined ? send(true) : poll(task);
    },
    refuse(about, thrown) {
      return fail({ startedAtMs: clock.now(), about }, thrown);
    },
  };
}
