import { anyValue, defineCatalog } from "@almanac/catalog";
import { createInstruments, createMeterProvider } from "@almanac/metrics";
import { context, metrics, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Context, Meter, MeterProvider as ApiMeterProvider } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import type { MeterProviderOptions } from "@opentelemetry/sdk-metrics";
import { AlwaysOffSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import upstream from "@prometheus-io/client";
import prometheus from "prom-client";
import { bucketBounds, labelKeys } from "./labels.ts";
import type { LabelSet } from "./labels.ts";

/** Somebody who counts and measures series 0 … size - 1. */
export interface Subject {
  add(series: number): void;
  record(series: number, value: number): void;
  /** Runs something where the subject is used. Default: as it is. */
  within?(run: () => void): void;
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

/** As programs do. What is registered first stays. */
function register<P extends ApiMeterProvider>(provider: P): P {
  metrics.setGlobalMeterProvider(provider);
  return provider;
}

/** The same subject in a program that traces, inside a span that is not sampled. */
function inTrace(open: Open): Open {
  return (size, labelsOf) => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const tracer = new TracerProvider({ sampler: new AlwaysOffSampler() }).getTracer("bench");
    const unsampled = trace.setSpan(ROOT_CONTEXT, tracer.startSpan("work"));
    return { ...open(size, labelsOf), within: (run) => context.with(unsampled, run) };
  };
}

function openTyped() {
  const { options, totals } = openReader();
  const instruments = createInstruments(catalog, register(createMeterProvider(options)));
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

/** Both clients have the same API; the second one goes on where the first stopped. */
const clients = { prometheus, upstream: upstream as unknown as typeof prometheus };

function openClient(name: keyof typeof clients, withExemplars: boolean) {
  const client = clients[name];
  const registry = new client.Registry<prometheus.RegistryContentType>();
  if (withExemplars) registry.setContentType(client.Registry.OPENMETRICS_CONTENT_TYPE);
  const common = { help: "bench", labelNames: labelKeys, registers: [registry], enableExemplars: withExemplars };
  const counter = new client.Counter({ ...common, name: "bench_operations_total" });
  const histogram = new client.Histogram({ ...common, name: "bench_duration_seconds", buckets: bucketBounds });
  const totals: Subject["totals"] = async () => {
    const added = (await counter.get()).values.reduce((sum, { value }) => sum + value, 0);
    const counts = (await histogram.get()).values.filter(
      ({ metricName }) => metricName === "bench_duration_seconds_count",
    );
    return { added, recorded: counts.reduce((sum, { value }) => sum + value, 0) };
  };
  return { counter, histogram, totals };
}

function labelled(name: keyof typeof clients): Open {
  return (_size, labelsOf) => {
    const { counter, histogram, totals } = openClient(name, false);
    return {
      add: (i) => counter.inc(labelsOf(i), 1),
      record: (i, value) => histogram.observe(labelsOf(i), value),
      totals,
    };
  };
}

function boundBy(name: keyof typeof clients): Open {
  return (size, labelsOf) => {
    const { counter, histogram, totals } = openClient(name, false);
    const labels = all(size, labelsOf);
    const counters = labels.map((each) => counter.labels(each));
    const histograms = labels.map((each) => histogram.labels(each));
    return { add: (i) => counters[i]!.inc(1), record: (i, value) => histograms[i]!.observe(value), totals };
  };
}

function withExemplars(name: keyof typeof clients): Open {
  return (_size, labelsOf) => {
    const { counter, histogram, totals } = openClient(name, true);
    const exemplars = createSpanContexts().map((each) => {
      const { traceId, spanId } = trace.getSpanContext(each)!;
      // The types want the metric's own labels here; the code takes, and OpenMetrics means, any.
      return { traceId, spanId } as prometheus.LabelValues<(typeof labelKeys)[number]>;
    });
    return {
      add: (i) =>
        counter.inc({
          labels: labelsOf(i),
          value: 1,
          exemplarLabels: { ...exemplars[i & 255]! },
        }),
      record: (i, value) =>
        histogram.observe({
          labels: labelsOf(i),
          value,
          exemplarLabels: { ...exemplars[i & 255]! },
        }),
      totals,
    };
  };
}

function all<T>(size: number, create: (series: number) => T): readonly T[] {
  return Array.from({ length: size }, (_, series) => create(series));
}

let kept: object | undefined;

/** What somebody writes by hand who counts one series. */
class Cell {
  readonly labels: object;
  value = 0.5;

  constructor(labels: object) {
    this.labels = labels;
  }

  add(value: number): void {
    this.value += value;
  }
}

function counting(provider: (options: MeterProviderOptions) => ApiMeterProvider): Open {
  return (_size, labelsOf) => {
    const { options, totals } = openReader();
    const { counter, histogram } = openApi(register(provider(options)).getMeter("bench"));
    return {
      add: (i) => counter.add(1, labelsOf(i)),
      record: (i, value) => histogram.record(value, labelsOf(i)),
      totals,
    };
  };
}

function typed(size: number, labelsOf: LabelsOf): Subject {
  const { counter, histogram, totals } = openTyped();
  return {
    add: (i) => counter.add(1, labelsOf(i)),
    record: (i, value) => histogram.record(value, labelsOf(i)),
    totals,
  };
}

function bound(size: number, labelsOf: LabelsOf): Subject {
  const { counter, histogram, totals } = openTyped();
  const labels = all(size, labelsOf);
  const counters = labels.map((each) => counter.bind(each));
  const histograms = labels.map((each) => histogram.bind(each));
  return { add: (i) => counters[i]!.add(1), record: (i, value) => histograms[i]!.record(value), totals };
}

/** A subject of `size` series. */
type Open = (size: number, labelsOf: LabelsOf) => Subject;
type LabelsOf = (series: number) => LabelSet;

/** Everybody who is measured. Each call makes its labels anew, as code does, except where they are bound. */
export const subjects = {
  literal(_size, labelsOf) {
    let added = 0;
    let recorded = 0;
    return {
      add(i) {
        kept = labelsOf(i);
        added++;
      },
      record(i) {
        kept = labelsOf(i);
        recorded++;
      },
      // What nobody can reach would not have to be made.
      totals: () => Promise.resolve(kept === undefined ? { added: 0, recorded: 0 } : { added, recorded }),
    };
  },

  field(size, labelsOf) {
    const adders = all(size, (i) => new Cell(labelsOf(i)));
    const recorders = all(size, (i) => new Cell(labelsOf(i)));
    // Each began with a half, so that its field holds what is no integer.
    const sum = (all: readonly Cell[]): number => all.reduce((total, { value }) => total + value - 0.5, 0);
    return {
      add: (i) => adders[i]!.add(1),
      record: (i) => recorders[i]!.add(1),
      totals: () => Promise.resolve({ added: sum(adders), recorded: sum(recorders) }),
    };
  },

  typed,
  typedInTrace: inTrace(typed),
  typedWithExemplars(_size, labelsOf) {
    const { counter, histogram, totals } = openTyped();
    const contexts = createSpanContexts();
    return {
      add: (i) => counter.add(1, labelsOf(i), contexts[i & 255]),
      record: (i, value) => histogram.record(value, labelsOf(i), contexts[i & 255]),
      totals,
    };
  },

  bound,
  boundInTrace: inTrace(bound),
  generic: counting((options) => createMeterProvider(options)),
  official: counting((options) => new MeterProvider(options)),
  prometheus: labelled("prometheus"),
  upstream: labelled("upstream"),
  prometheusBound: boundBy("prometheus"),
  upstreamBound: boundBy("upstream"),
  prometheusWithExemplars: withExemplars("prometheus"),
  upstreamWithExemplars: withExemplars("upstream"),
} satisfies Record<string, Open>;

export type SubjectName = keyof typeof subjects;
