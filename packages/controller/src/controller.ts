import type { Clock, Logger } from "@almanac/core";
import type { Informer, KubeObject } from "@almanac/kube";
import type { Context, Link, Span, TracerProvider } from "@opentelemetry/api";
import type { Predicate } from "./predicates.ts";
import type { QueueInstruments } from "./queue-metrics.ts";
import type { ReconcileOutcome, Result } from "./result.ts";
import type { Request, Watch } from "./watches.ts";

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
  /** Puts a written object into the informer's store at once, so that the next reconcile reads its own write. */
  observe(object: T): void;
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
  /** Reconciles at the same time, of different objects. Default: 1. */
  readonly concurrency?: number;
  /** All must let an event of `informer` pass. Default: every event passes. */
  readonly predicates?: readonly Predicate<T>[];
  readonly watches?: readonly Watch[];
  /** Called after each reconcile. What it throws is logged. */
  readonly onReconciled?: (reconciled: Reconciled) => void;
  /** The trace that the reconcile continues, e.g. that of an operation under way. Default: each reconcile is its own root. */
  readonly parentContext?: (object: T) => Context | undefined;
  /** Spans to link to, beside the previous failed try. */
  readonly links?: (object: T) => readonly Link[];
  /** Every object is reconciled so often (plus up to 10 %), with low priority. Default: never. */
  readonly resyncMs?: number;
  /** The reconcile's signal aborts after so long. Default: never. */
  readonly reconcileTimeoutMs?: number;
  /** A reconcile that runs longer makes `health` say so. Default: 600,000. */
  readonly stuckAfterMs?: number;
  /** When stopped, reconciles that run may go on for so long before their signal aborts. Default: 10,000. */
  readonly drainMs?: number;
  readonly backoff?: { readonly baseMs?: number; readonly maxMs?: number };
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface Controller {
  readonly name: string;
  readonly kind: string;
  /** The informers it listens to. */
  readonly informers: readonly Informer<KubeObject>[];
  /** Works until `signal` aborts, drains and resolves. May be run again afterwards. */
  run(signal: AbortSignal): Promise<void>;
  /** True, or why it is not healthy: fits a liveness check. */
  health(): true | string;
  /** Keys ready and waiting. */
  readonly depth: number;
  /** Reconciles running now. */
  readonly working: number;
  /** Reconciles `request` soon, as if its object had changed. */
  enqueue(request: Request): void;
}

export declare function createController<T extends KubeObject>(options: ControllerOptions<T>): Controller;
