import { ROOT_CONTEXT, trace, ValueType } from "@opentelemetry/api";
import type { Counter } from "@opentelemetry/api";
import {
  AggregationTemporality,
  AggregationType,
  createAllowListAttributesProcessor,
  DataPointType,
  InMemoryMetricExporter,
  InstrumentType,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";
import { isSnapshotProducer } from "../internal.ts";
import type { MetricsSnapshot, SnapshotProducer } from "../internal.ts";
import { ManualReader, openProvider, warningsOf } from "./manual-reader.test.helper.ts";
import { createMeterProvider } from "./provider.ts";

describe("createMeterProvider", () => {
  it("works under the official periodic reader and exporters", async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1_000_000 });
    const resource = resourceFromAttributes({ "service.name": "test" });
    const provider = createMeterProvider({ resource, readers: [reader] });
    const counter = provider.getMeter("scope", "1.2", { schemaUrl: "https://example.com/1" }).createCounter("c");
    counter.add(1);
    await provider.forceFlush();
    counter.add(2);
    await provider.shutdown();
    const exported = exporter.getMetrics();
    expect(exported.map(({ scopeMetrics }) => scopeMetrics[0]?.metrics[0]?.dataPoints[0]?.value)).toEqual([1, 2]);
    expect(exported[0]?.resource).toBe(resource);
    expect(exported[0]?.scopeMetrics[0]?.scope).toEqual({
      name: "scope",
      version: "1.2",
      schemaUrl: "https://example.com/1",
    });
  });

  it("gives one meter per name, version and schema, whatever they hold", () => {
    const { provider } = openProvider();
    expect(provider.getMeter("a", "1")).toBe(provider.getMeter("a", "1"));
    const others = [
      provider.getMeter("a:1"),
      provider.getMeter("a", ":1"),
      provider.getMeter("a", "", { schemaUrl: "1" }),
    ];
    expect(new Set([provider.getMeter("a", "1"), ...others]).size).toBe(4);
  });

  it("flushes and closes every reader, once, though one of them fails", async () => {
    const failing = new ManualReader();
    failing.forceFlush = () => Promise.reject(new Error("cannot flush"));
    failing.shutdown = () => Promise.reject(new Error("cannot close"));
    const reader = new ManualReader();
    const { provider, meter } = openProvider({ readers: [failing, reader] });
    const counter = meter.createCounter("c");
    await expect(provider.forceFlush()).rejects.toThrow("cannot flush");
    await expect(provider.shutdown()).rejects.toThrow("cannot close");
    const warnings = await warningsOf(async () => {
      await provider.shutdown();
      await provider.forceFlush();
      const late = provider.getMeter("late").createCounter("c");
      late.add(1);
      late.bind().add(1);
      counter.add(1);
    });
    expect([reader.flushed, reader.closed]).toEqual([1, 1]);
    expect(warnings).toHaveLength(3);
  });

  it("refuses views and options that cannot mean anything", () => {
    const open = (view: object) => () => createMeterProvider({ views: [view] });
    expect(open({ name: "x" })).toThrow("[invalid_view] a view needs something to select");
    expect(open({ name: "x", instrumentName: "a*" })).toThrow('[invalid_view] a view that renames to "x"');
    const aggregation = { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [1, NaN] } };
    expect(open({ instrumentName: "a", aggregation })).toThrow("[invalid_view] bucket boundaries");
    expect(() => createMeterProvider({ exemplarFilter: "sometimes" as "always_on" })).toThrow("[invalid_options]");
  });
});

describe("views", () => {
  it("select by wildcard, type, unit and scope, each match a stream of its own", async () => {
    const views = [
      { instrumentName: "a.*", description: "by name" },
      {
        instrumentType: InstrumentType.HISTOGRAM,
        instrumentUnit: "s",
        meterName: "one",
        aggregation: { type: AggregationType.SUM },
      },
      { instrumentName: "b.?", aggregation: { type: AggregationType.DROP } },
      { instrumentName: "a.x", name: "a.renamed" },
    ] as const;
    const { reader, provider } = openProvider({ views });
    const one = provider.getMeter("one");
    one.createCounter("a.x").add(1);
    one.createCounter("ba.x").add(1);
    one.createCounter("b.x").add(1);
    one.createHistogram("h", { unit: "s" }).record(2);
    provider.getMeter("two").createHistogram("h2", { unit: "s" }).record(2);
    const { all } = await reader.metrics();
    expect([...all.keys()]).toEqual(["a.x", "a.renamed", "ba.x", "h", "h2"]);
    expect(all.get("a.x")?.descriptor.description).toBe("by name");
    expect(all.get("h")?.dataPoints[0]?.value).toBe(2);
    expect(all.get("h2")?.dataPoints[0]?.value).toMatchObject({ count: 1 });
  });

  it("may look at the context", async () => {
    const key = Symbol("tenant");
    const { reader, meter } = openProvider({
      views: [
        {
          instrumentName: "*",
          attributesProcessors: [
            {
              process: (given, context) => ({
                ...given,
                tenant: context?.getValue(key) ?? "none",
              }),
            },
          ],
        },
      ],
    });
    const counter = meter.createCounter("c");
    const bound = counter.bind({ a: "x" });
    bound.add(1);
    bound.add(2, ROOT_CONTEXT.setValue(key, "me"));
    counter.add(4, { a: "x" }, ROOT_CONTEXT.setValue(key, "me"));
    expect(await reader.series("c")).toEqual(["a=x tenant=none: 1", "a=x tenant=me: 6"]);
  });
});

describe("conflicts and mistakes", () => {
  it("makes one instrument of the same definition, whatever the case of its name", async () => {
    const { reader, meter } = openProvider();
    const warnings = await warningsOf(() => {
      meter.createCounter("c", { unit: "1" }).add(1);
      meter.createCounter("c", { unit: "1" }).add(2);
      meter.createCounter("C", { unit: "1" }).add(4);
    });
    expect(await reader.series("c")).toEqual([": 7"]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('they are one, called "c"');
  });

  it("keeps the longer of two descriptions", async () => {
    const { reader, meter } = openProvider();
    const warnings = await warningsOf(() => {
      for (const description of ["short", "a longer one", "mid"]) meter.createCounter("c", { description }).add(1);
    });
    expect((await reader.metrics()).all.get("c")?.descriptor.description).toBe("a longer one");
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain("with the longer description");
  });

  it("exports both of two that differ, and says so once with both sides and the remedy", async () => {
    const { reader, meter } = openProvider();
    const warnings = await warningsOf(() => {
      meter.createCounter("c").add(1);
      meter.createHistogram("c", { unit: "s" }).record(1);
      meter.createHistogram("c", { unit: "s" }).record(2);
    });
    const { resourceMetrics } = await reader.collect();
    expect(resourceMetrics.scopeMetrics[0]?.metrics.map(({ dataPointType }) => dataPointType)).toEqual([
      DataPointType.SUM,
      DataPointType.HISTOGRAM,
    ]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/counter "c" \(unit "".*histogram "c" \(unit "s".*rename one, or add a view/);
  });

  it("takes invalid names with a complaint, and drops values it cannot count", async () => {
    const { reader, meter } = openProvider();
    const warnings = await warningsOf(() => {
      meter.createCounter("1 bad name").add(1);
      const counter = meter.createCounter("c");
      const bound = counter.bind();
      for (const value of [-1, NaN, "1", undefined, 1n]) {
        counter.add(value as number);
        bound.add(value as number);
      }
      counter.add(2);
      meter.createHistogram("h").record(-1);
      const whole = meter.createUpDownCounter("whole", { valueType: ValueType.INT });
      whole.add(-2.7);
      meter.createGauge("g").record(NaN);
    });
    expect(await reader.series("c")).toEqual([": 2"]);
    expect(await reader.series("1 bad name")).toEqual([": 1"]);
    expect(await reader.series("h")).toEqual([]);
    expect(await reader.series("whole")).toEqual([": -2"]);
    expect(await reader.series("g")).toEqual([": NaN"]);
    expect(warnings).toHaveLength(1 + 10 + 1 + 1);
  });

  it("settles boundaries that are unsorted, repeated, infinite or no numbers", async () => {
    const { reader, meter } = openProvider();
    const create = (name: string, explicitBucketBoundaries: number[]) =>
      meter.createHistogram(name, { advice: { explicitBucketBoundaries } });
    await warningsOf(() => {
      create("unsorted", [5, 1, 5, Infinity, -Infinity]).record(5);
      create("none", []).record(5);
      create("wrong", [NaN]).record(5);
    });
    const { all } = await reader.metrics();
    const bounds = [...all.values()].map(
      ({ dataPoints }) => (dataPoints[0]?.value as unknown as { buckets: { boundaries: number[] } }).buckets.boundaries,
    );
    expect([bounds[0], bounds[1], bounds[2]?.length]).toEqual([[1, 5], [], 15]);
  });
});

describe("exemplars", () => {
  const tracer = new TracerProvider().getTracer("test");
  const startSpan = () => {
    const span = tracer.startSpan("work");
    return {
      span,
      context: trace.setSpan(ROOT_CONTEXT, span),
      attributes: () => (span as unknown as ReadableSpan).attributes,
    };
  };

  it("link each bucket to the last sampled span in it, and mark that span", async () => {
    const { reader, meter } = openProvider();
    const histogram = meter.createHistogram("h", { advice: { explicitBucketBoundaries: [1, 10] } });
    const [first, second, third] = [startSpan(), startSpan(), startSpan()];
    const bound = histogram.bind({ a: "x" });
    bound.record(0.5);
    bound.record(5, first.context);
    histogram.record(6, { a: "x" }, second.context);
    bound.record(50, third.context);
    const unsampled = trace.wrapSpanContext({ ...third.span.spanContext(), traceFlags: 0 });
    bound.record(7, trace.setSpan(ROOT_CONTEXT, unsampled));
    const [point] = await reader.points("h");
    const idOf = ({ span }: typeof first) => span.spanContext().spanId;
    expect(point?.exemplars?.map(({ value, spanId }) => [value, spanId])).toEqual([
      [6, idOf(second)],
      [50, idOf(third)],
    ]);
    expect(point?.exemplars?.[0]?.traceId).toBe(second.span.spanContext().traceId);
    for (const { attributes } of [first, second, third]) expect(attributes()).toEqual({ "almanac.exemplar": true });
  });

  it("are a fair sample elsewhere, anew after each collection", async () => {
    const { reader, meter } = openProvider();
    const counter = meter.createCounter("c");
    const seen = new Set<number>();
    for (let round = 0; round < 60; round++) {
      for (const value of [1, 2, 3]) counter.add(value, { a: "x" }, startSpan().context);
      const exemplars = (await reader.points("c"))[0]?.exemplars;
      expect(exemplars).toHaveLength(1);
      seen.add(exemplars?.[0]?.value ?? 0);
    }
    expect([...seen].sort()).toEqual([1, 2, 3]);
  });

  it("are forgotten with their interval and with their series", async () => {
    const reader = new ManualReader(AggregationTemporality.DELTA);
    const { meter } = openProvider({ readers: [reader] });
    const counter = meter.createCounter("c");
    counter.add(1, { a: "x" }, startSpan().context);
    expect((await reader.points("c"))[0]?.exemplars).toHaveLength(1);
    counter.add(1, { a: "x" });
    expect((await reader.points("c"))[0]?.exemplars).toBeUndefined();
    counter.add(1, { a: "x" }, startSpan().context);
    counter.remove({ a: "x" });
    counter.add(1, { a: "y" });
    expect((await reader.points("c"))[0]?.exemplars).toBeUndefined();
  });

  it("tell what a view or the overflow took off", async () => {
    const { reader, meter } = openProvider({
      views: [
        {
          instrumentName: "*",
          attributesProcessors: [createAllowListAttributesProcessor(["zone"])],
          aggregationCardinalityLimit: 2,
        },
      ],
    });
    const counter = meter.createCounter("c");
    counter.add(1, { zone: "1", user: "u1" }, startSpan().context);
    counter.add(1, { zone: "2", user: "u2" }, startSpan().context);
    const gauge = meter.createGauge("g");
    gauge.bind({ zone: "1", user: "u3" }).record(1, startSpan().context);
    const filtered = async (name: string) =>
      (await reader.points(name)).map(({ exemplars }) => exemplars?.[0]?.filteredAttributes);
    expect(await filtered("c")).toEqual([{ user: "u1" }, { zone: "2", user: "u2" }]);
    expect(await filtered("g")).toEqual([{ user: "u3" }]);
  });

  it.each([
    ["always_on", [1, 2]],
    ["always_off", []],
  ] as const)("obey the filter %s", async (exemplarFilter, values) => {
    const { reader, meter } = openProvider({ exemplarFilter });
    const histogram = meter.createHistogram("h", { advice: { explicitBucketBoundaries: [1] } });
    const { span, context } = startSpan();
    histogram.record(1);
    histogram.record(2, {}, context);
    const [point] = await reader.points("h");
    expect((point?.exemplars ?? []).map(({ value }) => value)).toEqual(values);
    expect((point?.exemplars ?? []).map(({ spanId }) => spanId)).toEqual(
      values.length > 0 ? ["", span.spanContext().spanId] : [],
    );
  });

  it("do not touch a span that has ended", async () => {
    const { reader, meter } = openProvider();
    const { span, context } = startSpan();
    span.end();
    const warnings = await warningsOf(() => meter.createCounter("c").add(1, {}, context));
    expect(warnings).toEqual([]);
    expect((await reader.points("c"))[0]?.exemplars).toHaveLength(1);
  });
});

describe("snapshot", () => {
  class SnapshotReader extends ManualReader {
    #producer: SnapshotProducer | undefined;
    override setMetricProducer(producer: Parameters<ManualReader["setMetricProducer"]>[0]): void {
      super.setMetricProducer(producer);
      if (isSnapshotProducer(producer)) this.#producer = producer;
    }
    take(): Promise<MetricsSnapshot> {
      return this.#producer!.snapshot();
    }
  }

  it("stays as it was, and keeps rows and attributes of the same series the same", async () => {
    const reader = new SnapshotReader();
    const { meter } = openProvider({ readers: [reader] });
    const counter = meter.createCounter("c") as Counter & { remove(attributes: object): boolean };
    for (let index = 0; index < 1000; index++) counter.add(index, { index });
    const [before] = (await reader.take()).scopes[0]!.streams;
    counter.remove({ index: 1 });
    counter.add(5, { index: 2 });
    counter.add(7, { index: "new" });
    const [after] = (await reader.take()).scopes[0]!.streams;
    if (before?.kind !== "sum" || after?.kind !== "sum") throw new Error("expected sums");
    expect(after.stream).toBe(before.stream);
    expect([before.values[1], before.values[2], after.values[2]]).toEqual([1, 2, 7]);
    expect(after.attributes[2]).toBe(before.attributes[2]);
    expect([before.attributes[1], after.attributes[1], after.values[1]]).toEqual([{ index: 1 }, { index: "new" }, 7]);
    expect([after.rows, after.size, before.values.length]).toEqual([1000, 1000, 1000]);
  });

  it("is taken one after the other, each by callbacks of its own", async () => {
    const reader = new SnapshotReader();
    const { meter } = openProvider({ readers: [reader] });
    let running = 0;
    let started = 0;
    meter.createObservableGauge("slow").addCallback(async (result) => {
      expect(++running).toBe(1);
      const mine = ++started;
      await new Promise((resolve) => setImmediate(resolve));
      result.observe(mine);
      running--;
    });
    const snapshots = await Promise.all([reader.take(), reader.take(), reader.take()]);
    const values = snapshots.map(({ scopes }) => {
      const [stream] = scopes[0]!.streams;
      return stream?.kind === "gauge" ? [...stream.values] : [];
    });
    expect(values).toEqual([[1], [2], [3]]);
  });
});
