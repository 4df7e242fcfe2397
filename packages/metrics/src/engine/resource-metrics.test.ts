import { ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import { AggregationTemporality, AggregationType, MeterProvider } from "@opentelemetry/sdk-metrics";
import type { MetricProducer, ResourceMetrics, ScopeMetrics } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { ManualReader } from "./manual-reader.test.helper.ts";
import { createMeterProvider } from "./provider.ts";
import { snapshotOf } from "./resource-metrics.ts";

const views = [
  { instrumentName: "exponential", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const },
];
const sampled = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
});

function record(provider: Pick<MeterProvider, "getMeter">): void {
  const meter = provider.getMeter("m", "1");
  meter.createCounter("counter").add(2, { a: 1 }, sampled);
  meter.createUpDownCounter("upDown").add(-2, { a: 1 });
  meter.createGauge("gauge").record(0.5);
  meter.createHistogram("histogram", { advice: { explicitBucketBoundaries: [1, 2] } }).record(1.5, {}, sampled);
  meter.createHistogram("exponential").record(3);
}

async function collect(metricProducers: MetricProducer[] = []): Promise<ResourceMetrics> {
  const reader = new ManualReader(AggregationTemporality.CUMULATIVE, { metricProducers });
  record(createMeterProvider({ readers: [reader], views, resource: emptyResource() }));
  return (await reader.collect()).resourceMetrics;
}

function onlyScope({ scopeMetrics }: ResourceMetrics): ScopeMetrics {
  expect(scopeMetrics).toHaveLength(1);
  return scopeMetrics[0] as ScopeMetrics;
}

/** Without what only one of both ways can know. */
function comparable({ scopes, timeMs }: ReturnType<typeof snapshotOf>) {
  return scopes.flatMap(({ scope, streams }) =>
    streams.map(({ stream: _stream, descriptor, ...columns }) => ({
      ...columns,
      scope,
      timeMs,
      descriptor: { ...descriptor, type: undefined },
      startTimesMs: Array.from(columns.startTimesMs),
    })),
  );
}

describe("snapshotOf", () => {
  it("gives the engine's own columns as long as nobody looked at the metrics, and the same converted afterwards", async () => {
    const collected = await collect();
    const own = snapshotOf(collected);
    expect(own.scopes[0]).toBe(snapshotOf(collected).scopes[0]);
    expect(onlyScope(collected).metrics).toHaveLength(5);
    const converted = snapshotOf(collected);
    expect(converted.scopes[0]).not.toBe(own.scopes[0]);
    expect(comparable(converted)).toEqual(comparable(own));
  });

  it("sees what somebody changed in the metrics", async () => {
    const collected = await collect();
    onlyScope(collected).metrics.splice(1);
    expect(snapshotOf(collected).scopes[0]?.streams.map(({ descriptor }) => descriptor.name)).toEqual(["counter"]);
    const replaced = await collect();
    onlyScope(replaced).metrics = [];
    expect(snapshotOf(replaced).scopes).toEqual([]);
    expect(onlyScope(replaced).metrics).toEqual([]);
  });

  it("puts metrics of other producers beside the engine's", async () => {
    const foreign = new ManualReader();
    const official = new MeterProvider({ readers: [foreign] });
    official.getMeter("foreign").createCounter("other").add(1);
    const [own, other] = snapshotOf(await collect([{ collect: () => foreign.collect() }])).scopes;
    expect(own?.streams).toHaveLength(5);
    expect(other?.streams.map(({ descriptor }) => descriptor.name)).toEqual(["other"]);
  });

  it("takes what the official SDK collects, with its time", async () => {
    const reader = new ManualReader();
    const provider = new MeterProvider({ readers: [reader], views });
    record(provider);
    const { resourceMetrics } = await reader.collect();
    const [seconds, nanoseconds] = onlyScope(resourceMetrics).metrics[0]?.dataPoints[0]?.endTime ?? [0, 0];
    const { scopes, timeMs } = snapshotOf(resourceMetrics);
    expect(timeMs).toBeCloseTo(seconds * 1000 + nanoseconds / 1e6, 2);
    const streams = scopes[0]?.streams ?? [];
    expect(streams.map(({ kind }) => kind).sort()).toEqual(["exponential", "gauge", "histogram", "sum", "sum"]);
    const expected = { hasSum: true, hasMinMax: true, boundaries: [1, 2] };
    expect(streams.find(({ kind }) => kind === "histogram")).toMatchObject(expected);
  });
});
