import {
  context as contexts,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
} from "@opentelemetry/api";
import type { Context, Link, Span } from "@opentelemetry/api";
import type { Outcome } from "@almanac/catalog";
import type { KubeObject } from "@almanac/kube";
import type { Telemetry } from "@almanac/telemetry";
import { traceAnnotation } from "./session.ts";

type Tracing = Pick<Telemetry, "tracerProvider" | "propagator">;

/** The trace of an operation that has just begun. */
export interface OperationTrace {
  /** In which it is kept on its object and sent. */
  readonly context: Context;
  /** To be ended when it is kept and sent, or could not be. */
  readonly span: Span;
}

/**
 * Begins the trace of an operation of `kind`, `operation <name>`. The first one of a reconcile that is a root goes on with that trace, so
 * that it also tells what led to it; any other is a root of its own, with a link to the reconcile that began it.
 */
export function beginOperationTrace(
  tracing: Tracing,
  operation: { readonly name: string; readonly kind: string; readonly ownTrace: boolean },
): OperationTrace {
  const tracer = tracing.tracerProvider.getTracer("@almanac/manager");
  const active = contexts.active();
  const attributes = { "almanac.operation": operation.name, "k8s.object.kind": operation.kind };
  const beganIn = trace.getSpanContext(active);
  const links: Link[] = operation.ownTrace && beganIn !== undefined ? [{ context: beganIn }] : [];
  const span = tracer.startSpan(
    `operation ${operation.name}`,
    { attributes, links, root: operation.ownTrace },
    operation.ownTrace ? trace.deleteSpan(active) : active,
  );
  const context = trace.setSpan(active, span);
  return { context, span };
}

/** The operation's context as kept on `object`; undefined when there is none. */
export function operationContext(tracing: Tracing, object: KubeObject): Context | undefined {
  const traceparent = object.metadata.annotations?.[traceAnnotation];
  if (traceparent === undefined) return undefined;
  const context = tracing.propagator.extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter);
  return trace.getSpanContext(context) === undefined ? undefined : context;
}

/** To the operation last kept on `object`. */
export function operationLinks(tracing: Tracing, object: KubeObject): Link[] {
  const context = operationContext(tracing, object);
  const last = context === undefined ? undefined : trace.getSpanContext(context);
  return last === undefined ? [] : [{ context: last, attributes: { "almanac.link": "last_operation" } }];
}

/**
 * The span `result <name>` below the operation's, from its start to now, and the context for what is told of it: the exemplar of its
 * duration and its log line.
 */
export function endOperationTrace(
  tracing: Tracing,
  result: {
    readonly name: string;
    readonly startedAtMs: number;
    readonly nowMs: number;
    readonly outcome: Outcome;
    readonly error?: string | undefined;
    readonly context: Context;
  },
): Context {
  const { name, startedAtMs, nowMs, outcome, error, context } = result;
  const tracer = tracing.tracerProvider.getTracer("@almanac/manager");
  const attributes = { "almanac.operation": name, "almanac.operation.outcome": outcome };
  const span = tracer.startSpan(`result ${name}`, { attributes, startTime: startedAtMs }, context);
  if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  span.end(Math.max(startedAtMs, nowMs));
  return trace.setSpan(context, span);
}

/** `[trace ID]` for conditions and Events; undefined for a trace that nobody can look up. */
export function traceNote(context: Context | undefined): string | undefined {
  const span = context === undefined ? undefined : trace.getSpanContext(context);
  const isSampled = span !== undefined && (span.traceFlags & TraceFlags.SAMPLED) !== 0;
  return isSampled ? `[trace ${span.traceId}]` : undefined;
}
