export type { LogLevel, LogOptions, Telemetry, TelemetryOptions } from "./types.ts";
