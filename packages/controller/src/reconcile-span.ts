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

interface SpanStart {
  readonly request: Request;
  readonly waitedSeconds: number;
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

/** One span per reconcile, `reconcile <Kind>`: a child of `parent` where there is one, else a root. */
export function createReconcileTracer(provider: TracerProvider, kind: string): ReconcileTracer {
  const tracer = provider.getTracer("@almanac/controller");
  return {
    start({ request, waitedSeconds, retries, parent, links, previous }) {
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
      return { span, context: trace.setSpan(base, span) };
    },
    end(span, { type, outcome, error }) {
      span.setAttributes({ "almanac.reconcile.result": type, "almanac.reconcile.outcome": outcome });
      if (outcome !== "success") {
        if (error instanceof Error) span.recordException(error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: describeError(error) });
      }
      span.end();
    },
  };
}
