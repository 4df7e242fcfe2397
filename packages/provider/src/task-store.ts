import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Context,
} from "@opentelemetry/api";
import { virtrigaud, type ProviderType } from "@almanac/catalog";
import { describeError, systemClock, type Clock } from "@almanac/core";
import type { Telemetry } from "@almanac/telemetry";
import { ProviderError } from "./error.ts";
import { openStateFile } from "./state-file.ts";

/** Does the work of a task; a rejection ends it as failed with the error's message. */
export type TaskRun = (signal: AbortSignal) => Promise<void>;

/** A task to start. */
export interface NewTask {
  /** What it does, in the contract's method names; names the span `task <operation>`. */
  readonly operation: string;
  /** What its owner needs to resume it after a restart. Must survive JSON and hold no secrets. */
  readonly input?: unknown;
  readonly run: TaskRun;
}

/** What is known of a task besides its state. */
export interface TaskInfo {
  readonly id: string;
  readonly operation: string;
  readonly input: unknown;
}

/** Answer of TaskStatus. */
export interface TaskState {
  readonly done: boolean;
  /** Why it failed; empty while running and after success. */
  readonly error: string;
}

/** What to do with a task that was running when the process died. */
export type Interrupted = { readonly resume: TaskRun } | { readonly fail: string };

export interface TaskStoreOptions {
  readonly telemetry: Telemetry;
  /** Labels of `virtrigaud_provider_tasks_inflight`. */
  readonly providerType: ProviderType;
  readonly providerName: string;
  /** Where tasks are kept (`tasks.jsonl`). Default: in memory, lost at a restart. */
  readonly directory?: string;
  /** Decides about tasks a killed process left running. Default: they fail, saying that the provider was restarted. */
  onInterrupted?(task: TaskInfo): Interrupted;
  /** Called when a task has ended, before that is kept or can be read. A task resumed after a crash may end again. Must not throw. */
  onEnded?(task: TaskInfo, error: string): void;
  /** How long an ended task can be read, milliseconds. Default one hour, the contract's. */
  readonly retentionMs?: number;
  /** Ended tasks kept at most, the oldest go first. Default 100,000. */
  readonly maxEnded?: number;
  /** Tasks running at once at most; one more is refused with RESOURCE_EXHAUSTED. Default 10,000. */
  readonly maxRunning?: number;
  readonly clock?: Clock;
}

/** Operations that outlive the RPC that asked for them. */
export interface TaskStore extends AsyncDisposable {
  /**
   * Keeps the task, then runs it in a span of its own, a child of the caller's active span.
   *
   * @throws ProviderError RESOURCE_EXHAUSTED when too many run or the disk is full, UNAVAILABLE after `close`.
   */
  start(task: NewTask): { readonly id: string };
  /** @throws ProviderError NOT_FOUND for a task that never was or ended too long ago. */
  status(id: string): TaskState;
  /** Tasks running now. */
  readonly running: readonly TaskInfo[];
  /** Aborts what runs and waits for it. With a directory those tasks are resumed by the next process. Idempotent. */
  close(): Promise<void>;
}

interface Stored {
  readonly operation: string;
  readonly input?: unknown;
  /** Trace context of the RPC that started it, as propagation headers. */
  readonly trace?: Readonly<Record<string, string>>;
  readonly endedMs?: number;
  readonly error?: string;
}

/**
 * A store of tasks: running ones until they end, polled or not, ended ones for `retentionMs`. Tasks of a killed process are resumed or
 * failed before this returns, as `onInterrupted` decides. A failed task is not counted in `virtrigaud_errors_total`: whoever reads its
 * error does that, because the status carries no ErrorInfo.
 *
 * @throws ProviderError DATA_LOSS when the file in `directory` is damaged.
 */
export function createTaskStore(options: TaskStoreOptions): TaskStore {
  const { telemetry, directory, clock = systemClock, retentionMs = 3_600_000 } = options;
  const { maxEnded = 100_000, maxRunning = 10_000 } = options;
  const tracer = telemetry.tracerProvider.getTracer("@almanac/provider");
  const logger = telemetry.logger.child({ component: "tasks" });
  const inflight = telemetry.instruments(virtrigaud).virtrigaud_provider_tasks_inflight.bind({
    provider_type: options.providerType,
    provider: options.providerName,
  });
  const file = openStateFile<Stored>(directory === undefined ? undefined : join(directory, "tasks.jsonl"));
  const running = new Map<string, { readonly info: TaskInfo; readonly ended: Promise<void> }>();
  // In the order in which they ended, so that the oldest is always first.
  const endedIds = new Set<string>();
  const stopping = new AbortController();

  function forgetOld(): void {
    const limit = clock.now() - retentionMs;
    for (const id of endedIds) {
      const endedMs = file.entries.get(id)?.endedMs ?? 0;
      if (endedIds.size <= maxEnded && endedMs > limit) return;
      file.delete(id);
      endedIds.delete(id);
    }
  }

  function end(info: TaskInfo, stored: Stored, error: string): void {
    options.onEnded?.(info, error);
    file.set(info.id, { operation: stored.operation, endedMs: clock.now(), ...(error === "" ? {} : { error }) });
    endedIds.add(info.id);
  }

  function launch(info: TaskInfo, stored: Stored, run: TaskRun, parent: Context): void {
    const span = tracer.startSpan(
      `task ${info.operation}`,
      { attributes: { "almanac.task.id": info.id, "almanac.task.operation": info.operation } },
      parent,
    );
    inflight.add(1);
    const work = async (): Promise<void> => {
      // The RPC answers first: a run that never waits would otherwise hold up its reply.
      await Promise.resolve();
      let error = "";
      try {
        await run(stopping.signal);
        logger.info("a task ended", { task: info.id, operation: info.operation });
      } catch (thrown) {
        // Stopped, not failed: it stays in the file as running, for the next process.
        if (stopping.signal.aborted) return;
        const failure = ProviderError.from(thrown);
        error = failure.details || failure.code;
        span.setStatus({ code: SpanStatusCode.ERROR, message: error });
        logger.warn("a task failed", { task: info.id, operation: info.operation, error: describeError(thrown) });
      }
      end(info, stored, error);
    };
    const ended = context
      .with(trace.setSpan(parent, span), work)
      .catch((thrown: unknown) => {
        // The end could not be written. The task stays running in the file, and its owner decides after the next start.
        logger.error("the end of a task could not be kept", { task: info.id, error: describeError(thrown) });
      })
      .finally(() => {
        running.delete(info.id);
        inflight.add(-1);
        span.end();
      });
    running.set(info.id, { info, ended });
  }

  function takeOver(): void {
    const left: [string, Stored][] = [];
    const ended: [string, Stored][] = [];
    for (const entry of file.entries) (entry[1].endedMs === undefined ? left : ended).push(entry);
    ended.sort(([, a], [, b]) => (a.endedMs ?? 0) - (b.endedMs ?? 0));
    for (const [id] of ended) endedIds.add(id);
    for (const [id, stored] of left) {
      const info: TaskInfo = { id, operation: stored.operation, input: stored.input };
      const decision = options.onInterrupted?.(info) ?? {
        fail: `${stored.operation} was interrupted by a restart of the provider`,
      };
      if ("fail" in decision) end(info, stored, decision.fail);
      else {
        const parent = telemetry.propagator.extract(ROOT_CONTEXT, stored.trace ?? {}, defaultTextMapGetter);
        launch(info, stored, decision.resume, parent);
      }
      logger.info("took over an interrupted task", {
        task: id,
        operation: stored.operation,
        resumed: "resume" in decision,
      });
    }
    forgetOld();
  }

  takeOver();
  let closed: Promise<void> | undefined;

  const store: TaskStore = {
    start({ operation, input, run }) {
      if (stopping.signal.aborted) throw new ProviderError("UNAVAILABLE", "the provider is shutting down");
      if (running.size >= maxRunning) {
        throw new ProviderError(
          "RESOURCE_EXHAUSTED",
          `${running.size} tasks are running, more than ${maxRunning} are not accepted; try again when some have ended`,
        );
      }
      forgetOld();
      const id = `task-${randomUUID()}`;
      const parent = context.active();
      const headers: Record<string, string> = {};
      telemetry.propagator.inject(parent, headers, defaultTextMapSetter);
      const stored: Stored = {
        operation,
        ...(input === undefined ? {} : { input }),
        ...(Object.keys(headers).length === 0 ? {} : { trace: headers }),
      };
      file.set(id, stored);
      launch({ id, operation, input }, stored, run, parent);
      return { id };
    },
    status(id) {
      forgetOld();
      const stored = file.entries.get(id);
      if (stored === undefined) {
        throw new ProviderError(
          "NOT_FOUND",
          `there is no task ${id}; it never was, or it ended more than ${retentionMs} ms ago`,
        );
      }
      return { done: stored.endedMs !== undefined, error: stored.error ?? "" };
    },
    get running() {
      return [...running.values()].map(({ info }) => info);
    },
    close() {
      closed ??= (async () => {
        stopping.abort(new Error("the provider is shutting down"));
        await Promise.all([...running.values()].map(({ ended }) => ended));
        file[Symbol.dispose]();
      })();
      return closed;
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
  return store;
}
