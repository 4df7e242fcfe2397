import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { diag } from "@opentelemetry/api";
import { systemClock, type Logger } from "@almanac/core";
import type { Catalog } from "@almanac/catalog";
import type { MetricProducer } from "@opentelemetry/sdk-metrics";
import { ExpositionError } from "./error.ts";
import type { TranslationStrategy } from "./naming.ts";
import { checkOptions, port, regularExpression, text } from "./options.ts";
import { PageReader } from "./reader.ts";
import { answerScrape } from "./scrape.ts";
import { plain, refuseMethod, send } from "./send.ts";

/** The fields of the official exporter's configuration, and two of ours. */
export interface PrometheusExporterConfig {
  /** Put with a `_` before the names of instruments outside the catalogs. Default: none. */
  readonly prefix?: string;
  /** Adds the time of the collection to every sample. Default: false. */
  readonly appendTimestamp?: boolean;
  /** Default: `/metrics`. */
  readonly endpoint?: string;
  /** Default: `OTEL_EXPORTER_PROMETHEUS_HOST`, or `localhost`. */
  readonly host?: string;
  /** Default: `OTEL_EXPORTER_PROMETHEUS_PORT`, or 9464. 0 is any free port; to the official exporter it is 9464. */
  readonly port?: number;
  /** Leaves it to the caller to start the server, or to serve with `getMetricsRequestHandler`. Default: false. */
  readonly preventServerStart?: boolean;
  /** Sources of metrics besides the MeterProvider. */
  readonly metricProducers?: MetricProducer[];
  /** The resource's attributes whose keys match become labels of every series. Default: none. */
  readonly withResourceConstantLabels?: RegExp;
  /** Default: true, unlike the official exporter's: `otel_scope_…` labels are added only where this is false. */
  readonly withoutScopeInfo?: boolean;
  /** Leaves `target_info` out. Default: false. */
  readonly withoutTargetInfo?: boolean;
  /** Catalogs whose families keep their names. Default: none. */
  readonly catalogs?: readonly Catalog[];
  /** How other names are translated. Default: `UnderscoreEscapingWithSuffixes`. */
  readonly translationStrategy?: TranslationStrategy;
}

const defaults = { host: "localhost", port: 9464, endpoint: "/metrics" };

/**
 * Takes the place of the official `PrometheusExporter`: same constructor, methods and settings, on the official MeterProvider or this
 * project's. Beyond it: all formats with content negotiation, gzip, exemplars and native histograms from this project's engine, shared
 * renderings, and a page never blocks the event loop. Differences: no scope labels unless asked for; a collection that fails is answered
 * with 500, not with an empty page; port 0 is any free port, not 9464; methods other than GET and HEAD are answered with 405.
 *
 * @throws ExpositionError `invalid_options` for a port or a setting that is none.
 */
export class PrometheusExporter extends PageReader {
  static readonly DEFAULT_OPTIONS = {
    ...defaults,
    prefix: "",
    appendTimestamp: false,
    withResourceConstantLabels: undefined,
    withoutScopeInfo: true,
    withoutTargetInfo: false,
  };

  readonly #host: string;
  readonly #port: number;
  readonly #endpoint: string;
  readonly #server: Server;
  #starting: Promise<void> | undefined;

  /** `callback` hears when the server has been started, or why it could not be. */
  constructor(config: PrometheusExporterConfig = {}, callback: (error: Error | void) => void = () => {}) {
    checkOptions({ ...config }, { withResourceConstantLabels: regularExpression, endpoint: text, host: text, port });
    super({
      logger: diagLogger,
      targetInfo: config.withoutTargetInfo !== true,
      scopeLabels: config.withoutScopeInfo === false,
      resourceLabels: config.withResourceConstantLabels,
      timestamps: config.appendTimestamp === true,
      prefix: config.prefix ?? "",
      ...(config.catalogs === undefined ? {} : { catalogs: config.catalogs }),
      ...(config.translationStrategy === undefined ? {} : { translationStrategy: config.translationStrategy }),
      ...(config.metricProducers === undefined ? {} : { metricProducers: config.metricProducers }),
    });
    this.#host = config.host ?? (process.env["OTEL_EXPORTER_PROMETHEUS_HOST"] || defaults.host);
    this.#port = config.port ?? portFromEnvironment() ?? defaults.port;
    this.#endpoint = (config.endpoint ?? defaults.endpoint).replace(/^(?!\/)/, "/");
    this.#server = createServer(
      { maxHeaderSize: 16_384, requestTimeout: 10_000, headersTimeout: 5_000 },
      (request, response) => {
        if (request.url?.split("?", 1)[0] === this.#endpoint) this.getMetricsRequestHandler(request, response);
        else send(response, 404, plain, `not found; there is ${this.#endpoint}\n`);
      },
    );
    this.#server.unref();
    if (config.preventServerStart === true) {
      queueMicrotask(() => callback());
      return;
    }
    this.startServer().then(
      () => callback(),
      (error: unknown) => {
        diag.error("the Prometheus endpoint could not be started", error);
        callback(ExpositionError.from(error));
      },
    );
  }

  /** Where the endpoint listens; with port 0 known once it has been started. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.#port;
  }

  /** Starts the endpoint, once. Rejects with ExpositionError `address_in_use` or `listen_failed`; then it may be tried again. */
  startServer(): Promise<void> {
    this.#starting ??= new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void => {
        this.#starting = undefined;
        reject(ExpositionError.fromListen(error, this.#host, this.#port));
      };
      this.#server.once("error", onError);
      this.#server.listen({ port: this.#port, host: this.#host }, () => {
        this.#server.off("error", onError);
        diag.debug(`serving metrics at http://${this.#host}:${this.port}${this.#endpoint}`);
        resolve();
      });
    });
    return this.#starting;
  }

  /** Stops the endpoint: idle connections at once, running answers when they are sent. Resolves also where it was not started. */
  stopServer(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        this.#starting = undefined;
        resolve();
      });
    });
  }

  /**
   * Answers a request with the metrics: for a server of one's own. HEAD gets the headers alone, other methods than GET get 405 with
   * `Allow`; the official exporter sends the page whatever the method.
   */
  getMetricsRequestHandler(request: IncomingMessage, response: ServerResponse): void {
    if (refuseMethod(request, response)) return;
    const options = { onScrape: undefined, logger: diagLogger, clock: systemClock };
    answerScrape(this, request, response, options).catch(() => request.socket.destroy());
  }

  protected override async onShutdown(): Promise<void> {
    await super.onShutdown();
    await this.stopServer();
  }
}

/** What is set to something else than a port is reported and counts as not set (OpenTelemetry specification, environment variables). */
function portFromEnvironment(): number | undefined {
  const value = process.env["OTEL_EXPORTER_PROMETHEUS_PORT"];
  if (value === undefined || value === "") return undefined;
  if (/^\d{1,5}$/.test(value) && port.accepts(Number(value))) return Number(value);
  const shown = JSON.stringify(value.slice(0, 100));
  diag.warn(`OTEL_EXPORTER_PROMETHEUS_PORT must be ${port.expected}, got ${shown}; it is ignored`);
  return undefined;
}

/** What this package has to say goes where the official exporter's words go. */
const diagLogger: Logger = {
  debug: (message, fields) => diag.debug(message, fields),
  info: (message, fields) => diag.info(message, fields),
  warn: (message, fields) => diag.warn(message, fields),
  error: (message, fields) => diag.error(message, fields),
  child: () => diagLogger,
};
