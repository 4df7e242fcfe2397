import { createOtlpMetricsSerializer } from "@almanac/telemetry";
import { createMeterProvider } from "@almanac/metrics";
import { ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import type { Context, MeterProvider } from "@opentelemetry/api";
import { MetricReader, MeterProvider as OfficialProvider } from "@opentelemetry/sdk-metrics";
import type { MetricReaderOptions, ResourceMetrics, ViewOptions } from "@opentelemetry/sdk-metrics";
import { JsonMetricsSerializer, ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { bucketBounds, createLabels } from "../metrics/labels.ts";

export type SubjectName = "ours" | "oursWithExemplars" | "official";
export type Encoding = "protobuf" | "json";

/** Somebody who holds as many counters and histograms and writes them as OTLP. */
export interface Subject {
  readonly provider: MeterProvider;
  /** Moves every series. */
  change(round: number): void;
  collect(): Promise<ResourceMetrics>;
  encode(metrics: ResourceMetrics): Uint8Array | undefined;
}

const views: ViewOptions[] = [{ instrumentName: "*", aggregationCardinalityLimit: 300_000 }];
/** One value for every third of the buckets, so that a histogram has exemplars on three of them. */
const durations = [0.003, 0.2, 40];
const sampled = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
});

export function openSubject(name: SubjectName, encoding: Encoding, pairs: number): Subject {
  const reader = new IdleReader();
  const ours = name !== "official";
  const official = encoding === "json" ? JsonMetricsSerializer : ProtobufMetricsSerializer;
  const serializer = ours ? createOtlpMetricsSerializer(encoding) : official;
  const settings = { readers: [reader], views };
  const provider = ours ? createMeterProvider(settings) : new OfficialProvider(settings);
  return {
    provider,
    change: recorder(provider, pairs, name === "oursWithExemplars" ? sampled : ROOT_CONTEXT),
    collect: async () => (await reader.collect()).resourceMetrics,
    encode: (metrics) => serializer.serializeRequest(metrics),
  };
}

export function recorder(provider: MeterProvider, pairs: number, context: Context): Subject["change"] {
  const labelsOf = createLabels(pairs);
  const labels = Array.from({ length: pairs }, (_, series) => labelsOf(series));
  const meter = provider.getMeter("bench");
  const counter = meter.createCounter("bench_operations_total");
  const histogram = meter.createHistogram("bench_duration_seconds", {
    advice: { explicitBucketBoundaries: bucketBounds },
  });
  return (round) => {
    for (const [index, attributes] of labels.entries()) {
      counter.add(index + 0.5, attributes);
      for (const value of durations) histogram.record(value + round / 1e3, attributes, context);
    }
  };
}

/** Collects when it is asked to. */
class IdleReader extends MetricReader {
  constructor(options: MetricReaderOptions = {}) {
    super(options);
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}
