import { diag } from "@opentelemetry/api";
import { ExportResultCode } from "@opentelemetry/core";
import type { CompressionAlgorithm, IOtlpExportDelegate } from "@opentelemetry/otlp-exporter-base";
import { systemClock, type Clock } from "@almanac/core";
import { post } from "./http.ts";
import { sendWithRetries } from "./retry.ts";

export interface ConnectionOptions {
  readonly protocol: "grpc" | "http/protobuf" | "http/json";
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly compression: "gzip" | "none" | undefined;
  /** For one message, retries included. */
  readonly timeoutMs: number | undefined;
  readonly clock?: Clock;
  /** Cancels what is being sent and whatever would be. */
  readonly signal?: AbortSignal | undefined;
}

/** What is sent, and how its receivers are addressed. */
export interface Signal<M> {
  readonly name: "METRICS" | "TRACES";
  readonly serialize: (message: M) => Uint8Array | undefined;
  /** What a receiver did not take though it took the rest, or what it warns of. @throws Error on what is unreadable. */
  readonly readPartialSuccess: (answer: Uint8Array) => object | undefined;
  /** The official exporters' account of themselves. */
  readonly counted: { readonly name: "metric_data_point" | "span"; countItems(message: M): number };
}

/** The way to one receiver. */
export interface Connection<M> {
  /** Resolves when the receiver has taken the message; rejects when it is not to be had, retries included, or at `close`. */
  send(message: M): Promise<void>;
  /** Cancels what is being sent. */
  close(): Promise<void>;
}

/** What options leave open is as `OTEL_EXPORTER_OTLP_<signal>_*` and `OTEL_EXPORTER_OTLP_*` say; certificates and keys always are. */
export async function connect<M>(options: ConnectionOptions, signal: Signal<M>): Promise<Connection<M>> {
  const { timeoutMs, sendOnce, close } = await (options.protocol === "grpc" ? viaGrpc : viaHttp)(options, signal);
  const closing = new AbortController();
  const ended = options.signal ? AbortSignal.any([closing.signal, options.signal]) : closing.signal;
  const settings = { timeoutMs, clock: options.clock ?? systemClock, signal: ended };
  return {
    send: (message) => sendWithRetries((attempt) => sendOnce(message, attempt), settings),
    async close() {
      closing.abort(new Error("the exporter has been shut down"));
      await close();
    },
  };
}

interface Way<M> {
  readonly timeoutMs: number;
  readonly sendOnce: (message: M, signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function viaHttp<M>(options: ConnectionOptions, signal: Signal<M>): Promise<Way<M>> {
  const { convertLegacyHttpOptions } = await import("@opentelemetry/otlp-exporter-base/node-http");
  const contentType = options.protocol === "http/json" ? "application/json" : "application/x-protobuf";
  const { headers } = options;
  const configuration = convertLegacyHttpOptions(
    { ...commonSettings(options), ...(headers && { headers: { ...headers } }) },
    signal.name,
    `v1/${signal.name.toLowerCase()}`,
    { "Content-Type": contentType },
  );
  const agent = Promise.resolve(configuration.agentFactory(new URL(configuration.url).protocol));
  const settings = { ...configuration, agentFactory: () => agent };
  return {
    timeoutMs: configuration.timeoutMillis,
    async sendOnce(message, attempt) {
      const bytes = signal.serialize(message);
      if (bytes === undefined) throw new Error("the message cannot be written");
      const answer = await post(settings, bytes, attempt);
      try {
        const partialSuccess = signal.readPartialSuccess(answer);
        if (partialSuccess) diag.warn("a receiver did not take everything", JSON.stringify(partialSuccess));
      } catch (thrown) {
        diag.warn("an export succeeded with an unreadable answer", thrown);
      }
    },
    close: async () => (await agent).destroy(),
  };
}

const grpcServices = { METRICS: "metrics.v1.Metrics", TRACES: "trace.v1.Trace" } as const;

/** With the official transport, which under gRPC does not try again. */
async function viaGrpc<M>(options: ConnectionOptions, signal: Signal<M>): Promise<Way<M>> {
  const { convertLegacyOtlpGrpcOptions, createEmptyMetadata, createOtlpGrpcExportDelegate } =
    await import("@opentelemetry/otlp-grpc-exporter-base");
  const metadata = createEmptyMetadata();
  for (const [key, value] of Object.entries(options.headers ?? {})) metadata.set(key, value);
  const configuration = convertLegacyOtlpGrpcOptions({ ...commonSettings(options), metadata }, signal.name);
  const serializer = {
    serializeRequest: signal.serialize,
    deserializeResponse(bytes: Uint8Array) {
      const partialSuccess = signal.readPartialSuccess(bytes);
      return partialSuccess === undefined ? {} : { partialSuccess };
    },
  };
  const delegate = createOtlpGrpcExportDelegate(
    configuration,
    serializer,
    `otlp_grpc_${signal.name === "METRICS" ? "metric" : "span"}_exporter`,
    signal.counted,
    undefined,
    signal.name === "METRICS" ? "MetricsExportService" : "TraceExportService",
    `/opentelemetry.proto.collector.${grpcServices[signal.name]}Service/Export`,
  );
  return {
    timeoutMs: configuration.timeoutMillis,
    sendOnce: (message) => exported(delegate, message),
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

function exported<M>(delegate: IOtlpExportDelegate<M>, message: M): Promise<void> {
  return new Promise((resolve, reject) => {
    delegate.export(message, ({ code, error }) => {
      if (code === ExportResultCode.SUCCESS) resolve();
      else reject(error ?? new Error("the export failed without a reason"));
    });
  });
}
