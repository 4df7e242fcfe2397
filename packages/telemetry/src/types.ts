import type { Attributes, MeterProvider, TextMapPropagator, TracerProvider } from "@opentelemetry/api";
import type { Catalog, Owner, stack } from "@almanac/catalog";
import type { Logger } from "@almanac/core";
import type { Health } from "@almanac/exposition";
import type { Instruments } from "@almanac/metrics";

/** Levels of the log, least severe first. */
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogOptions {
  /** Lines below it are dropped. Default: `info`. */
  readonly level?: LogLevel;
  /** `json`: one object per line. `text`: one readable line, in colour on a terminal unless `NO_COLOR` is set. Default: `json`. */
  readonly format?: "json" | "text";
  /** Where lines go. Default: standard output. It is not closed at shutdown. */
  readonly destination?: NodeJS.WritableStream;
}

export interface EndpointOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 0, any free port. */
  readonly port?: number;
  /** TLS, authentication and headers, as `loadWebConfig` of `@almanac/exposition` reads them. Default: plain HTTP for everybody. */
  readonly webConfigFile?: string | undefined;
}

export interface TelemetryOptions {
  /** `service.name`, e.g. `virtrigaud-manager`, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` names another. */
  readonly serviceName: string;
  /** Whose families of the catalogs this process serves. */
  readonly owner: Owner;
  /** Catalogs recorded to. The `stack` catalog is always added. */
  readonly catalogs: readonly Catalog[];
  /** `service.version`. */
  readonly version?: string;
  /** Where `/metrics`, `/healthz` and `/readyz` are served. Default: nowhere. */
  readonly metrics?: EndpointOptions | false;
  readonly logs?: LogOptions;
  /** Further attributes of the resource; the environment's win. */
  readonly resourceAttributes?: Readonly<Record<string, string>>;
  /** Values of open labels known at the start, so that their series start at 0. */
  readonly known?: Readonly<Record<string, readonly string[]>>;
  /** How long series of what is gone stay (`retireSeries`), milliseconds. Default: 300,000. */
  readonly retireAfterMs?: number;
  /** Also makes the providers and the propagator the global ones of `@opentelemetry/api`, until shutdown. Default: false. */
  readonly registerGlobals?: boolean;
  /** How long `flush()` and `shutdown()` may take. Default: 5,000. */
  readonly shutdownTimeoutMs?: number;
  /** The `OTEL_*` variables. Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Everything one process needs to be seen. Disposing of it is the same as `shutdown()`. */
export interface Telemetry extends AsyncDisposable {
  readonly meterProvider: MeterProvider;
  readonly tracerProvider: TracerProvider;
  readonly propagator: TextMapPropagator;
  /** Adds `trace_id` and `span_id` of the active span to each line and hides the values of fields that are named like secrets. */
  readonly logger: Logger;
  readonly health: Health;
  /** Instruments of the `stack` catalog. */
  readonly stack: Instruments<typeof stack>;
  /** Base address of the endpoint, e.g. `http://127.0.0.1:8080`; `undefined` without one. */
  readonly metricsUrl: string | undefined;
  /** Typed instruments of a catalog, with this process' owner, known label values and logger. The same object for the same catalog. */
  instruments<C extends Catalog>(catalog: C): Instruments<C>;
  /**
   * For labels of an object that is gone for good, e.g. `{ provider: "lab" }`: after `retireAfterMs` every recorded series that has all of
   * them is removed, of whatever instrument. Until then its last increments are still scraped. Recording starts a series anew.
   */
  retireSeries(labels: Attributes): void;
  /** The object is back: what `retireSeries` of the same labels had planned is not done. */
  retainSeries(labels: Attributes): void;
  /** Sends what is waiting, for at most `shutdownTimeoutMs`. Never rejects: what fails is logged and counted. */
  flush(): Promise<void>;
  /**
   * Flushes, closes the endpoint and undoes every global registration, for at most `shutdownTimeoutMs`. Idempotent, never rejects. An
   * exporter that is still retrying keeps the process alive until its own limit (`OTEL_EXPORTER_OTLP_TIMEOUT`, default 10,000 ms); who
   * cannot wait calls `process.exit` afterwards.
   */
  shutdown(): Promise<void>;
}
