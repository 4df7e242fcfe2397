import { trace } from "@opentelemetry/api";
import type { Context, TextMapSetter } from "@opentelemetry/api";
import { isTracingSuppressed, TRACE_PARENT_HEADER, W3CTraceContextPropagator } from "@opentelemetry/core";
import { RecordingSpan } from "./span.ts";

/** The official propagator, which does not look again at ids that were made here: it does so digit by digit, for every request. */
export class TraceContextPropagator extends W3CTraceContextPropagator {
  override inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const span = trace.getSpan(context);
    const known = span instanceof RecordingSpan && span.hasOwnIds ? span.spanContext() : undefined;
    if (known === undefined || known.traceState !== undefined) {
      super.inject(context, carrier, setter);
      return;
    }
    if (isTracingSuppressed(context)) return;
    setter.set(carrier, TRACE_PARENT_HEADER, `00-${known.traceId}-${known.spanId}-0${known.traceFlags.toString(16)}`);
  }
}
