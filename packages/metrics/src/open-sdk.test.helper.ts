import { catalogViews, liqo, stack, virtrigaud } from "@almanac/catalog";
import type { Catalog } from "@almanac/catalog";
import { silentLogger } from "@almanac/core";
import type { Logger, LogFields } from "@almanac/core";
import type { MeterProvider as ApiMeterProvider } from "@opentelemetry/api";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import type { MeterProviderOptions, MetricData } from "@opentelemetry/sdk-metrics";
import { expect } from "vitest";
import { createMeterProvider } from "./engine/provider.ts";

export class CollectingReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

type Open = (options: MeterProviderOptions) => ApiMeterProvider;

export const openOurs: Open = (options) => createMeterProvider(options);

/** Typed instruments are for both; `describe.each` takes these as its table. */
export const providers: readonly (readonly [name: string, open: Open])[] = [
  ["the official", (options) => new MeterProvider(options)],
  ["this package's", openOurs],
];

/** A provider with the views of the catalogs, and what it would export. */
export function openSdk(open: Open, catalogs: readonly Catalog[] = [virtrigaud, liqo, stack]) {
  const reader = new CollectingReader();
  const provider = open({ readers: [reader], views: catalogViews(...catalogs) });
  const warnings: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (message, fields) => void warnings.push({ message, ...fields }) };
  const collect = async (): Promise<ReadonlyMap<string, MetricData>> => {
    const { resourceMetrics, errors } = await reader.collect();
    expect(errors).toEqual([]);
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    expect(new Set(all.map((metric) => metric.descriptor.name)).size).toBe(all.length);
    return new Map(all.map((metric) => [metric.descriptor.name, metric]));
  };
  /** Series of one family as `a=1 b=2: value`. */
  const series = async (name: string): Promise<string[]> => pointsOf((await collect()).get(name));
  return { provider, logger, warnings, collect, series };
}

export function pointsOf(metric: MetricData | undefined): string[] {
  return (metric?.dataPoints ?? []).map(({ attributes, value }) => {
    const labels = Object.entries(attributes).map(([key, label]) => `${key}=${String(label)}`);
    return `${labels.join(" ")}: ${typeof value === "number" ? value : `${value.count ?? 0} in ${String(value.sum)}`}`;
  });
}

export const operation = {
  operation: "Create",
  provider_type: "libvirt",
  provider: "lab",
  outcome: "success",
} as const;
export const violations = "almanac_catalog_violations_total";
