export { TelemetryError } from "./error.ts";
export { createNoopTelemetry } from "./noop.ts";
export { startTelemetry } from "./telemetry.ts";
export type { TelemetryErrorCode } from "./error.ts";
export type { LogLevel, LogOptions, Telemetry, TelemetryOptions } from "./types.ts";
