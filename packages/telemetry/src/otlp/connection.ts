import { ExportResultCode } from "@opentelemetry/core";
import type { CompressionAlgorithm, IOtlpExportDelegate } from "@opentelemetry/otlp-exporter-base";
import type { Clock } from "@almanac/core";
import type { Message } from "./messages.ts";
import { readJsonResponse, readProtobufResponse, type PartialSuccess } from "./response.ts";
import { sendWithRetries } from "./grpc-retry.ts";

export interface ConnectionOptions {
  readonly protocol: "grpc" | "http/protobuf" | "http/json";
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly compression: "gzip" | "none" | undefined;
  readonly timeoutMs: number | undefined;
  readonly onPartialSuccess: (partial: PartialSuccess) => void;
  readonly clock: Clock;
}

/** The official transport to one receiver. */
export interface Connection {
  /** Resolves when the receiver has taken the message; rejects when it is not to be had, retries included. */
  send(message: Message): Promise<void>;
  close(): Promise<void>;
}

type Delegate = IOtlpExportDelegate<Message>;

/** What options leave open is as `OTEL_EXPORTER_OTLP_METRICS_*` and `OTEL_EXPORTER_OTLP_*` say; certificates and keys always are. */
export async function connect(options: ConnectionOptions): Promise<Connection> {
  return options.protocol === "grpc" ? connectGrpc(options) : connectHttp(options, options.protocol);
}

async function connectHttp(options: ConnectionOptions, protocol: "http/protobuf" | "http/json"): Promise<Connection> {
  const { convertLegacyHttpOptions, createOtlpHttpExportDelegate } =
    await import("@opentelemetry/otlp-exporter-base/node-http");
  const contentType = protocol === "http/json" ? "application/json" : "application/x-protobuf";
  const { headers } = options;
  const configuration = convertLegacyHttpOptions(
    { ...commonSettings(options), ...(headers && { headers: { ...headers } }) },
    "METRICS",
    "v1/metrics",
    { "Content-Type": contentType },
  );
  const read = protocol === "http/json" ? readJsonResponse : readProtobufResponse;
  const delegate = createOtlpHttpExportDelegate(
    configuration,
    passOn(read, options),
    "otlp_http_metric_exporter",
    counted,
    undefined,
  );
  return { send: (message) => exported(delegate, message), close: () => delegate.shutdown() };
}

async function connectGrpc(options: ConnectionOptions): Promise<Connection> {
  const { convertLegacyOtlpGrpcOptions, createEmptyMetadata, createOtlpGrpcExportDelegate } =
    await import("@opentelemetry/otlp-grpc-exporter-base");
  const metadata = createEmptyMetadata();
  for (const [key, value] of Object.entries(options.headers ?? {})) metadata.set(key, value);
  const configuration = convertLegacyOtlpGrpcOptions({ ...commonSettings(options), metadata }, "METRICS");
  const delegate = createOtlpGrpcExportDelegate(
    configuration,
    passOn(readProtobufResponse, options),
    "otlp_grpc_metric_exporter",
    counted,
    undefined,
    "MetricsExportService",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  );
  // Under gRPC the official transport does not try again.
  const settings = { timeoutMs: configuration.timeoutMillis, clock: options.clock };
  return {
    send: (message) => sendWithRetries(() => exported(delegate, message), settings),
    close: () => delegate.shutdown(),
  };
}

function commonSettings({ url, timeoutMs, compression }: ConnectionOptions) {
  return {
    ...(url !== undefined && { url }),
    ...(timeoutMs !== undefined && { timeoutMillis: timeoutMs }),
    ...(compression !== undefined && { compression: compression as CompressionAlgorithm }),
  };
}

/** What the official exporters do with a serializer, for messages that are written already. */
function passOn(
  read: (bytes: Uint8Array) => PartialSuccess | undefined,
  { onPartialSuccess }: Pick<ConnectionOptions, "onPartialSuccess">,
) {
  return {
    serializeRequest: ({ bytes }: Message) => bytes,
    deserializeResponse(bytes: Uint8Array) {
      const partialSuccess = read(bytes);
      if (partialSuccess === undefined) return {};
      onPartialSuccess(partialSuccess);
      return { partialSuccess };
    },
  };
}

const counted = { name: "metric_data_point", countItems: ({ points }: Message) => points } as const;

function exported(delegate: Delegate, message: Message): Promise<void> {
  return new Promise((resolve, reject) => {
    delegate.export(message, ({ code, error }) => {
      if (code === ExportResultCode.SUCCESS) resolve();
      else reject(error ?? new Error("the export failed without a reason"));
    });
  });
}
