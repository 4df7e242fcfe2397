/**
 * A program that records `plan.ts`, serves it on a page and pushes it over OTLP: `node -C source e2e/targets/formats.ts TARGET_OPTIONS`.
 * Prints a `TargetReport` and runs until SIGTERM. Spans are the official SDK's, so exemplars come from where they come from in other people's programs.
 */
import { context, diag, DiagConsoleLogger, DiagLogLevel, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Context, Tracer } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationType, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import type { IMetricReader, ViewOptions } from "@opentelemetry/sdk-metrics";
import { AlwaysOffSampler, AlwaysOnSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Sampler } from "@opentelemetry/sdk-trace";
import { catalogViews, liqo, virtrigaud } from "@almanac/catalog";
import { createPrometheusReader, startMetricsServer } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";
import type { EngineMeterProvider } from "@almanac/metrics";
import { createOtlpMetricExporter } from "@almanac/telemetry";
import { plan } from "./plan.ts";
import type { Measurement, PlannedInstrument, Push, TargetOptions, TargetReport } from "./plan.ts";

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

/** A provider for one reader, with its recorders by family name. */
interface Destination {
  readonly provider: EngineMeterProvider;
  readonly recorders: ReadonlyMap<string, Recorder>;
}

function createDestination(service: string, reader: IMetricReader): Destination {
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
  return { provider, recorders: new Map(plan.map((planned) => [planned.name, create(planned)])) };
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

function createPushReader({ protocol, url }: Push): IMetricReader {
  const exporter = createOtlpMetricExporter({ protocol, url });
  return new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2_000, exportTimeoutMillis: 2_000 });
}

const { pushes } = JSON.parse(process.argv[2] ?? '{"pushes":[]}') as TargetOptions;
diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const reader = createPrometheusReader({ catalogs, translationStrategy: "NoTranslation" });
const destinations = [
  createDestination("e2e-scraped", reader),
  ...pushes.map((push) => createDestination(push.service, createPushReader(push))),
];

const begin = Date.now();
const traceIds: Record<string, (string | null)[]> = {};
for (const { name, measurements } of plan) {
  traceIds[name] = measurements.map((measurement) =>
    inSpan(measurement.within, `records ${name}`, () => {
      for (const { recorders } of destinations) recorders.get(name)?.(measurement);
    }),
  );
}
const recordedMs = [begin, Date.now()] as const;
const server = await startMetricsServer(reader);
const report: TargetReport = { metricsUrl: `${server.url}/metrics`, traceIds, recordedMs };
console.log(JSON.stringify(report));

process.once("SIGTERM", () => {
  void Promise.all([server.close(), ...destinations.map(({ provider }) => provider.shutdown())]);
});
