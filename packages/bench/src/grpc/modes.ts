import { createRequire } from "node:module";
import type * as Grpc from "@grpc/grpc-js";
import type { Interceptor, ServerInterceptor } from "@grpc/grpc-js";
import { context, propagation } from "@opentelemetry/api";
import type { TracerProvider as TracerProviderApi } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { SpanProcessor } from "@opentelemetry/sdk-trace";

/** How calls are observed. */
export type Mode = "none" | "empty" | "ours" | "oursOnOfficialTracer" | "official";

/** A process set up to make or serve calls. */
export interface Setup {
  readonly grpc: typeof Grpc;
  readonly interceptors: readonly Interceptor[];
  readonly serverInterceptors: readonly ServerInterceptor[];
  /** What was observed so far; `undefined` of what the mode does not observe there is no number. */
  observed(): Promise<Observed>;
}

export interface Observed {
  readonly spans?: number;
  readonly measurements?: number;
}

const require = createRequire(import.meta.url);

/**
 * gRPC is loaded after the official instrumentation, which changes the module while it is being loaded. All modes load the same, and open all
 * that ours needs: a larger heap takes longer to be collected, which is no cost of observing calls.
 */
export async function setUp(mode: Mode, side: "client" | "server"): Promise<Setup> {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const { registerInstrumentations } = await import("@opentelemetry/instrumentation");
  const { GrpcInstrumentation } = await import("@opentelemetry/instrumentation-grpc");
  const official = openTracing((options) => new TracerProvider(options));
  if (mode === "official") {
    registerInstrumentations({
      instrumentations: [new GrpcInstrumentation()],
      tracerProvider: official.tracerProvider,
    });
  }
  const grpc = require("@grpc/grpc-js") as typeof Grpc;
  const { createTracerProvider } = await import("@almanac/telemetry");
  const ours = await openOurs(
    grpc,
    side,
    mode === "oursOnOfficialTracer" ? official : openTracing(createTracerProvider),
  );
  const nothing = { grpc, interceptors: [], serverInterceptors: [] };
  switch (mode) {
    case "none":
      return { ...nothing, observed: () => Promise.resolve({}) };
    case "empty":
      return {
        grpc,
        interceptors: [(options, nextCall) => new grpc.InterceptingCall(nextCall(options))],
        serverInterceptors: [(_method, call) => new grpc.ServerInterceptingCall(call)],
        observed: () => Promise.resolve({}),
      };
    case "ours":
    case "oursOnOfficialTracer":
      return ours;
    case "official":
      return { ...nothing, observed: async () => ({ spans: await official.spans() }) };
  }
}

async function openOurs(
  grpc: typeof Grpc,
  side: "client" | "server",
  { tracerProvider, spans }: ReturnType<typeof openTracing<TracerProviderApi>>,
): Promise<Setup> {
  const { createClientInterceptor, createServerInterceptor } = await import("@almanac/grpc");
  const { createInstruments, createMeterProvider } = await import("@almanac/metrics");
  const { createPrometheusReader, parsePage } = await import("@almanac/exposition");
  const { stack } = await import("@almanac/catalog");
  const reader = createPrometheusReader({ catalogs: [stack] });
  const instruments = createInstruments(stack, createMeterProvider({ readers: [reader] }));
  const telemetry = { tracerProvider, propagator: new W3CTraceContextPropagator(), stack: instruments };
  return {
    grpc,
    interceptors: [createClientInterceptor(telemetry)],
    serverInterceptors: [createServerInterceptor(telemetry)],
    async observed() {
      const family = parsePage((await reader.render()).body, "text").get(`rpc_${side}_call_duration_seconds`);
      const counts = family?.samples.filter(({ name }) => name.endsWith("_count")) ?? [];
      return { spans: await spans(), measurements: counts.reduce((sum, { value }) => sum + value, 0) };
    },
  };
}

/** All spans are sampled, batched and handed to an exporter that counts them. */
function openTracing<P>(open: (options: { readonly spanProcessors: SpanProcessor[] }) => P) {
  let exported = 0;
  const exporter = {
    export(spans: readonly unknown[], done: (result: { code: number }) => void): void {
      exported += spans.length;
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
    forceFlush: () => Promise.resolve(),
  };
  // Room for all that are made between two exports, so that none is dropped and both do the same work.
  const processor = new BatchSpanProcessor({ exporter, maxQueueSize: 65_536 });
  const tracerProvider = open({ spanProcessors: [processor] });
  return {
    tracerProvider,
    spans: async (): Promise<number> => {
      await processor.forceFlush();
      return exported;
    },
  };
}
