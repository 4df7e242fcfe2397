import { defaultTextMapSetter, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import type { Context } from "@opentelemetry/api";
import { suppressTracing, TraceState, W3CTraceContextPropagator } from "@opentelemetry/core";
import { AlwaysOffSampler } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";
import { TraceContextPropagator } from "./propagator.ts";
import { createTracerProvider } from "./tracer-provider.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const remote = { traceId, spanId: "b7ad6b7169203331", traceFlags: TraceFlags.SAMPLED, isRemote: true };

function below(parent: Context, ...options: Parameters<typeof createTracerProvider>): Context {
  const tracer = createTracerProvider(...options).getTracer("test");
  return trace.setSpan(parent, tracer.startSpan("a", {}, parent));
}

describe("TraceContextPropagator", () => {
  it.each<readonly [string, Context]>([
    ["a span of this process", below(ROOT_CONTEXT)],
    ["one that is not sampled", below(ROOT_CONTEXT, { sampler: new AlwaysOffSampler() })],
    ["one below a remote parent", below(trace.setSpanContext(ROOT_CONTEXT, remote))],
    [
      "one below a remote parent with state",
      below(trace.setSpanContext(ROOT_CONTEXT, { ...remote, traceState: new TraceState("a=1,b=2") })),
    ],
    ["a remote span", trace.setSpanContext(ROOT_CONTEXT, remote)],
    ["ids that are none", trace.setSpanContext(ROOT_CONTEXT, { ...remote, traceId: "0".repeat(32) })],
    ["no span", ROOT_CONTEXT],
    ["suppressed tracing", suppressTracing(below(ROOT_CONTEXT))],
  ])("injects for %s what the official one does", (_name, context) => {
    const [own, official] = [{}, {}];
    new TraceContextPropagator().inject(context, own, defaultTextMapSetter);
    new W3CTraceContextPropagator().inject(context, official, defaultTextMapSetter);
    expect(own).toEqual(official);
  });
});
