import { constants, gzip } from "node:zlib";
import { promisify } from "node:util";
import {
  AggregationTemporality,
  MetricReader,
  type CollectionResult,
  type IMetricReader,
} from "@opentelemetry/sdk-metrics";
import { describeError, silentLogger, systemClock, type Clock, type Logger } from "@almanac/core";
import type { Catalog } from "@almanac/catalog";
import { ExpositionError } from "./error.ts";
import { declaredFamilies, groupFamilies, type DeclaredFamilies, type Family } from "./family.ts";
import { acceptsGzip, contentTypes, negotiateFormat } from "./negotiate.ts";
import { writeOpenMetrics, writeText, type Format } from "./write.ts";

export interface PrometheusReaderOptions {
  /** Catalogs whose families keep their names, help texts and label order. Other instruments follow OpenTelemetry's Prometheus rules. */
  readonly catalogs?: readonly Catalog[];
  /** Adds `target_info` with the resource's attributes. Default: false, so that a page holds what the catalogs declare and nothing else. */
  readonly targetInfo?: boolean;
  /** How long one collection waits for asynchronous callbacks; what is late is missing from the page and reported. Default: 8000. */
  readonly collectTimeoutMs?: number;
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
}

export interface RenderedPage {
  readonly format: Format;
  readonly contentType: string;
  readonly contentEncoding: "gzip" | undefined;
  readonly body: Uint8Array;
  /** Bytes before compression. */
  readonly size: number;
}

/** An official metric reader, to be given to one MeterProvider, that renders pages for Prometheus. Cumulative, default aggregations. */
export interface PrometheusReader extends IMetricReader {
  /**
   * Collects once and writes one page. Calls that come while a collection is running share the next one, so that no page is older than
   * its request and at most two collections are held at a time.
   *
   * @throws ExpositionError `not_registered` outside the life of its MeterProvider, `collection_failed` when nothing could be collected.
   */
  render(request?: RenderRequest): Promise<RenderedPage>;
  /** Series (sets of labels) per exposed family at the last collection; empty before the first. */
  seriesCounts(): ReadonlyMap<string, number>;
  /** Collects and discards unless a collection ended within the last `maxAgeMs`. Never rejects; what fails is reported as ever. */
  refresh(maxAgeMs: number): Promise<void>;
}

/** Memory: one page as a string and as bytes per collection, at most two collections at a time. */
export function createPrometheusReader(options: PrometheusReaderOptions = {}): PrometheusReader {
  const {
    catalogs = [],
    targetInfo = false,
    collectTimeoutMs = 8000,
    onError,
    logger = silentLogger,
    clock = systemClock,
  } = options;
  if (!(collectTimeoutMs > 0)) {
    throw new ExpositionError(
      "invalid_options",
      `collectTimeoutMs must be a positive number of milliseconds, got ${collectTimeoutMs}`,
    );
  }
  return new PageReader({ declared: declaredFamilies(catalogs), targetInfo, collectTimeoutMs, onError, logger, clock });
}

interface ResolvedOptions {
  readonly declared: DeclaredFamilies;
  readonly targetInfo: boolean;
  readonly collectTimeoutMs: number;
  readonly onError: ((error: unknown) => void) | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

const compress = promisify(gzip);

class PageReader extends MetricReader implements PrometheusReader {
  readonly #options: ResolvedOptions;
  readonly #warned = new Set<string>();
  #bound = false;
  #closed = false;
  #running: Promise<Family[]> | undefined;
  #next: Promise<Family[]> | undefined;
  #counts: ReadonlyMap<string, number> = new Map();
  #collectedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ResolvedOptions) {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
    this.#options = options;
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

  async render(request: RenderRequest = {}): Promise<RenderedPage> {
    const format = negotiateFormat(request.accept);
    const families = await this.#collectFamilies();
    const page = Buffer.from(format === "text" ? writeText(families) : writeOpenMetrics(families));
    const contentType = contentTypes[format];
    if (!acceptsGzip(request.acceptEncoding)) {
      return { format, contentType, contentEncoding: undefined, body: page, size: page.byteLength };
    }
    // Pages repeat themselves so much that the fastest level comes within a fifth of the best one.
    const body = await compress(page, { level: constants.Z_BEST_SPEED });
    return { format, contentType, contentEncoding: "gzip", body, size: page.byteLength };
  }

  seriesCounts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  async refresh(maxAgeMs: number): Promise<void> {
    if (!this.#bound || this.#closed || this.#options.clock.monotonic() - this.#collectedAt < maxAgeMs) return;
    // #collect has reported it already.
    await this.#collectFamilies().catch(() => undefined);
  }

  #collectFamilies(): Promise<Family[]> {
    if (this.#running === undefined) {
      this.#running = this.#collect().finally(() => (this.#running = undefined));
      return this.#running;
    }
    const startNext = (): Promise<Family[]> => {
      this.#next = undefined;
      return this.#collectFamilies();
    };
    this.#next ??= this.#running.then(startNext, startNext);
    return this.#next;
  }

  async #collect(): Promise<Family[]> {
    if (!this.#bound || this.#closed) {
      const state = this.#bound
        ? "its MeterProvider has been shut down"
        : "no MeterProvider has been given it as a reader";
      throw new ExpositionError("not_registered", `there is nothing to render: ${state}`);
    }
    let result: CollectionResult;
    try {
      result = await this.collect({ timeoutMillis: this.#options.collectTimeoutMs });
    } catch (thrown) {
      this.#report(thrown);
      throw ExpositionError.from(thrown);
    }
    this.#collectedAt = this.#options.clock.monotonic();
    for (const error of result.errors) this.#report(error);
    const { declared, targetInfo } = this.#options;
    const families = groupFamilies(result.resourceMetrics, {
      declared,
      targetInfo,
      report: (error) => this.#report(error),
    });
    if (families.length === 0 && result.errors.length > 0) throw ExpositionError.from(result.errors[0]);
    this.#counts = new Map(families.map((family) => [family.name, family.points.size]));
    return families;
  }

  #report(error: unknown): void {
    this.#options.onError?.(error);
    const text = describeError(error);
    // The limit keeps a problem with ever-changing words from filling the memory.
    if (this.#warned.has(text) || this.#warned.size >= 100) return;
    this.#warned.add(text);
    this.#options.logger.warn("a part of the metrics could not be collected", { error: text });
  }
}
