/**
 * A program that records `plan.ts` and serves it on a page: `node -C source e2e/targets/formats.ts`. Prints a `TargetReport` and runs
 * until SIGTERM. Spans are the official SDK's, so exemplars come from where they come from in other people's programs.
 */
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Context, Tracer } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationType } from "@opentelemetry/sdk-metrics";
import type { IMetricReader, ViewOptions } from "@opentelemetry/sdk-metrics";
import { AlwaysOffSampler, AlwaysOnSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Sampler } from "@opentelemetry/sdk-trace";
import { catalogViews, liqo, virtrigaud } from "@almanac/catalog";
import { createPrometheusReader, startMetricsServer } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";
import { plan } from "./plan.ts";
import type { Measurement, PlannedInstrument, TargetReport } from "./plan.ts";

const catalogs = [virtrigaud, liqo];

const views: ViewOptions[] = [
  ...catalogViews(...catalogs),
  ...plan.flatMap(({ name, renamedFrom }) =>
    renamedFrom === undefined ? [] : [{ instrumentName: renamedFrom, name }],
  ),
  ...plan
    .filter(({ kind }) => kind === "exponential")
    .map(({ name }) => ({
      instrumentName: name,
      aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const,
    })),
];

/** Makes one measurement, on every provider. */
type Recorder = (measurement: Measurement) => void;

/** Recorders by family name, on a provider of its own for this reader. */
function createRecorders(service: string, reader: IMetricReader): ReadonlyMap<string, Recorder> {
  const provider = createMeterProvider({
    resource: resourceFromAttributes({ "service.name": service, "service.instance.id": "e2e" }),
    readers: [reader],
    views,
  });
  const meter = provider.getMeter("almanac.e2e", "1.0");
  const declared: Readonly<Record<string, unknown>> = {
    ...createInstruments(virtrigaud, provider),
    ...createInstruments(liqo, provider),
  };
  const create = ({
    kind,
    name,
    renamedFrom = name,
    help: description,
    bounds,
    catalog,
  }: PlannedInstrument): Recorder => {
    const instrument = renamedFrom;
    if (catalog) {
      const { add, record } = declared[name] as Readonly<Record<"add" | "record", Recordable | undefined>>;
      const call = add ?? record;
      if (call === undefined) throw new Error(`no catalog declares ${name} as a counter or a histogram`);
      return ({ value, attributes }) => call.call(declared[name], value, attributes);
    }
    switch (kind) {
      case "counter": {
        const counter = meter.createCounter(instrument, { description });
        return ({ value, attributes }) => counter.add(value, attributes);
      }
      case "upDownCounter": {
        const counter = meter.createUpDownCounter(instrument, { description });
        return ({ value, attributes }) => counter.add(value, attributes);
      }
      case "gauge": {
        const gauge = meter.createGauge(instrument, { description });
        return ({ value, attributes }) => gauge.record(value, attributes);
      }
      case "histogram":
      case "exponential": {
        const advice = bounds === undefined ? {} : { advice: { explicitBucketBoundaries: [...bounds] } };
        const histogram = meter.createHistogram(instrument, { description, ...advice });
        return ({ value, attributes }) => histogram.record(value, attributes);
      }
    }
  };
  return new Map(plan.map((planned) => [planned.name, create(planned)]));
}

type Recordable = (value: number, labels: object) => void;

function createTracer(sampler: Sampler): Tracer {
  return new TracerProvider({ sampler }).getTracer("almanac.e2e");
}

const tracers = { sampled: createTracer(new AlwaysOnSampler()), unsampled: createTracer(new AlwaysOffSampler()) };

/** Runs `body` within what a measurement wants; gives the trace's id. */
function inSpan(within: Measurement["within"], name: string, body: () => void): string | null {
  if (within === "none") {
    context.with(ROOT_CONTEXT, body);
    return null;
  }
  const span = tracers[within].startSpan(name, {}, ROOT_CONTEXT);
  const active: Context = trace.setSpan(ROOT_CONTEXT, span);
  context.with(active, body);
  span.end();
  return span.spanContext().traceId;
}

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const reader = createPrometheusReader({ catalogs, translationStrategy: "NoTranslation" });
const destinations = [createRecorders("e2e-scraped", reader)];

const begin = Date.now();
const traceIds: Record<string, (string | null)[]> = {};
for (const { name, measurements } of plan) {
  traceIds[name] = measurements.map((measurement) =>
    inSpan(measurement.within, `records ${name}`, () => {
      for (const recorders of destinations) recorders.get(name)?.(measurement);
    }),
  );
}
const recordedMs = [begin, Date.now()] as const;
const server = await startMetricsServer(reader);
const report: TargetReport = { metricsUrl: `${server.url}/metrics`, traceIds, recordedMs };
console.log(JSON.stringify(report));
process.once("SIGTERM", () => void server.close());
