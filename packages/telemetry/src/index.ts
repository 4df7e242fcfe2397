export { TelemetryError } from "./error.ts";
export { createNoopTelemetry } from "./noop.ts";
export { createOtlpMetricExporter } from "./otlp/exporter.ts";
export { startTelemetry } from "./telemetry.ts";
export type { TelemetryErrorCode } from "./error.ts";
export type { OtlpMetricExporterOptions, OtlpProtocol } from "./otlp/exporter.ts";
export type { PartialSuccess } from "./otlp/response.ts";
export type { LogLevel, LogOptions, Telemetry, TelemetryOptions } from "./types.ts";
