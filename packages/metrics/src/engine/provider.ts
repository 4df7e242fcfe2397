import { diag } from "@opentelemetry/api";
import type { Attributes, MeterOptions, MeterProvider } from "@opentelemetry/api";
import { defaultResource } from "@opentelemetry/resources";
import type { Resource } from "@opentelemetry/resources";
import type { IMetricReader, MetricCollectOptions, ViewOptions } from "@opentelemetry/sdk-metrics";
import { systemClock } from "@almanac/core";
import type { Clock } from "@almanac/core";
import { MetricsError } from "./error.ts";
import type { ExemplarFilter } from "./exemplar.ts";
import { ScopeMeter } from "./meter.ts";
import type { EngineMeter } from "./meter.ts";
import { toCollectionResult } from "./resource-metrics.ts";
import type { MetricsSnapshot, ScopeSnapshot, SnapshotProducer } from "./snapshot.ts";
import type { Store } from "./store.ts";
import { StreamRegistry } from "./streams.ts";
import { createView } from "./view.ts";
import { withinTime } from "./within-time.ts";

export interface MeterProviderOptions {
  /** What everything is measured about. Default: the official default resource. */
  readonly resource?: Resource;
  /** Readers, the official ones or others. Default: none, which makes recording do nothing. They cannot be added later. */
  readonly readers?: readonly IMetricReader[];
  /** As for the official provider. Every view that matches makes a stream. Default: none. */
  readonly views?: readonly ViewOptions[];
  /** Which measurements may become exemplars. Default: `trace_based`, those in a sampled span. */
  readonly exemplarFilter?: ExemplarFilter;
  /**
   * Cumulative series that nobody recorded in for that long are removed once every reader has shown them, milliseconds; after twice that
   * time though a reader has not. Default: never.
   */
  readonly seriesIdleMs?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** The official provider's life cycle, and series that can be removed. */
export interface EngineMeterProvider extends MeterProvider {
  getMeter(name: string, version?: string, options?: MeterOptions): EngineMeter;
  /**
   * Removes every recorded series, of all instruments, that has all of these attributes, and says how many. For what is gone for good;
   * recording starts a series anew. An attribute that is undefined matches nothing. What callbacks observe goes by itself when it is not
   * observed any more.
   */
  removeSeries(match: Attributes): number;
  /**
   * Flushes every reader. Rejects with what the first of them threw, after all have ended; one that takes longer than `timeoutMillis` ends
   * with a TimeoutError. Default: they may take their time.
   */
  forceFlush(options?: { readonly timeoutMillis?: number }): Promise<void>;
  /** Shuts every reader down, once; rejects as `forceFlush`. Meters asked for afterwards do nothing. */
  shutdown(options?: { readonly timeoutMillis?: number }): Promise<void>;
}

/**
 * A meter provider for the OpenTelemetry API whose recording costs a few nanoseconds per bound series. Takes the official SDK's readers,
 * exporters and views.
 *
 * @throws MetricsError `invalid_view`, `invalid_options`.
 */
export function createMeterProvider(options: MeterProviderOptions = {}): EngineMeterProvider {
  const { resource = defaultResource(), readers = [], views = [], clock = systemClock } = options;
  const { exemplarFilter = "trace_based", seriesIdleMs } = options;
  if (seriesIdleMs !== undefined && !(typeof seriesIdleMs === "number" && seriesIdleMs > 0)) {
    throw new MetricsError(
      "invalid_options",
      `seriesIdleMs must be a positive number of milliseconds, got ${JSON.stringify(seriesIdleMs)}; leave it out to keep series`,
    );
  }
  for (const [name, list] of Object.entries({ readers, views })) {
    if (Array.isArray(list)) continue;
    throw new MetricsError(
      "invalid_options",
      `${name} must be a list, got ${JSON.stringify(list)}; leave it out for none`,
    );
  }
  for (const [index, reader] of readers.entries()) {
    if (typeof (reader as Partial<IMetricReader> | null)?.setMetricProducer === "function") continue;
    throw new MetricsError(
      "invalid_options",
      `readers[${index}] is no MetricReader, got ${typeof reader}; make one, e.g. new PeriodicExportingMetricReader({ exporter })`,
    );
  }
  if (typeof (resource as Partial<Resource> | null)?.attributes !== "object") {
    throw new MetricsError(
      "invalid_options",
      `resource must be a Resource, got ${JSON.stringify(resource)}; make one with resourceFromAttributes`,
    );
  }
  if (!["always_on", "always_off", "trace_based"].includes(exemplarFilter)) {
    throw new MetricsError(
      "invalid_options",
      `exemplarFilter must be always_on, always_off or trace_based, got ${JSON.stringify(exemplarFilter)}`,
    );
  }
  const context = { views: views.map(createView), readers, exemplarFilter, idleMs: seriesIdleMs, clock };
  const meters = new Map<string, ScopeMeter>();
  let closed = false;

  for (const reader of readers) reader.setMetricProducer(createProducer(reader, { resource, meters, clock }));

  /** One reader's failure keeps no other from ending well. */
  async function all(
    what: string,
    timeoutMs: number | undefined,
    run: (reader: IMetricReader) => Promise<void>,
  ): Promise<void> {
    const outcomes = await Promise.allSettled(
      readers.map(async (reader) => withinTime(run(reader), { timeoutMs, clock, what: `a reader's ${what}` })),
    );
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  return {
    getMeter(givenName, version = "", options = {}) {
      if (closed) diag.warn("a meter was asked for after the meter provider was shut down; it records nothing");
      let name = givenName;
      if (typeof name !== "string" || name === "") {
        diag.warn(`a meter needs the name of its scope, got ${JSON.stringify(name)}; it is called ""`);
        name = "";
      }
      const schemaUrl = options?.schemaUrl;
      const id = JSON.stringify([name, version, schemaUrl]);
      const known = closed ? undefined : meters.get(id);
      if (known !== undefined) return known;
      const scope: ScopeSnapshot["scope"] = { name, version, ...(schemaUrl !== undefined && { schemaUrl }) };
      // Without readers there is nothing to record for.
      const meter = new ScopeMeter(scope, new StreamRegistry(closed ? { ...context, readers: [] } : context, scope));
      if (!closed) meters.set(id, meter);
      return meter;
    },

    removeSeries(match) {
      let removed = 0;
      for (const meter of meters.values()) {
        for (const instrument of meter.recorded()) removed += instrument.removeMatching(match);
      }
      return removed;
    },

    async forceFlush(flushOptions) {
      if (closed) {
        diag.warn("forceFlush was called after the meter provider was shut down; nothing is flushed");
        return;
      }
      await all("flush", flushOptions?.timeoutMillis, (reader) => reader.forceFlush(flushOptions));
    },

    async shutdown(shutdownOptions) {
      if (closed) {
        diag.warn("shutdown was called again on a meter provider; it does nothing");
        return;
      }
      closed = true;
      await all("shut down", shutdownOptions?.timeoutMillis, (reader) => reader.shutdown(shutdownOptions));
    },
  };
}

interface ProducerContext {
  readonly resource: Resource;
  readonly meters: ReadonlyMap<string, ScopeMeter>;
  readonly clock: Clock;
}

/** What a reader collects from. Collections of one reader run one after the other, since they share its stores. */
function createProducer(reader: IMetricReader, { resource, meters, clock }: ProducerContext): SnapshotProducer {
  let running: Promise<unknown> | undefined;

  async function take(options: MetricCollectOptions | undefined): Promise<MetricsSnapshot> {
    const all = [...meters.values()];
    const settings = { timeoutMs: options?.timeoutMillis, clock };
    const errors = await Promise.all(
      all.map(({ callbacks }) => callbacks.observe((store: Store) => store.readers.has(reader), settings)),
    );
    // From here on nothing waits, so that all series are of the same moment.
    const timeMs = clock.now();
    const scopes = [...meters.values()]
      .map(({ scope, streams }) => ({ scope, streams: streams.collect(reader, timeMs) }))
      .filter(({ streams }) => streams.length > 0);
    return { resource, timeMs, scopes, errors: errors.flat() };
  }

  function snapshot(options?: MetricCollectOptions): Promise<MetricsSnapshot> {
    // Callbacks start at once where nothing else runs, as with the official provider.
    const next = running === undefined ? take(options) : running.then(() => take(options));
    const ended: Promise<unknown> = next
      .catch(() => undefined)
      .finally(() => {
        if (running === ended) running = undefined;
      });
    running = ended;
    return next;
  }

  return { snapshot, collect: async (options) => toCollectionResult(await snapshot(options)) };
}
