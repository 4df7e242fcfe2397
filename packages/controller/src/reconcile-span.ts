import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Link,
  type Span,
  type SpanContext,
} from "@opentelemetry/api";
import type { TracerProvider } from "@opentelemetry/api";
import { describeError } from "@almanac/core";
import type { ReconcileOutcome } from "./result.ts";
import type { Request } from "./watches.ts";
import type { WorkCause } from "./work-queue.ts";

interface SpanStart {
  readonly request: Request;
  /** The event that asked for it. */
  readonly cause: WorkCause | undefined;
  readonly waitedSeconds: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  readonly retries: number;
  readonly parent: Context | undefined;
  readonly links: readonly Link[];
  /** The failed try that this one repeats. */
  readonly previous: SpanContext | undefined;
}

interface ReconcileTracer {
  /** The span and the context in which it is the active one. */
  start(start: SpanStart): { readonly span: Span; readonly context: Context };
  end(
    span: Span,
    result: { readonly type: string; readonly outcome: ReconcileOutcome; readonly error?: unknown },
  ): void;
}

/**
 * One span per reconcile, `reconcile <Kind>`: a child of `parent` where there is one, else a root. What led to it stands beside it in an
 * operation's trace, and below it where it is the root: `watch <event> <Kind>` from the informer's event to the queue, and `queue <Kind>`
 * from there to the worker. A periodic look outside of an operation waits for nothing worth a span.
 */
export function createReconcileTracer(provider: TracerProvider, kind: string): ReconcileTracer {
  const tracer = provider.getTracer("@almanac/controller");
  return {
    start({ request, cause, waitedSeconds, nowMs, retries, parent, links, previous }) {
      const base = parent ?? ROOT_CONTEXT;
      const all =
        previous === undefined
          ? [...links]
          : [...links, { context: previous, attributes: { "almanac.link": "previous_try" } }];
      const span = tracer.startSpan(
        `reconcile ${kind}`,
        {
          kind: SpanKind.INTERNAL,
          attributes: {
            "k8s.object.kind": kind,
            "k8s.object.name": request.name,
            ...(request.namespace === "" ? {} : { "k8s.namespace.name": request.namespace }),
            "almanac.reconcile.queue_wait_seconds": waitedSeconds,
            "almanac.reconcile.retries": retries,
          },
          links: all,
        },
        base,
      );
      const context = trace.setSpan(base, span);
      if (span.isRecording() && (cause !== undefined || parent !== undefined)) {
        const beside = parent ?? context;
        const queuedAtMs = nowMs - waitedSeconds * 1000;
        if (cause !== undefined) {
          tracer
            .startSpan(`watch ${cause.name}`, { startTime: cause.atMs }, beside)
            .end(Math.max(cause.atMs, queuedAtMs));
        }
        tracer.startSpan(`queue ${kind}`, { startTime: queuedAtMs }, beside).end(nowMs);
      }
      return { span, context };
    },
    end(span, { type, outcome, error }) {
      span.setAttribute("almanac.reconcile.result", type).setAttribute("almanac.reconcile.outcome", outcome);
      if (outcome !== "success") {
        if (error instanceof Error) span.recordException(error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: describeError(error) });
      }
      span.end();
    },
  };
}
