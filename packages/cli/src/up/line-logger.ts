import type { LogFields, Logger } from "@almanac/core";

const order = { debug: 0, info: 1, warn: 2, error: 3 } as const;

/** Logs one readable line per message to standard error, from `level` on. For the demo's own process; components use telemetry's. */
export function createLineLogger(options: { readonly level: keyof typeof order }, bound: LogFields = {}): Logger {
  const write = (level: keyof typeof order, message: string, fields?: LogFields): void => {
    if (order[level] < order[options.level]) return;
    const pairs = Object.entries({ ...bound, ...fields }).map(
      ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
    process.stderr.write(`${level}: ${[message, ...pairs].join("  ")}\n`);
  };
  return {
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
    child: (fields) => createLineLogger(options, { ...bound, ...fields }),
  };
}
