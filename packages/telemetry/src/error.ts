import { CodedError } from "@almanac/core";

/**
 * - `invalid_environment`: an `OTEL_*` variable without which nothing sensible can be done is unreadable; the message names it.
 * - `invalid_options`: an option is out of range; the message names it, its value and the remedy.
 */
export type TelemetryErrorCode = "invalid_environment" | "invalid_options";

export class TelemetryError extends CodedError<TelemetryErrorCode> {}
