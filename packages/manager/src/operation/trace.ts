import {
  context as contexts,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
} from "@opentelemetry/api";
import type { Context, Link, Span, SpanContext } from "@opentelemetry/api";
import type { Outcome } from "@almanac/catalog";
import type { KubeObject } from "@almanac/kube";
import type { Telemetry } from "@almanac/telemetry";

/** Annotation with the W3C trace context of the operation under way, or of the last one. */
export const traceAnnotation = "almanac.dev/traceparent";

type Tracing = Pick<Telemetry, "tracerProvider">;

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

/** `context`'s span as `operationContext` reads it back: a traceparent, whatever goes over the wire. */
export function traceparent(context: Context): string | undefined {
  const span = trace.getSpanContext(context);
  if (span === undefined || !isSpanContextValid(span)) return undefined;
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
}

/** The operation's context as kept on `object`; undefined when there is none. */
export function operationContext(object: KubeObject): Context | undefined {
  const kept = keptSpan(object);
  return kept === undefined ? undefined : trace.setSpanContext(ROOT_CONTEXT, kept);
}

/** To the operation last kept on `object`. */
export function operationLinks(object: KubeObject): Link[] {
  const last = keptSpan(object);
  return last === undefined ? [] : [{ context: last, attributes: { "almanac.link": "last_operation" } }];
}

// Source: W3C Trace Context, level 2, section 3.2: all zeros are no ids.
const traceparentText = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

function keptSpan({ metadata }: KubeObject): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceparentText.exec(metadata.annotations?.[traceAnnotation] ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
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
