import type { PushMetricExporter } from "@opentelemetry/sdk-metrics";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { OtlpTarget } from "./environment.ts";
import type { OtlpMetricExporterOptions } from "./otlp/exporter.ts";

/*
 * Exporters are loaded when used: they bring serialisers and a gRPC stack that an idle process would carry for nothing.
 *
 * Certificates (`OTEL_EXPORTER_OTLP_*CERTIFICATE`, `_CLIENT_KEY`) are read from the process' own environment.
 */

export async function loadSpanExporter(target: OtlpTarget): Promise<SpanExporter> {
  const { createOtlpSpanExporter } = await import("./otlp/span-exporter.ts");
  return await createOtlpSpanExporter(target);
}

/**
 * With exemplars. Cumulative, whatever the environment prefers: the names and meanings of a catalog hold for running totals.
 * `onPartialSuccess` learns what a receiver did not take or warns of; `signal` cancels.
 */
export async function loadMetricExporter(
  { protocol, url, headers, compression, timeoutMs }: OtlpTarget,
  more: Pick<OtlpMetricExporterOptions, "onPartialSuccess" | "signal"> = {},
): Promise<PushMetricExporter> {
  const { createOtlpMetricExporter } = await import("./otlp/exporter.ts");
  return createOtlpMetricExporter({
    protocol,
    url,
    headers,
    compression,
    timeoutMs,
    temporality: "cumulative",
    ...more,
  });
}
