import { createNoopMeter, ProxyTracerProvider, type MeterProvider } from "@opentelemetry/api";
import { CompositePropagator } from "@opentelemetry/core";
import { stack } from "@almanac/catalog";
import { silentLogger } from "@almanac/core";
import { createHealth } from "@almanac/exposition";
import { createInstruments } from "@almanac/metrics";
import type { Telemetry } from "./types.ts";

/** Records nothing, logs nothing, exports nothing, serves nothing; for tests and as the base line of a measurement. */
export function createNoopTelemetry(): Telemetry {
  const meterProvider: MeterProvider = { getMeter: () => createNoopMeter() };
  const nothing = (): Promise<void> => Promise.resolve();
  return {
    meterProvider,
    tracerProvider: new ProxyTracerProvider(),
    propagator: new CompositePropagator({ propagators: [] }),
    logger: silentLogger,
    health: createHealth(),
    stack: createInstruments(stack, meterProvider),
    metricsUrl: undefined,
    instruments: (catalog) => createInstruments(catalog, meterProvider),
    retireSeries() {},
    retainSeries() {},
    flush: nothing,
    shutdown: nothing,
    [Symbol.asyncDispose]: nothing,
  };
}
