import {
  createNoopMeter,
  metrics as metricsApi,
  propagation,
  ProxyTracerProvider,
  trace,
  type Attributes,
  type MeterProvider as MeterProviderApi,
} from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { IMetricReader } from "@opentelemetry/sdk-metrics";
import { catalogViews, familiesOf, stack as stackCatalog, type Catalog } from "@almanac/catalog";
import { describeError, type Logger } from "@almanac/core";
import {
  createHealth,
  createPrometheusReader,
  ExpositionError,
  loadWebConfig,
  startMetricsServer,
} from "@almanac/exposition";
import { createInstruments, createMeterProvider, observeProcess, type Instruments } from "@almanac/metrics";
import { useContextManager } from "./context.ts";
import { readEnvironment, type Environment } from "./environment.ts";
import { TelemetryError } from "./error.ts";
import { loadMetricExporter, loadSpanExporter } from "./exporters.ts";
import { createLogger } from "./log.ts";
import { createMetricPush } from "./metric-export.ts";
import { askedDelayMs, retryDelayMs } from "./otlp/retry.ts";
import { describeProcess } from "./resource.ts";
import { createRetirement } from "./retirement.ts";
import { createSpanQueue, within } from "./span-queue.ts";
import { createTracerProvider } from "./trace/tracer-provider.ts";
import { createPropagator, createSampler } from "./tracing.ts";
import type { Telemetry, TelemetryOptions } from "./types.ts";

type Stack = Instruments<typeof stackCatalog>;

/**
 * Starts everything one process needs to be seen: resource, traces, metrics (a page for Prometheus, OTLP push), logs, health. Exports go
 * where the `OTEL_*` variables point; without an endpoint none is made. Global is the context manager only, unless `registerGlobals`
 * says otherwise. Signals of the operating system are the caller's business.
 *
 * @throws TelemetryError `invalid_options`, `invalid_environment`; ExpositionError `address_in_use`, `listen_failed`, `invalid_options`,
 * `invalid_web_config`. Whatever was started before is stopped again.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { env = process.env, shutdownTimeoutMs = 5_000, retireAfterMs = 300_000 } = options;
  if (options.serviceName.trim() === "") {
    throw new TelemetryError(
      "invalid_options",
      "serviceName is empty; give the component's name, e.g. virtrigaud-manager",
    );
  }
  for (const [name, value] of Object.entries({ shutdownTimeoutMs, retireAfterMs })) {
    if (value > 0) continue;
    throw new TelemetryError("invalid_options", `${name} must be a positive number of milliseconds, got ${value}`);
  }
  const environment = readEnvironment(env);
  const resource = describeProcess(options, environment);
  const logger = createLogger({ ...options.logs, service: String(resource.attributes["service.name"]), env });
  for (const problem of environment.problems) {
    logger.warn("an environment variable is not understood and ignored", { ...problem });
  }

  // Undone in the reverse order: spans first, so that the last push of metrics counts them; each step has its own limit.
  const undo: (() => unknown)[] = [];
  async function stop(): Promise<void> {
    const reportFailure = (thrown: unknown): void =>
      logger.warn("a part of telemetry was not shut down cleanly", { error: describeError(thrown) });
    const all = async (): Promise<void> => {
      for (const step of undo.splice(0).reverse()) await Promise.resolve(step()).catch(reportFailure);
    };
    const inTime = await within(all(), shutdownTimeoutMs);
    if (!inTime)
      logger.warn("telemetry was not shut down in time, something may be lost", { timeout_ms: shutdownTimeoutMs });
  }
  try {
    return await start({ options, environment, resource, logger, shutdownTimeoutMs, retireAfterMs, undo, stop });
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

interface StartOptions extends Parts {
  readonly options: TelemetryOptions;
  readonly shutdownTimeoutMs: number;
  readonly retireAfterMs: number;
  /** Gets what has to be undone, in the order it was done. */
  readonly undo: (() => unknown)[];
  readonly stop: () => Promise<void>;
}

async function start(parts: StartOptions): Promise<Telemetry> {
  const { options, environment, resource, logger, shutdownTimeoutMs, retireAfterMs, undo, stop } = parts;
  const health = createHealth();
  const metrics = await startMetrics({ options, environment, resource, logger });
  undo.push(() => metrics.shutdown(shutdownTimeoutMs / 4));
  const { meterProvider, reader, stack } = metrics;
  const retirement = createRetirement({ afterMs: retireAfterMs, remove: metrics.removeSeries });
  undo.push(() => retirement[Symbol.dispose]());

  let metricsUrl: string | undefined;
  if (reader !== undefined && options.metrics) {
    const { webConfigFile, ...address } = options.metrics;
    const webConfig = webConfigFile === undefined ? undefined : await loadWebConfig({ file: webConfigFile, logger });
    if (webConfig !== undefined) undo.push(() => webConfig[Symbol.dispose]());
    const server = await startMetricsServer(reader, {
      ...address,
      ...(webConfig !== undefined && { webConfig }),
      health,
      logger,
      closeTimeoutMs: shutdownTimeoutMs / 4,
      onScrape({ format, durationSeconds, bytes }) {
        stack.almanac_scrape_duration_seconds.record(durationSeconds, { format });
        stack.almanac_scrape_size_bytes.record(bytes, { format });
      },
    });
    undo.push(() => server.close());
    metricsUrl = server.url;
  }

  const tracer = await startTracing({ environment, resource, logger, stack, shutdownTimeoutMs: shutdownTimeoutMs / 2 });
  undo.push(() => tracer.shutdown());
  const { tracerProvider } = tracer;
  const propagator = createPropagator(environment.propagators);
  const contextManager = useContextManager();
  undo.push(() => contextManager[Symbol.dispose]());
  if (options.registerGlobals === true) {
    if (trace.setGlobalTracerProvider(tracerProvider)) undo.push(() => trace.disable());
    if (metricsApi.setGlobalMeterProvider(meterProvider)) undo.push(() => metricsApi.disable());
    if (propagation.setGlobalPropagator(propagator)) undo.push(() => propagation.disable());
  }

  let stopping: Promise<void> | undefined;
  const shutdown = (): Promise<void> => (stopping ??= stop());
  return {
    meterProvider,
    tracerProvider,
    propagator,
    logger,
    health,
    stack,
    metricsUrl,
    instruments: metrics.instruments,
    retireSeries: (labels) => retirement.retire(labels),
    retainSeries: (labels) => retirement.retain(labels),
    async flush() {
      const inTime = await within(Promise.all([tracer.flush(), metrics.flush()]), shutdownTimeoutMs);
      if (!inTime) logger.warn("not everything could be sent in time", { timeout_ms: shutdownTimeoutMs });
    },
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

interface Parts {
  readonly environment: Environment;
  readonly resource: Resource;
  readonly logger: Logger;
}

async function startMetrics({
  options,
  environment,
  resource,
  logger,
}: Parts & { readonly options: TelemetryOptions }) {
  const catalogs = [...new Set<Catalog>([stackCatalog, ...options.catalogs])];
  const readers: IMetricReader[] = [];
  const reader = options.metrics
    ? createPrometheusReader({
        catalogs,
        logger,
        onError(error) {
          const source = error instanceof ExpositionError ? "exposition" : "callback";
          stack.almanac_collection_errors_total.add(1, { source });
        },
      })
    : undefined;
  if (reader !== undefined) readers.push(reader);

  const ended = new AbortController();
  let pushed: ReadonlyMap<string, number> = new Map();
  if (environment.metrics !== undefined) {
    const { intervalMs, timeoutMs } = environment.metricExport;
    const exporter = await loadMetricExporter(environment.metrics, {
      onPartialSuccess: (partial) => logger.warn("a part of the metrics was refused", { ...partial }),
      signal: ended.signal,
    });
    const push = createMetricPush(exporter, {
      intervalMs,
      timeoutMs,
      onExport(outcome, error) {
        // Whoever has shut down need not hear of what was cancelled.
        if (!ended.signal.aborted) reportMetrics(outcome, error);
      },
      onCollected(counts) {
        pushed = counts;
      },
    });
    readers.push(push);
  }

  const engine = createMeterProvider({
    resource,
    views: catalogViews(...catalogs),
    readers,
    exemplarFilter: environment.exemplarFilter,
  });
  const meterProvider: MeterProviderApi = environment.disabled ? { getMeter: () => createNoopMeter() } : engine;
  const known = new WeakMap<Catalog, unknown>();
  // Which families may be violated is known, so that an alert on the first violation works.
  const familyNames = familiesOf(catalogs, options.owner).map(({ name }) => name);
  function instruments<C extends Catalog>(catalog: C): Instruments<C> {
    const found = known.get(catalog) as Instruments<C> | undefined;
    if (found !== undefined) return found;
    const { owner, known: values } = options;
    const created = createInstruments(catalog, meterProvider, {
      logger,
      owner,
      known: { family: familyNames, ...values },
    });
    known.set(catalog, created);
    return created;
  }
  const stack: Stack = instruments(stackCatalog);
  // Series that can start at zero do so now, not when a part of the process first asks for its instruments.
  for (const catalog of catalogs) instruments(catalog);
  const reportMetrics = createExportReporter("metrics", stack, logger);

  const processObservations = observeProcess(meterProvider, { logger });
  const seriesObservation = stack.almanac_series.observe((observe) => {
    for (const [family, count] of reader?.seriesCounts() ?? pushed) observe(count, { family });
  });

  return {
    meterProvider,
    reader,
    stack,
    instruments,
    removeSeries: (labels: Attributes) => void engine.removeSeries(labels),
    flush: () => engine.forceFlush(),
    async shutdown(timeoutMs: number) {
      // The last push needs the observations, hence the order.
      await within(engine.shutdown(), timeoutMs);
      ended.abort(new Error("telemetry has been shut down"));
      processObservations[Symbol.dispose]();
      seriesObservation[Symbol.dispose]();
    },
  };
}

interface TracingOptions extends Parts {
  readonly stack: Stack;
  readonly shutdownTimeoutMs: number;
}

async function startTracing({ environment, resource, logger, stack, shutdownTimeoutMs }: TracingOptions) {
  if (environment.disabled) {
    const nothing = (): Promise<void> => Promise.resolve();
    return { tracerProvider: new ProxyTracerProvider(), flush: nothing, shutdown: nothing };
  }
  const sampler = createSampler(environment.sampler);
  const { spanLimits } = environment;
  if (environment.traces === undefined) {
    // Spans are made all the same: their ids go into logs and to the processes that are called.
    const tracerProvider = createTracerProvider({ resource, sampler, spanLimits });
    return { tracerProvider, flush: () => tracerProvider.forceFlush(), shutdown: () => tracerProvider.shutdown() };
  }
  const queue = createSpanQueue(await loadSpanExporter(environment.traces), {
    ...environment.spanQueue,
    shutdownTimeoutMs,
    retry(error) {
      const delayMs = retryDelayMs(error);
      return delayMs === undefined ? undefined : { delayMs, asked: askedDelayMs(error) !== undefined };
    },
    onExport: createExportReporter("traces", stack, logger),
    onDropped: (count, cause) => stack.almanac_spans_dropped_total.add(count, { cause }),
  });
  const tracerProvider = createTracerProvider({ resource, sampler, spanLimits, spanProcessors: [queue] });
  return { tracerProvider, flush: () => tracerProvider.forceFlush(), shutdown: () => tracerProvider.shutdown() };
}

/** Counts every export and logs when the state changes, not each time. */
function createExportReporter(signal: "metrics" | "traces", stack: Stack, logger: Logger) {
  let failing = false;
  return (outcome: "success" | "failure", error: string | undefined): void => {
    stack.almanac_otlp_exports_total.add(1, { signal, outcome });
    if (outcome === "failure" && !failing) logger.warn("export over OTLP fails", { signal, error });
    if (outcome === "success" && failing) logger.info("export over OTLP works again", { signal });
    failing = outcome === "failure";
  };
}
