import type { OTLPTraceExporter as GrpcExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import type { OTLPTraceExporter as HttpExporter } from "@opentelemetry/exporter-trace-otlp-http";
import type { PushMetricExporter } from "@opentelemetry/sdk-metrics";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { OtlpTarget } from "./environment.ts";
import type { PartialSuccess } from "./otlp/response.ts";

/*
 * Only the exporter in use is loaded: each brings a serialiser or a gRPC stack that an idle process would carry for nothing.
 *
 * Certificates (`OTEL_EXPORTER_OTLP_*CERTIFICATE`, `_CLIENT_KEY`) and, under gRPC, headers are read by the exporters, from the process'
 * own environment.
 */

export async function loadSpanExporter(target: OtlpTarget): Promise<SpanExporter> {
  switch (target.protocol) {
    case "grpc": {
      const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-grpc");
      return new OTLPTraceExporter(grpcConfiguration(target));
    }
    case "http/protobuf": {
      const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
      return new OTLPTraceExporter(httpConfiguration(target));
    }
    case "http/json": {
      const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
      return new OTLPTraceExporter(httpConfiguration(target));
    }
  }
}

/**
 * With exemplars. Cumulative, whatever the environment prefers: the names and meanings of a catalog hold for running totals.
 * `onPartialSuccess` learns what a receiver did not take or warns of.
 */
export async function loadMetricExporter(
  { protocol, url, headers, compression, timeoutMs }: OtlpTarget,
  onPartialSuccess?: (partial: PartialSuccess) => void,
): Promise<PushMetricExporter> {
  const { createOtlpMetricExporter } = await import("./otlp/exporter.ts");
  return createOtlpMetricExporter({
    protocol,
    url,
    headers,
    compression,
    timeoutMs,
    temporality: "cumulative",
    ...(onPartialSuccess && { onPartialSuccess }),
  });
}

type GrpcConfiguration = NonNullable<ConstructorParameters<typeof GrpcExporter>[0]>;
type HttpConfiguration = NonNullable<ConstructorParameters<typeof HttpExporter>[0]>;

function grpcConfiguration({ url, timeoutMs, compression }: OtlpTarget): GrpcConfiguration {
  return { url, timeoutMillis: timeoutMs, compression: compression as NonNullable<GrpcConfiguration["compression"]> };
}

function httpConfiguration({ url, headers, timeoutMs, compression }: OtlpTarget): HttpConfiguration {
  return {
    url,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    compression: compression as NonNullable<HttpConfiguration["compression"]>,
  };
}
