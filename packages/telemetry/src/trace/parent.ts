import { trace } from "@opentelemetry/api";
import type { Context, SpanContext } from "@opentelemetry/api";
import { RecordingSpan } from "./span.ts";

/** The span in `at`, if it can be a parent: ids that are none make no trace. */
export function parentOf(at: Context): SpanContext | undefined {
  const span = trace.getSpan(at);
  if (span === undefined) return undefined;
  const given = span.spanContext();
  // Most parents are spans of this process, whose ids need not be looked at again.
  const isKnown = span instanceof RecordingSpan && span.hasOwnIds;
  return isKnown || trace.isSpanContextValid(given) ? given : undefined;
}
