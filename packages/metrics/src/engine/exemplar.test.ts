import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { AggregationTemporality, createAllowListAttributesProcessor } from "@opentelemetry/sdk-metrics";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";
import { ManualReader, openProvider, warningsOf } from "./manual-reader.test.helper.ts";

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

  it("are the same objects from one collection to the next, as long as they stand", async () => {
    const { reader, meter } = openProvider();
    const histogram = meter.createHistogram("h", { advice: { explicitBucketBoundaries: [1, 10] } });
    const [first, second] = [startSpan(), startSpan()];
    for (const zone of ["1", "2"]) {
      histogram.record(0.5, { zone }, first.context);
      histogram.record(5, { zone }, first.context);
    }
    const seen = async () => (await reader.points("h")).map(({ exemplars }) => exemplars ?? []);
    const before = await seen();
    histogram.record(6, { zone: "1" }, second.context);
    histogram.record(7, { zone: "3" });
    const after = await seen();
    expect(after.map((exemplars) => exemplars.map(({ value }) => value))).toEqual([[0.5, 6], [0.5, 5], []]);
    expect(after[0]?.[0]).toBe(before[0]?.[0]);
    expect(after[1]).toBe(before[1]);
    expect(before.map((exemplars) => exemplars.map(({ value }) => value))).toEqual([
      [0.5, 5],
      [0.5, 5],
    ]);
  });

  it("stay with their series, however many there are and whichever are removed", async () => {
    const { reader, meter } = openProvider();
    const counter = meter.createCounter("c");
    const spans = Array.from({ length: 1200 }, startSpan);
    for (const [index, { context }] of spans.entries()) counter.add(index, { index }, context);
    for (let index = 0; index < 1200; index += 3) counter.remove({ index });
    for (let index = 2000; index < 2100; index++) counter.add(1, { index });
    for (const { attributes, exemplars } of await reader.points("c")) {
      const index = attributes["index"] as number;
      expect(exemplars?.map(({ value, spanId }) => [value, spanId])).toEqual(
        index >= 2000 ? undefined : [[index, spans[index]?.span.spanContext().spanId]],
      );
    }
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
