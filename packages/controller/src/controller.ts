import {
  context as contexts,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type TracerProvider,
} from "@opentelemetry/api";
import { createCleanup, describeError, silentLogger, systemClock } from "@almanac/core";
import type { Cleanup, Clock, Logger, Timer } from "@almanac/core";
import { apiVersionOf, isKubeError, isOfKind, keyOf, linkSignals } from "@almanac/kube";
import type { Informer, InformerEvent, KubeObject, LinkedSignal, ResourceDefinition } from "@almanac/kube";
import type { BackoffOptions } from "./backoff.ts";
import { ControllerError } from "./error.ts";
import { lostHold, type Hold, type Partition } from "./partition.ts";
import type { Predicate } from "./predicates.ts";
import type { QueueInstruments } from "./queue-metrics.ts";
import { createReconcileTracer } from "./reconcile-span.ts";
import { outcomeOf, type ReconcileOutcome, type Result } from "./result.ts";
import type { Request, Watch } from "./watches.ts";
import { createWorkQueue, type Priority, type WorkCause, type WorkItem, type WorkQueue } from "./work-queue.ts";
import { createWorkers, type Workers } from "./workers.ts";

/** What a controller records with; a Telemetry fits. */
export interface ControllerTelemetry {
  readonly tracerProvider: TracerProvider;
  readonly stack?: QueueInstruments;
  readonly logger?: Logger;
}

export interface ReconcileContext<T extends KubeObject> {
  /** Aborts at the reconcile's timeout, at the end of a drain and when leadership is lost. */
  readonly signal: AbortSignal;
  /** Its lines carry kind, namespace and name. */
  readonly logger: Logger;
  /** The reconcile's span; it is the active one as well. */
  readonly span: Span;
  /** Failures of this key in a row before this try. */
  readonly retries: number;
  /**
   * `low`: nobody has asked for it; the object was there at the start, came with a partition, or a resync or an `again` with that priority is
   * due. Another try after a failure has the priority of the one that failed.
   */
  readonly priority: Priority;
  /**
   * Throws when this process may not act on the object any more: called right before whatever cannot be taken back, it also sees what
   * `signal` learns a moment later, after a pause of the whole process.
   */
  readonly assertCurrent: () => void;
  /**
   * Puts a written object of the controller's own kind into its informer's store at once, so that the next reconcile reads its own write. What
   * it writes of other kinds is for `observe` of their informers. Throws ControllerError `invalid_options` for an object of another kind.
   */
  readonly observe: (object: T) => void;
  /**
   * Settles as `waiting` does. From `lendAfterMs` on, until then, another reconcile has this one's worker: for answers that a third party
   * may keep back for long, so that it holds up nobody else. Whoever uses it must limit how many wait for one party.
   */
  readonly lend: <V>(waiting: Promise<V>) => Promise<V>;
  /**
   * Has the object looked at again now, with this reconcile's priority: for what an `again` waits for and somebody can tell the end of. May be
   * called at any time, after the reconcile too.
   */
  readonly wake: () => void;
}

export interface Reconciled {
  readonly request: Request;
  readonly outcome: ReconcileOutcome;
  /** Wall time of the reconcile function. */
  readonly durationSeconds: number;
}

export interface ControllerOptions<T extends KubeObject> {
  /** Queue and log name, e.g. `virtualmachine`. */
  readonly name: string;
  readonly informer: Informer<T>;
  readonly reconcile: (request: Request, context: ReconcileContext<T>) => Promise<Result>;
  readonly telemetry: ControllerTelemetry;
  /** Reconciles at the same time, of different objects; those that have lent their worker come on top. Default: 1. */
  readonly concurrency?: number;
  /** How long a wait within `lend` keeps its worker. Default: 1,000. */
  readonly lendAfterMs?: number;
  /** All must let an event of `informer` pass; resyncs are not asked about. Default: every event passes. */
  readonly predicates?: readonly Predicate<T>[];
  readonly watches?: readonly Watch[];
  /** Called after each reconcile, within its span. What it throws is logged. */
  readonly onReconciled?: (reconciled: Reconciled) => void;
  /** The trace that the reconcile continues, e.g. that of an operation under way. Default: each reconcile is its own root. */
  readonly parentContext?: (object: T) => Context | undefined;
  /** Spans to link to, beside the previous failed try. */
  readonly links?: (object: T) => readonly Link[];
  /** Objects of other processes are left alone. Default: all are this process' own. */
  readonly partition?: Partition;
  /** Every object is reconciled so often (plus up to 10 %), with low priority. Default: never. */
  readonly resyncMs?: number;
  /** The reconcile's signal aborts after so long. Default: never. */
  readonly reconcileTimeoutMs?: number;
  /** A reconcile that runs longer makes `health` say so. Default: 600,000. */
  readonly stuckAfterMs?: number;
  /** When stopped, reconciles that run may go on for so long before their signal aborts. Default: 10,000. */
  readonly drainMs?: number;
  /** After `drainMs` and the abort, `run` waits this much longer for reconciles that ignore it. Default: 2,000. */
  readonly abandonMs?: number;
  readonly backoff?: BackoffOptions;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface Controller {
  readonly name: string;
  readonly kind: string;
  /** The informers it listens to. */
  readonly informers: readonly Informer<KubeObject>[];
  /**
   * Works until `signal` aborts, then takes nothing new, lets what runs come to its end and resolves. May be run again afterwards. With
   * KubeError `leadership_lost` as the reason of the abort, what runs is aborted at once. Rejects with ControllerError: `drain_timeout` when
   * reconciles ignore their signal, after which the process should end, and `invalid_options` when it runs already.
   */
  run(signal: AbortSignal): Promise<void>;
  /** True, or why it is not healthy: fits a liveness check. */
  health(): true | string;
  /** Keys ready and waiting. */
  readonly depth: number;
  /** Reconciles running now. */
  readonly working: number;
  /** Reconciles `request` soon, as if its object had changed (priority `normal`, the default). Without effect while it does not run. */
  enqueue(request: Request, options?: { readonly priority?: Priority }): void;
}

/**
 * Brings objects to their desired state: events of informers become keys in a queue, keys become calls of `reconcile`, never two of one
 * key at once. Nothing a reconcile does ends the controller. Source of the shape: controller-runtime.
 */
export function createController<T extends KubeObject>(options: ControllerOptions<T>): Controller {
  const { name, informer, telemetry, concurrency = 1, clock = systemClock, random = Math.random } = options;
  const { partition } = options;
  const { stuckAfterMs = 600_000, drainMs = 10_000, abandonMs = 2_000, lendAfterMs = 1_000 } = options;
  const { watches = [], resyncMs } = options;
  checkOptions(options, { concurrency, stuckAfterMs, drainMs, abandonMs, lendAfterMs });
  const kind = informer.definition.kind;
  const logger = (telemetry.logger ?? silentLogger).child({ controller: name });
  const tracer = createReconcileTracer(telemetry.tracerProvider, kind);
  // Of keys that fail only; dropped when they succeed.
  const lastTry = new Map<string, SpanContext>();
  let queue: WorkQueue<Request> | undefined;

  function subscribe(target: WorkQueue<Request>): Cleanup {
    const subscriptions = createCleanup();
    const offer = (
      request: Request,
      settings: { readonly priority: Priority; readonly cause?: WorkCause | undefined },
      afterMs = 0,
    ): void => {
      if (partition?.owns(request.namespace) === false) return;
      if (afterMs > 0) target.addAfter(request, afterMs, { priority: settings.priority });
      else target.add(request, settings);
    };
    if (partition !== undefined) {
      subscriptions.use(
        partition.onGain((gained) => {
          for (const object of informer.list()) {
            if (gained(object.metadata.namespace ?? "")) target.add(requestFor(object), { priority: "low" });
          }
        }),
      );
    }
    subscriptions.use(
      informer.onEvent((event, atMs) => {
        const resync = event.type === "update" && event.resync;
        if (!resync && options.predicates?.every((passes) => passes(event)) === false) return;
        // What is there at the start, and resyncs, can wait behind what someone just changed.
        const calm = resync || (event.type === "add" && event.initial);
        const cause = resync ? undefined : { name: `${event.type} ${kind}`, atMs };
        offer(requestFor(event.object), { priority: calm ? "low" : "normal", cause });
      }),
    );
    for (const watched of watches) {
      subscriptions.use(
        watched.informer.onEvent((event: InformerEvent<KubeObject>, atMs) => {
          const calm = event.type === "add" && event.initial;
          const cause = { name: `${event.type} ${watched.informer.definition.kind}`, atMs };
          const priority = calm ? "low" : "normal";
          for (const request of watched.requests(event)) offer(request, { priority, cause }, watched.batchMs);
        }),
      );
    }
    if (resyncMs !== undefined) {
      let timer: Timer;
      const arm = (): Timer =>
        clock.setTimeout(
          () => {
            for (const object of informer.list()) offer(requestFor(object), { priority: "low" });
            timer = arm();
          },
          resyncMs * (1 + random() / 10),
        );
      timer = arm();
      subscriptions.defer(() => timer.cancel());
    }
    return subscriptions;
  }

  /** Runs the function and turns whatever it does into a result. */
  async function attempt(
    request: Request,
    context: ReconcileContext<T>,
  ): Promise<Result | { readonly type: "thrown"; readonly error: unknown }> {
    try {
      const result: Result | undefined = await options.reconcile(request, context);
      if (result === undefined)
        throw new TypeError("reconcile returned no result: return done(), again(), failure() or terminal()");
      return result;
    } catch (error) {
      const reason: unknown = context.signal.aborted ? context.signal.reason : undefined;
      // A reconcile that gives up because its time is over mostly says "aborted"; why it was is of more use.
      const told = reason instanceof ControllerError && error !== reason;
      return {
        type: "thrown",
        error: told ? new ControllerError(reason.code, "the reconcile was aborted", { cause: error }) : error,
      };
    }
  }

  function schedule(
    target: WorkQueue<Request>,
    { key: request, priority }: WorkItem<Request>,
    result: Awaited<ReturnType<typeof attempt>>,
  ): number | undefined {
    switch (result.type) {
      case "done":
      case "terminal":
        target.forget(request);
        return undefined;
      case "again":
        target.forget(request);
        target.addAfter(request, result.afterMs, result.priority === undefined ? {} : { priority: result.priority });
        return result.afterMs;
      case "failure":
        if (result.afterMs === undefined) return target.retry(request, { priority });
        target.forget(request);
        target.addAfter(request, result.afterMs, { priority });
        return result.afterMs;
      case "thrown":
        return target.retry(request, { priority });
    }
  }

  async function reconcileOne(
    target: WorkQueue<Request>,
    item: WorkItem<Request>,
    { stop, lend }: { readonly stop: AbortSignal; readonly lend: Workers["lend"] },
  ): Promise<void> {
    const request = item.key;
    const id = idOf(request);
    using hold = partition?.enter(request.namespace);
    if (partition !== undefined && hold === undefined) {
      // Whoever has it now reconciles all of them.
      target.forget(request);
      lastTry.delete(id);
      return;
    }
    const retries = target.retries(request);
    const object = informer.get(request.namespace, request.name);
    const { span, context } = tracer.start({
      request,
      cause: item.cause,
      waitedSeconds: item.waitedSeconds,
      nowMs: clock.now(),
      retries,
      parent: object === undefined ? undefined : attemptOr(undefined, () => options.parentContext?.(object)),
      links: object === undefined ? [] : (attemptOr([], () => options.links?.(object)) ?? []),
      previous: lastTry.get(id),
    });
    const own = logger.child({
      kind,
      ...(request.namespace === "" ? {} : { namespace: request.namespace }),
      name: request.name,
    });
    using linked = linkSignals(stop, hold?.signal);
    const { signal } = linked;
    const timer =
      options.reconcileTimeoutMs === undefined
        ? undefined
        : clock.setTimeout(
            () =>
              linked.abort(
                new ControllerError(
                  "reconcile_timeout",
                  `the reconcile ran longer than ${options.reconcileTimeoutMs} ms`,
                ),
              ),
            options.reconcileTimeoutMs,
          );
    const { result, outcome, durationSeconds } = await contexts.with(context, async () => {
      own.debug("reconciling");
      const startedAt = clock.monotonic();
      const result = await attempt(request, {
        signal,
        logger: own,
        span,
        retries,
        priority: item.priority,
        assertCurrent: () => assertCurrent(linked, hold),
        observe(written) {
          checkKind(name, informer.definition, written);
          informer.observe(written);
        },
        lend,
        wake: () => {
          // A queue that has been shut down takes nothing.
          if (partition?.owns(request.namespace) !== false) target.add(request, { priority: item.priority });
        },
      });
      const durationSeconds = (clock.monotonic() - startedAt) / 1000;
      timer?.cancel();
      const outcome = outcomeOf(result);
      if (outcome === "success")
        own.debug("reconciled", {
          outcome,
          result: result.type,
          durationSeconds,
          retries,
          afterMs: result.type === "again" ? result.afterMs : undefined,
        });
      attemptOr(undefined, () => options.onReconciled?.({ request, outcome, durationSeconds }));
      return { result, outcome, durationSeconds };
    });
    // Outside of its context, which a timer would keep: that of a machine at rest would keep the span of its last reconcile.
    const afterMs = schedule(target, item, result);
    if (outcome === "success" || result.type === "terminal") lastTry.delete(id);
    else lastTry.set(id, span.spanContext());
    const error = "error" in result ? result.error : undefined;
    if (outcome !== "success") {
      const fields = {
        outcome,
        result: result.type,
        durationSeconds,
        retries,
        afterMs,
        error: describeError(error),
      };
      contexts.with(context, () => {
        // What comes again by itself is told as a warning; what nobody retries is for someone to look at.
        if (result.type === "terminal") own.error("reconcile failed for good", fields);
        else own.warn("reconcile failed", fields);
      });
    }
    tracer.end(span, { type: result.type, outcome, error });
  }

  function attemptOr<V>(otherwise: V, callback: () => V): V {
    try {
      return callback();
    } catch (error) {
      logger.error("a callback of the controller threw", { error: describeError(error) });
      return otherwise;
    }
  }

  function startWorkers(target: WorkQueue<Request>, stop: AbortSignal): Workers {
    const workers = createWorkers({
      count: concurrency,
      lendAfterMs,
      clock,
      async work() {
        const item = await target.take();
        if (item === undefined) return false;
        try {
          await reconcileOne(target, item, { stop, lend: workers.lend });
        } catch (error) {
          // Only a defect of telemetry or logging gets here; the key must not be lost with it.
          logger.error("a worker met an unexpected error", { error: describeError(error) });
          target.retry(item.key, item);
        } finally {
          target.done(item.key);
        }
        return true;
      },
    });
    return workers;
  }

  /** Resolves when nothing runs any more. Rejects with `drain_timeout` when waiting longer is of no use. */
  async function drain(target: WorkQueue<Request>, stop: AbortController, reason: unknown): Promise<void> {
    const patience = new AbortController();
    const stopNow = (): void => {
      stop.abort(reason instanceof Error ? reason : new ControllerError("stopping", "the controller stops"));
      abandon = clock.setTimeout(
        () =>
          patience.abort(
            new ControllerError(
              "drain_timeout",
              `controller "${name}": ${target.working} reconciles ignore their signal`,
            ),
          ),
        abandonMs,
      );
    };
    let abandon: Timer | undefined;
    const grace = isKubeError(reason, "leadership_lost") ? undefined : clock.setTimeout(stopNow, drainMs);
    if (grace === undefined) stopNow();
    try {
      await target.idle(patience.signal);
    } finally {
      grace?.cancel();
      abandon?.cancel();
    }
  }

  return {
    name,
    kind,
    informers: [informer, ...watches.map((watched) => watched.informer)],
    async run(signal) {
      if (queue !== undefined) throw new ControllerError("invalid_options", `controller "${name}" runs already`);
      if (signal.aborted) return;
      using own = createWorkQueue<Request>({
        name,
        keyOf: idOf,
        clock,
        ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
        ...(telemetry.stack === undefined ? {} : { instruments: telemetry.stack }),
      });
      queue = own;
      using subscriptions = subscribe(own);
      const stop = new AbortController();
      const workers = startWorkers(own, stop.signal);
      logger.info("controller started", { kind, concurrency });
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve(), { once: true });
      });
      subscriptions[Symbol.dispose]();
      own.shutdown();
      await drain(own, stop, signal.reason);
      await workers.ended;
      queue = undefined;
      lastTry.clear();
      logger.info("controller stopped", { kind });
    },
    health() {
      const runningMs = queue?.longestRunningMs() ?? 0;
      return (
        runningMs <= stuckAfterMs ||
        `controller ${name}: a reconcile has been running for ${Math.round(runningMs / 1000)} s`
      );
    },
    get depth() {
      return queue?.depth ?? 0;
    },
    get working() {
      return queue?.working ?? 0;
    },
    enqueue(request, settings) {
      if (partition?.owns(request.namespace) !== false)
        queue?.add({ namespace: request.namespace, name: request.name }, settings);
    },
  };
}

function checkKind(controller: string, own: ResourceDefinition, written: KubeObject): void {
  if (isOfKind(written, own)) return;
  const { kind, apiVersion, metadata } = written;
  throw new ControllerError(
    "invalid_options",
    `controller "${controller}": context.observe takes a ${own.kind} (${apiVersionOf(own)}), got ` +
      `${kind} (${apiVersion}) ${keyOf(metadata)}: call observe of that kind's informer`,
  );
}

function assertCurrent(linked: LinkedSignal, hold: Hold | undefined): void {
  if (hold?.current === false) linked.abort(lostHold());
  linked.signal.throwIfAborted();
}

function requestFor(object: KubeObject): Request {
  return { namespace: object.metadata.namespace ?? "", name: object.metadata.name };
}

function idOf(request: Request): string {
  return `${request.namespace}/${request.name}`;
}

function checkOptions<T extends KubeObject>(
  options: ControllerOptions<T>,
  resolved: {
    readonly concurrency: number;
    readonly stuckAfterMs: number;
    readonly drainMs: number;
    readonly abandonMs: number;
    readonly lendAfterMs: number;
  },
): void {
  const fail = (field: string, value: unknown, rule: string): never => {
    throw new ControllerError(
      "invalid_options",
      `controller "${options.name}": ${field} must be ${rule}, got ${String(value)}`,
    );
  };
  if (options.name === "") fail("name", '""', "a name");
  const { concurrency, ...durations } = resolved;
  if (!(Number.isInteger(concurrency) && concurrency >= 1))
    fail("concurrency", concurrency, "a whole number of at least 1");
  for (const [field, value] of Object.entries(durations))
    if (!(value >= 0)) fail(field, value, "a time in milliseconds");
  for (const field of ["resyncMs", "reconcileTimeoutMs"] as const) {
    const value = options[field];
    if (value !== undefined && !(value > 0)) fail(field, value, "positive");
  }
}
