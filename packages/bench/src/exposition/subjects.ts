import type { IncomingMessage, ServerResponse } from "node:http";
import { createMeterProvider } from "@almanac/metrics";
import { PrometheusExporter } from "@almanac/exposition";
import { ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import type { Attributes, Context, MeterProvider } from "@opentelemetry/api";
import { MeterProvider as OfficialProvider } from "@opentelemetry/sdk-metrics";
import type { IMetricReader, ViewOptions } from "@opentelemetry/sdk-metrics";
import * as upstream from "@prometheus-io/client";
import prometheus from "prom-client";
import { bucketBounds, createLabels, labelKeys } from "../metrics/labels.ts";
import type { LabelSet } from "../metrics/labels.ts";

export type SubjectName = "ours" | "oursOpenMetrics" | "oursWithExemplars" | "official" | "prometheus" | "upstream";

/** Somebody who holds as many counters and histograms and writes pages of them. */
export interface Subject {
  /** Whether a page takes long enough for a few repetitions to do. */
  readonly slow: boolean;
  /** Moves every series, so that no page is like the one before. */
  change(round: number): void;
  render(): Promise<{ readonly chunks: readonly Uint8Array[]; readonly release?: () => void }>;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void;
}

const limit = 300_000;
const views: ViewOptions[] = [{ instrumentName: "*", aggregationCardinalityLimit: limit }];
const openMetrics = "application/openmetrics-text;version=1.0.0";
/** One value for every third of the buckets, so that a histogram has exemplars on three of them. */
const durations = [0.003, 0.2, 40];
/** Another value in the same bucket. */
const moved = (value: number, round: number): number => value * (1 + round / 1e3);
/** Series count differently, so that their counts differ in their digits. */
const times = (index: number): number => 1 + (index % 3);

/** What the pages have to show after so many rounds. */
export function recorded(size: number, rounds: number): { readonly added: number; readonly counted: number } {
  let added = 0;
  let counted = 0;
  for (let index = 0; index < size; index++) {
    added += (index + 0.5) * rounds;
    counted += times(index) * durations.length * rounds;
  }
  return { added, counted };
}

const sampled = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
});

export async function openSubject(name: SubjectName, size: number): Promise<Subject> {
  const labels = allLabels(size);
  switch (name) {
    case "ours":
      return openOurs(labels, "text/plain", ROOT_CONTEXT);
    case "oursOpenMetrics":
      return openOurs(labels, openMetrics, ROOT_CONTEXT);
    case "oursWithExemplars":
      return openOurs(labels, openMetrics, sampled);
    case "official":
      return openOfficial(labels);
    case "prometheus":
      return openPrometheus(labels);
    case "upstream":
      return openUpstream(labels);
  }
}

function allLabels(size: number): readonly LabelSet[] {
  const labels = createLabels(size);
  return Array.from({ length: size }, (_, series) => labels(series));
}

/** Records through the API on any provider. */
function recorder(provider: MeterProvider, labels: readonly Attributes[], context: Context): Subject["change"] {
  const meter = provider.getMeter("bench");
  const counter = meter.createCounter("bench_operations_total");
  const histogram = meter.createHistogram("bench_duration_seconds", {
    advice: { explicitBucketBoundaries: bucketBounds },
  });
  return (round) => {
    for (const [index, attributes] of labels.entries()) {
      counter.add(index + 0.5, attributes);
      for (let time = times(index); time > 0; time--) {
        for (const value of durations) histogram.record(moved(value, round), attributes, context);
      }
    }
  };
}

function openOurs(labels: readonly LabelSet[], accept: string, context: Context): Subject {
  const exporter = new PrometheusExporter({ preventServerStart: true, withoutTargetInfo: true });
  const change = recorder(createMeterProvider({ readers: [exporter], views }), labels, context);
  return {
    slow: false,
    change,
    render: () => exporter.render({ accept }),
    answer: (request, response) => {
      request.headers.accept = accept;
      exporter.getMetricsRequestHandler(request, response);
    },
  };
}

async function openOfficial(labels: readonly LabelSet[]): Promise<Subject> {
  const { PrometheusExporter: OfficialExporter, PrometheusSerializer } =
    await import("@opentelemetry/exporter-prometheus");
  const exporter = new OfficialExporter({ preventServerStart: true, withoutTargetInfo: true });
  const serializer = new PrometheusSerializer("", false, undefined, true);
  const readers = [exporter as unknown as IMetricReader];
  return {
    slow: true,
    change: recorder(new OfficialProvider({ readers, views }), labels, ROOT_CONTEXT),
    render: async () => ({ chunks: [Buffer.from(serializer.serialize((await exporter.collect()).resourceMetrics))] }),
    answer: (request, response) => exporter.getMetricsRequestHandler(request, response),
  };
}

function openPrometheus(labels: readonly LabelSet[]): Subject {
  const registry = new prometheus.Registry();
  const common = { help: "bench", labelNames: labelKeys, registers: [registry] };
  const counter = new prometheus.Counter({ ...common, name: "bench_operations_total" });
  const histogram = new prometheus.Histogram({ ...common, name: "bench_duration_seconds", buckets: bucketBounds });
  return openRegistry(labels, registry, counter, histogram);
}

function openUpstream(labels: readonly LabelSet[]): Subject {
  const registry = new upstream.Registry();
  const common = { help: "bench", labelNames: [...labelKeys], registers: [registry] };
  const counter = new upstream.Counter({ ...common, name: "bench_operations_total" });
  const histogram = new upstream.Histogram({ ...common, name: "bench_duration_seconds", buckets: bucketBounds });
  return openRegistry(labels, registry, counter, histogram);
}

function openRegistry(
  labels: readonly LabelSet[],
  registry: { metrics(): Promise<string> },
  counter: { inc(labels: LabelSet, value: number): void },
  histogram: { observe(labels: LabelSet, value: number): void },
): Subject {
  const render: Subject["render"] = async () => ({ chunks: [Buffer.from(await registry.metrics())] });
  return {
    slow: true,
    render,
    change: (round) => {
      for (const [index, set] of labels.entries()) {
        counter.inc(set, index + 0.5);
        for (let time = times(index); time > 0; time--) {
          for (const value of durations) histogram.observe(set, moved(value, round));
        }
      }
    },
    answer: (_request, response) => {
      void render().then(({ chunks }) => response.end(chunks[0]));
    },
  };
}
