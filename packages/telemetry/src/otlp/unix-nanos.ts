import type { HrTime } from "@opentelemetry/api";

/** Nanoseconds since the Unix epoch as two 32-bit halves, since a double cannot hold them. */
export interface UnixNanos {
  readonly low: number;
  readonly high: number;
}

const nanosPerMs = 1_000_000;

/** Exact to the nanosecond that is nearest to `timeMs`; times before 1970, and what is no time, are 0. */
export function unixNanos(timeMs: number): UnixNanos {
  const { wholeMs, nanos } = split(timeMs);
  return halves(wholeMs, nanosPerMs, nanos);
}

/** The same of a time in seconds and nanoseconds since the Unix epoch. */
export function hrTimeUnixNanos([seconds, nanos]: HrTime): UnixNanos {
  return halves(seconds, 1e9, nanos);
}

function halves(units: number, nanosPerUnit: number, nanos: number): UnixNanos {
  // units = upper * 2^16 + lower, so that no product leaves the 53 bits of a double.
  const upper = Math.floor(units / 0x10000) * nanosPerUnit;
  const lower = (upper % 0x10000) * 0x10000 + (units % 0x10000) * nanosPerUnit + nanos;
  return { low: lower >>> 0, high: (Math.floor(upper / 0x10000) + Math.floor(lower / 2 ** 32)) >>> 0 };
}

/** The same in decimal digits, as OTLP's JSON mapping has it. */
export function unixNanosText(timeMs: number): string {
  const { wholeMs, nanos } = split(timeMs);
  return wholeMs === 0 ? String(nanos) : `${wholeMs}${String(nanos).padStart(6, "0")}`;
}

function split(timeMs: number): { readonly wholeMs: number; readonly nanos: number } {
  if (!(timeMs > 0 && timeMs < 2 ** 44)) return { wholeMs: 0, nanos: 0 };
  const wholeMs = Math.floor(timeMs);
  const nanos = Math.round((timeMs - wholeMs) * nanosPerMs);
  return nanos === nanosPerMs ? { wholeMs: wholeMs + 1, nanos: 0 } : { wholeMs, nanos };
}
