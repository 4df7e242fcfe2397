import { anyValue, defineCatalog } from "@almanac/catalog";
import { createInstruments, createMeterProvider } from "@almanac/metrics";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Context, Meter } from "@opentelemetry/api";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import type { MeterProviderOptions } from "@opentelemetry/sdk-metrics";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import prometheus from "prom-client";
import { bucketBounds, createLabels, labelKeys } from "./labels.ts";

/** Somebody who counts and measures series 0 … size - 1. */
export interface Subject {
  add(series: number): void;
  record(series: number, value: number): void;
  /** What all series of each instrument add up to: proof that the work was done. */
  totals(): Promise<{ readonly added: number; readonly recorded: number }>;
}

const limit = 300_000;
const labelDomains = Object.fromEntries(labelKeys.map((key) => [key, anyValue("a label of the bench")])) as Record<
  (typeof labelKeys)[number],
  ReturnType<typeof anyValue>
>;
const described = { labels: labelDomains, owners: ["process"], movesWhen: "the bench runs", cardinalityLimit: limit };
const catalog = defineCatalog("bench", {
  bench_operations_total: { ...described, type: "counter", help: "Operations." },
  bench_operation_duration_seconds: { ...described, type: "histogram", buckets: bucketBounds, help: "Durations." },
});

class ManualReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** Reads back what any OpenTelemetry provider has recorded. */
async function totalsOf(reader: MetricReader): ReturnType<Subject["totals"]> {
  const { resourceMetrics } = await reader.collect();
  let added = 0;
  let recorded = 0;
  for (const { dataPoints } of resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)) {
    for (const { value } of dataPoints) {
      if (typeof value === "number") added += value;
      else recorded += value.count;
    }
  }
  return { added, recorded };
}

function openReader() {
  const reader = new ManualReader();
  const options: MeterProviderOptions = {
    readers: [reader],
    views: [{ instrumentName: "*", aggregationCardinalityLimit: limit }],
  };
  return { options, totals: () => totalsOf(reader) };
}

/** Spans that take turns, so that none of what is remembered about the last one helps. */
function createSpanContexts(): readonly Context[] {
  const tracer = new TracerProvider().getTracer("bench");
  return Array.from({ length: 256 }, () => trace.setSpan(ROOT_CONTEXT, tracer.startSpan("work")));
}

function openTyped() {
  const { options, totals } = openReader();
  const instruments = createInstruments(catalog, createMeterProvider(options));
  return {
    counter: instruments.bench_operations_total,
    histogram: instruments.bench_operation_duration_seconds,
    totals,
  };
}

function openApi(meter: Meter) {
  return {
    counter: meter.createCounter("bench.operations"),
    histogram: meter.createHistogram("bench.duration", { advice: { explicitBucketBoundaries: bucketBounds } }),
  };
}

function openPrometheus(withExemplars: boolean) {
  const registry = new prometheus.Registry<prometheus.RegistryContentType>();
  if (withExemplars) registry.setContentType(prometheus.Registry.OPENMETRICS_CONTENT_TYPE);
  const common = { help: "bench", labelNames: labelKeys, registers: [registry], enableExemplars: withExemplars };
  const counter = new prometheus.Counter({ ...common, name: "bench_operations_total" });
  const histogram = new prometheus.Histogram({ ...common, name: "bench_duration_seconds", buckets: bucketBounds });
  const totals: Subject["totals"] = async () => {
    const added = (await counter.get()).values.reduce((sum, { value }) => sum + value, 0);
    const counts = (await histogram.get()).values.filter(
      ({ metricName }) => metricName === "bench_duration_seconds_count",
    );
    return { added, recorded: counts.reduce((sum, { value }) => sum + value, 0) };
  };
  return { counter, histogram, totals };
}

/** Everybody who is measured. Each call makes its labels anew, as code does, except where they are bound. */
export const subjects = {
  literal(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    let added = 0;
    let recorded = 0;
    const use = (labels: object): number => ("zone" in labels ? 1 : 0);
    return {
      add: (i) => void (added += use({ zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! })),
      record: (i) => void (recorded += use({ zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! })),
      totals: () => Promise.resolve({ added, recorded }),
    };
  },

  field(size): Subject {
    const cells = Array.from({ length: size }, () => ({ added: 0, recorded: 0 }));
    const sum = (key: "added" | "recorded"): number => cells.reduce((total, cell) => total + cell[key], 0);
    return {
      add: (i) => void cells[i]!.added++,
      record: (i) => void cells[i]!.recorded++,
      totals: () => Promise.resolve({ added: sum("added"), recorded: sum("recorded") }),
    };
  },

  typed(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { counter, histogram, totals } = openTyped();
    return {
      add: (i) => counter.add(1, { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }),
      record: (i, value) =>
        histogram.record(value, { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }),
      totals,
    };
  },

  typedWithExemplars(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { counter, histogram, totals } = openTyped();
    const contexts = createSpanContexts();
    return {
      add: (i) =>
        counter.add(1, { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }, contexts[i & 255]),
      record: (i, value) =>
        histogram.record(
          value,
          { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! },
          contexts[i & 255],
        ),
      totals,
    };
  },

  bound(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { counter, histogram, totals } = openTyped();
    const labels = zone.map((_, i) => ({ zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }));
    const counters = labels.map((each) => counter.bind(each));
    const histograms = labels.map((each) => histogram.bind(each));
    return { add: (i) => counters[i]!.add(1), record: (i, value) => histograms[i]!.record(value), totals };
  },

  generic(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { options, totals } = openReader();
    const { counter, histogram } = openApi(createMeterProvider(options).getMeter("bench"));
    return {
      add: (i) => counter.add(1, { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }),
      record: (i, value) =>
        histogram.record(value, { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }),
      totals,
    };
  },

  official(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { options, totals } = openReader();
    const { counter, histogram } = openApi(new MeterProvider(options).getMeter("bench"));
    return {
      add: (i) => counter.add(1, { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }),
      record: (i, value) =>
        histogram.record(value, { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }),
      totals,
    };
  },

  prometheus(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { counter, histogram, totals } = openPrometheus(false);
    return {
      add: (i) => counter.inc({ zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }, 1),
      record: (i, value) =>
        histogram.observe({ zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }, value),
      totals,
    };
  },

  prometheusBound(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { counter, histogram, totals } = openPrometheus(false);
    const labels = zone.map((_, i) => ({ zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! }));
    const counters = labels.map((each) => counter.labels(each));
    const histograms = labels.map((each) => histogram.labels(each));
    return { add: (i) => counters[i]!.inc(1), record: (i, value) => histograms[i]!.observe(value), totals };
  },

  prometheusWithExemplars(size): Subject {
    const { zone, kind, outcome, host } = createLabels(size);
    const { counter, histogram, totals } = openPrometheus(true);
    const exemplars = createSpanContexts().map((context) => {
      const { traceId, spanId } = trace.getSpanContext(context)!;
      // The types want the metric's own labels here; the code takes, and OpenMetrics means, any.
      return { traceId, spanId } as prometheus.LabelValues<(typeof labelKeys)[number]>;
    });
    return {
      add: (i) =>
        counter.inc({
          labels: { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! },
          value: 1,
          exemplarLabels: { ...exemplars[i & 255]! },
        }),
      record: (i, value) =>
        histogram.observe({
          labels: { zone: zone[i]!, kind: kind[i]!, outcome: outcome[i]!, host: host[i]! },
          value,
          exemplarLabels: { ...exemplars[i & 255]! },
        }),
      totals,
    };
  },
} satisfies Record<string, (size: number) => Subject>;

export type SubjectName = keyof typeof subjects;
