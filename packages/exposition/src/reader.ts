import {
  AggregationTemporality,
  MetricReader,
  type IMetricReader,
  type MetricProducer,
  type MetricReaderOptions,
} from "@opentelemetry/sdk-metrics";
import { describeError, silentLogger, systemClock, type Clock, type Logger } from "@almanac/core";
import type { Catalog } from "@almanac/catalog";
import { isSnapshotProducer, snapshotOf, type MetricsSnapshot, type SnapshotProducer } from "@almanac/metrics/internal";
import { createChunkPool } from "./chunk-pool.ts";
import { ExpositionError } from "./error.ts";
import { declaredFamilies } from "./family.ts";
import { acceptsGzip, negotiate } from "./negotiate.ts";
import { translationStrategies, type TranslationStrategy } from "./naming.ts";
import { catalogList, checkOptions, oneOf, positiveNumber, regularExpression, text } from "./options.ts";
import { createPatientSnapshots } from "./patient-snapshots.ts";
import {
  createRendering,
  shareRenderings,
  type RenderedPage,
  type Rendering,
  type RenderingOptions,
  type SharedRenderings,
} from "./rendering.ts";

export interface PrometheusReaderOptions {
  /** Catalogs whose families keep their names, help texts and label order. Other instruments follow `translationStrategy`. */
  readonly catalogs?: readonly Catalog[];
  /** How names of instruments outside the catalogs are translated. Default: `UnderscoreEscapingWithSuffixes`. */
  readonly translationStrategy?: TranslationStrategy;
  /** Put with a `_` before names of instruments outside the catalogs. Default: nothing. */
  readonly prefix?: string;
  /** Adds `target_info` with the resource's attributes. Default: false, so that a page holds what the catalogs declare and nothing else. */
  readonly targetInfo?: boolean;
  /** Adds `otel_scope_name`, `…_version` and `…_schema_url` to every series. Default: false; then scopes' equal series are merged. */
  readonly scopeLabels?: boolean;
  /** Adds the resource's attributes whose keys match to every series. Default: none. */
  readonly resourceLabels?: RegExp | undefined;
  /** Adds the time of the collection to every sample; Prometheus handles targets that vanish better without. Default: false. */
  readonly timestamps?: boolean;
  /** How long one collection waits for asynchronous callbacks; what is late is missing from the page and reported. Default: 8000. */
  readonly collectTimeoutMs?: number;
  /** Pages of different content being rendered, or waiting to be, at a time; more fail with `too_busy`. Default: 8. */
  readonly maxRenderings?: number;
  /** Sources of metrics besides the MeterProvider. With them the engine's columns are not used. Default: none. */
  readonly metricProducers?: MetricProducer[];
  /** Gets everything that could not be collected or shown, once per collection. The rest is served. Must not throw. */
  readonly onError?: (error: unknown) => void;
  /** Gets each problem once, not once per collection. Default: silent. */
  readonly logger?: Logger;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

export interface RenderRequest {
  /** The `Accept` header. Default: text 0.0.4. */
  readonly accept?: string | undefined;
  /** The `Accept-Encoding` header. Default: not compressed. */
  readonly acceptEncoding?: string | undefined;
  /** Only families of these names, or with a sample so named. Default, and with none: all. */
  readonly names?: readonly string[] | undefined;
  /** How long the caller waits; a shorter time than `collectTimeoutMs` is what asynchronous callbacks get. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
}

/** An official metric reader, to be given to one MeterProvider, that renders pages for Prometheus. Cumulative, default aggregations. */
export interface PrometheusReader extends IMetricReader {
  /**
   * Collects once and writes one page, in slices that leave the event loop free. Calls that come while a collection is running share
   * the next one, and a page where they want the same, so that no page is older than its request and at most two snapshots are held.
   *
   * @throws ExpositionError `not_registered` outside the life of its MeterProvider, `collection_failed` when nothing could be collected,
   * `too_busy` beyond `maxRenderings`, `too_late` after `timeoutMs`.
   */
  render(request?: RenderRequest): Promise<RenderedPage>;
  /** Series (sets of labels) per exposed family at the last collection; empty before the first. */
  seriesCounts(): ReadonlyMap<string, number>;
  /** Collects and discards unless a collection ended within the last `maxAgeMs`. Never rejects; what fails is reported as ever. */
  refresh(maxAgeMs: number): Promise<void>;
}

/**
 * Renders straight from the columns of this project's engine, and from what any other MeterProvider collects. Memory: two snapshots and
 * the pages being made or sent, at most; and the label texts of the series there are.
 *
 * @throws ExpositionError `invalid_options`.
 */
export function createPrometheusReader(options: PrometheusReaderOptions = {}): PrometheusReader {
  return new PageReader(options);
}

/** Problems that are known to have been logged; more are forgotten, so that ever-changing words do not fill the memory. */
const maxRemembered = 1_000;

const optionRules = {
  catalogs: catalogList,
  translationStrategy: oneOf(translationStrategies),
  prefix: text,
  resourceLabels: regularExpression,
  collectTimeoutMs: positiveNumber,
  maxRenderings: positiveNumber,
};

/** The reader as a class, for those that have to be one themselves. */
export class PageReader extends MetricReader implements PrometheusReader {
  readonly #options: RenderingOptions;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #logger: Logger;
  readonly #shared: SharedRenderings;
  readonly #warned = new Set<string>();
  readonly #onlyColumns: boolean;
  readonly #takeSnapshot: ReturnType<typeof createPatientSnapshots>;
  #producer: SnapshotProducer | undefined;
  #bound = false;
  #closed = false;
  #counts: ReadonlyMap<string, number> = new Map();
  #collectedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PrometheusReaderOptions = {}) {
    const { metricProducers, collectTimeoutMs = 8000, maxRenderings = 8, clock = systemClock } = options;
    checkOptions({ ...options }, optionRules);
    super({
      aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE,
      ...(metricProducers === undefined ? {} : { metricProducers }),
    } satisfies MetricReaderOptions);
    this.#onlyColumns = (metricProducers?.length ?? 0) === 0;
    this.#takeSnapshot = createPatientSnapshots(clock);
    this.#onError = options.onError;
    this.#logger = options.logger ?? silentLogger;
    this.#options = {
      declared: declaredFamilies(options.catalogs ?? []),
      strategy: options.translationStrategy ?? "UnderscoreEscapingWithSuffixes",
      prefix: options.prefix ?? "",
      targetInfo: options.targetInfo ?? false,
      scopeLabels: options.scopeLabels ?? false,
      resourceLabels: options.resourceLabels,
      timestamps: options.timestamps ?? false,
      cache: new WeakMap(),
      pool: createChunkPool(),
      clock,
      report: (error, family) => this.#report(error, family),
    };
    const collect = (timeoutMs: number): Promise<Rendering> => this.#collect(timeoutMs);
    this.#shared = shareRenderings({ collect, collectTimeoutMs, maxRenderings, pool: this.#options.pool, clock });
  }

  override setMetricProducer(producer: MetricProducer): void {
    super.setMetricProducer(producer);
    if (this.#onlyColumns && isSnapshotProducer(producer)) this.#producer = producer;
  }

  protected override onInitialized(): void {
    this.#bound = true;
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  render(request: RenderRequest = {}): Promise<RenderedPage> {
    const gzip = acceptsGzip(request.acceptEncoding);
    return this.#shared.page({ ...negotiate(request.accept), gzip, names: request.names ?? [] }, request.timeoutMs);
  }

  seriesCounts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  async refresh(maxAgeMs: number): Promise<void> {
    if (!this.#bound || this.#closed || this.#options.clock.monotonic() - this.#collectedAt < maxAgeMs) return;
    // #collect has reported it already.
    await this.#shared.collection().catch(() => undefined);
  }

  async #collect(timeoutMs: number): Promise<Rendering> {
    if (!this.#bound || this.#closed) {
      const state = this.#bound
        ? "its MeterProvider has been shut down"
        : "no MeterProvider has been given it as a reader";
      throw new ExpositionError("not_registered", `there is nothing to render: ${state}`);
    }
    let snapshot: MetricsSnapshot;
    try {
      snapshot = await this.#snapshot(timeoutMs);
    } catch (thrown) {
      this.#report(thrown);
      throw ExpositionError.from(thrown);
    }
    this.#collectedAt = this.#options.clock.monotonic();
    for (const error of snapshot.errors) this.#report(error);
    const rendering = createRendering(snapshot, this.#options);
    const families = await rendering.families();
    if (families.length === 0 && snapshot.errors.length > 0) throw ExpositionError.from(snapshot.errors[0]);
    this.#counts = new Map(
      families.map(({ name, blocks }) => [name, blocks.reduce((sum, { columns }) => sum + columns.size, 0)]),
    );
    return rendering;
  }

  async #snapshot(timeoutMillis: number): Promise<MetricsSnapshot> {
    if (this.#producer !== undefined) return this.#takeSnapshot(this.#producer, timeoutMillis);
    const { resourceMetrics, errors } = await this.collect({ timeoutMillis });
    return snapshotOf(resourceMetrics, { errors, timeMs: this.#options.clock.now() });
  }

  #report(error: unknown, family?: string): void {
    this.#onError?.(error);
    const text = describeError(error);
    const problem = family !== undefined && error instanceof ExpositionError ? `${error.code} ${family}` : text;
    const isNew = !this.#warned.delete(problem);
    // Last in order again: what goes on longest must not be the first to be forgotten.
    this.#warned.add(problem);
    for (const oldest of this.#warned) {
      if (this.#warned.size <= maxRemembered) break;
      this.#warned.delete(oldest);
    }
    if (isNew) this.#logger.warn("a part of the metrics could not be collected", { error: text });
  }
}
