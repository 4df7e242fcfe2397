import { setImmediate as nextTurn } from "node:timers/promises";
import { diag } from "@opentelemetry/api";
import { ExportResultCode, getStringFromEnv, type ExportResult } from "@opentelemetry/core";
import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import {
  AggregationTemporality,
  AggregationType,
  InstrumentType,
  type AggregationOption,
  type PushMetricExporter,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { describeError, systemClock, type Clock } from "@almanac/core";
import { snapshotOf } from "@almanac/metrics/internal";
import { connect } from "./connection.ts";
import { createJsonFormat } from "./json.ts";
import { writeMessages, type Message } from "./messages.ts";
import { checkOptions, protocols, temporalities } from "./options.ts";
import { createProtobufFormat } from "./protobuf.ts";
import { readJsonResponse, readProtobufResponse, type PartialSuccess } from "./response.ts";

export type OtlpProtocol = "grpc" | "http/protobuf" | "http/json";

/** What is left out is as the environment says, and else as the OTLP exporter specification has it. */
export interface OtlpMetricExporterOptions {
  /** Default: `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL`, `OTEL_EXPORTER_OTLP_PROTOCOL`, `http/protobuf`. */
  readonly protocol?: OtlpProtocol;
  /** Where to send to, under HTTP with the path. Default: the environment's, or port 4318 (HTTP) or 4317 (gRPC) of localhost. */
  readonly url?: string;
  /** HTTP headers or gRPC metadata; the environment's are added. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly compression?: "gzip" | "none";
  /** For one message, retries included. Default: the environment's, or 10,000. */
  readonly timeoutMs?: number;
  /**
   * `delta`: all but up-down counters; `lowmemory`: counters and histograms that are not observed. Default:
   * `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`, or `cumulative`.
   */
  readonly temporality?: "cumulative" | "delta" | "lowmemory";
  /**
   * A message ends with the point that makes it this long; the rest follows in others. Default: 4,000,000, because gRPC servers take
   * 4 MiB unless told otherwise.
   */
  readonly maxMessageBytes?: number;
  /** When a receiver took a message but not all of it, or warns of something. Logged by `diag` besides. Must not throw. */
  readonly onPartialSuccess?: (partial: PartialSuccess) => void;
  /**
   * Once aborted, what is being sent is cancelled and nothing more is sent; for a process that cannot wait for `shutdown()`, which sends
   * what is waiting first.
   */
  readonly signal?: AbortSignal;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** How long writing may hold the event loop at a time. */
const sliceMs = 2;

/** Exports at a time, most of them waiting for the one being sent. */
const mostPending = 4;

/**
 * An exporter for the official `PeriodicExportingMetricReader` that sends exemplars along. On this project's MeterProvider it writes from
 * the engine's columns; it takes the official MeterProvider's metrics as well. The variables `OTEL_EXPORTER_OTLP_*` are
 * read as the official exporters read them. One message is written and sent at a time, in slices that leave the event loop free.
 *
 * @throws TelemetryError `invalid_options`.
 */
export function createOtlpMetricExporter(options: OtlpMetricExporterOptions = {}): PushMetricExporter {
  checkOptions(options);
  const { url, headers, compression, timeoutMs, maxMessageBytes = 4_000_000, signal, clock = systemClock } = options;
  const protocol = options.protocol ?? protocolFromEnvironment();
  const temporalityOf = temporalitySelector(options.temporality ?? temporalityFromEnvironment());
  const histogramAggregation = histogramAggregationFromEnvironment();
  const onPartialSuccess = options.onPartialSuccess ?? (() => undefined);
  const read = protocol === "http/json" ? readJsonResponse : readProtobufResponse;
  const connecting = connect<Message>(
    { protocol, url, headers, compression, timeoutMs, clock, signal },
    {
      name: "METRICS",
      serialize: ({ bytes }) => bytes,
      readPartialSuccess(answer) {
        const partialSuccess = read(answer);
        if (partialSuccess !== undefined) onPartialSuccess(partialSuccess);
        return partialSuccess;
      },
      counted: { name: "metric_data_point", countItems: ({ points }) => points },
    },
  );
  // Reported by each export.
  connecting.catch(() => undefined);
  const format = protocol === "http/json" ? createJsonFormat() : createProtobufFormat();
  let last: Promise<unknown> = Promise.resolve();
  let pending = 0;
  let closing: Promise<void> | undefined;

  async function send(metrics: ResourceMetrics): Promise<void> {
    const connection = await connecting;
    let sliceEnd = clock.monotonic() + sliceMs;
    for (const message of writeMessages(snapshotOf(metrics), format, maxMessageBytes)) {
      if (message !== undefined) await connection.send(message);
      else if (clock.monotonic() < sliceEnd) continue;
      else await nextTurn();
      sliceEnd = clock.monotonic() + sliceMs;
    }
  }

  async function close(): Promise<void> {
    await last;
    await connecting.then((connection) => connection.close()).catch(() => undefined);
  }

  return {
    export(metrics: ResourceMetrics, callback: (result: ExportResult) => void) {
      if (closing !== undefined || pending >= mostPending) {
        const reason = closing ? "the exporter has been shut down" : `${pending} exports are waiting already`;
        callback({ code: ExportResultCode.FAILED, error: new OTLPExporterError(`not exported: ${reason}`) });
        return;
      }
      pending++;
      last = last
        .then(() => send(metrics))
        .then(
          () => ({ code: ExportResultCode.SUCCESS }),
          (thrown: unknown) => ({ code: ExportResultCode.FAILED, error: asError(thrown) }),
        )
        .then((result: ExportResult) => {
          pending--;
          callback(result);
        })
        // What a callback throws must not keep later exports from being sent.
        .catch((thrown: unknown) => diag.error("the callback of an export failed", describeError(thrown)));
    },
    forceFlush: async () => {
      await last;
    },
    shutdown: () => (closing ??= close()),
    selectAggregationTemporality: temporalityOf,
    selectAggregation: (type) => (type === InstrumentType.HISTOGRAM ? histogramAggregation : defaultAggregation),
  };
}

function protocolFromEnvironment(): OtlpProtocol {
  for (const name of ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]) {
    const found = choose(name, protocols);
    if (found !== undefined) return found;
  }
  return "http/protobuf";
}

type Temporality = NonNullable<OtlpMetricExporterOptions["temporality"]>;

function temporalityFromEnvironment(): Temporality {
  const name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
  return choose(name, temporalities) ?? "cumulative";
}

const defaultAggregation: AggregationOption = { type: AggregationType.DEFAULT };

function histogramAggregationFromEnvironment(): AggregationOption {
  const name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
  const chosen = choose(name, ["explicit_bucket_histogram", "base2_exponential_bucket_histogram"]);
  return chosen === "base2_exponential_bucket_histogram"
    ? { type: AggregationType.EXPONENTIAL_HISTOGRAM }
    : defaultAggregation;
}

function choose<const V extends string>(name: string, values: readonly V[]): V | undefined {
  const given = getStringFromEnv(name)?.trim().toLowerCase();
  const found = values.find((value) => value === given);
  if (given && found === undefined) diag.warn(`${name} is "${given}" and ignored; use one of ${values.join(", ")}`);
  return found;
}

/** OTLP exporter specification, "Additional environment variable configuration". */
function temporalitySelector(preference: Temporality): (type: InstrumentType) => AggregationTemporality {
  const deltas: Readonly<Record<Temporality, readonly InstrumentType[]>> = {
    cumulative: [],
    delta: [
      InstrumentType.COUNTER,
      InstrumentType.OBSERVABLE_COUNTER,
      InstrumentType.HISTOGRAM,
      InstrumentType.GAUGE,
      InstrumentType.OBSERVABLE_GAUGE,
    ],
    lowmemory: [InstrumentType.COUNTER, InstrumentType.HISTOGRAM],
  };
  const chosen = new Set(deltas[preference]);
  return (type) => (chosen.has(type) ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE);
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(describeError(thrown));
}
