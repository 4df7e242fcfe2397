import { context, TraceFlags } from "@opentelemetry/api";
import { pino } from "pino";
import type { LogFields, Logger } from "@almanac/core";
import { formatLine } from "./log-text.ts";
import { withoutSecrets } from "./redact.ts";
import { parentOf } from "./trace/parent.ts";
import type { LogOptions } from "./types.ts";

export interface CreateLoggerOptions extends LogOptions {
  /** Goes into every line as `service`. */
  readonly service: string;
  /** Asked for `NO_COLOR` only. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Lines with `level`, `time`, `service`, the fields, the ids of the active span if there is one (`trace_id`, `span_id`, `trace_flags`, as
 * OpenTelemetry names them for logs of other formats) and `msg`. Secrets in fields are hidden, at any depth.
 */
export function createLogger(options: CreateLoggerOptions): Logger {
  const { level = "info", format = "json", destination = process.stdout, service, env } = options;
  const colours = (destination as Partial<NodeJS.WriteStream>).isTTY === true && !env["NO_COLOR"];
  const text = { write: (line: string) => void destination.write(formatLine(line, colours)) };
  const lines = pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    format === "text" ? text : destination,
  );
  return wrap(lines, {});
}

function wrap(lines: pino.Logger, bound: LogFields): Logger {
  const write = (level: "debug" | "info" | "warn" | "error", message: string, fields?: LogFields): void => {
    if (!lines.isLevelEnabled(level)) return;
    const line = withoutSecrets({ ...bound, ...fields });
    addActiveSpan(line);
    lines[level](line, message);
  };
  return {
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
    child: (fields) => wrap(lines, { ...bound, ...fields }),
  };
}

const sampled: number = TraceFlags.SAMPLED;

function addActiveSpan(line: Record<string, unknown>): void {
  const span = parentOf(context.active());
  if (span === undefined) return;
  line["trace_id"] = span.traceId;
  line["span_id"] = span.spanId;
  line["trace_flags"] = span.traceFlags === sampled ? "01" : span.traceFlags.toString(16).padStart(2, "0");
}
