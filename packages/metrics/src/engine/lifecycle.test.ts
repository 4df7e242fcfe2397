// Series over time: how they start, end, expire, overflow, and what each reader sees of it.
import { AggregationTemporality } from "@opentelemetry/sdk-metrics";
import type { Attributes } from "@opentelemetry/api";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { ManualReader, openProvider, warningsOf } from "./manual-reader.test.helper.ts";
import { createMeterProvider } from "./provider.ts";

const { CUMULATIVE, DELTA } = AggregationTemporality;
const limitOf = (limit: number) => ({ views: [{ instrumentName: "*", aggregationCardinalityLimit: limit }] });

describe("removal", () => {
  it("takes exactly the series asked for, and lets it start anew", async () => {
    const clock = createVirtualClock(1_000_000);
    const { reader, meter } = openProvider({ clock });
    const counter = meter.createCounter("c");
    counter.add(1, { a: "x" });
    counter.add(2, { a: "y" });
    expect(counter.remove({ a: "x" })).toBe(true);
    expect(counter.remove({ a: "x" })).toBe(false);
    expect(await reader.series("c")).toEqual(["a=y: 2"]);
    await clock.advance(5_000);
    counter.add(4, { a: "x" });
    const [again, other] = await reader.points("c");
    expect([again?.attributes, again?.value, again?.startTime]).toEqual([{ a: "x" }, 4, [1005, 0]]);
    expect([other?.attributes, other?.startTime]).toEqual([{ a: "y" }, [1000, 0]]);
  });

  it("detaches every handle of the series, which then start it anew together", async () => {
    const { reader, meter } = openProvider();
    const histogram = meter.createHistogram("h", { advice: { explicitBucketBoundaries: [1, 10] } });
    const first = histogram.bind({ a: "x" });
    const second = histogram.bind({ a: "x" });
    const other = histogram.bind({ a: "y" });
    first.record(5);
    other.record(7);
    first.remove();
    // The freed row goes to another series, which none of the old handles may touch.
    histogram.record(100, { a: "z" });
    first.record(1);
    second.record(2);
    expect((await reader.series("h")).sort()).toEqual(["a=x: 2 in 3", "a=y: 1 in 7", "a=z: 1 in 100"]);
    histogram.remove({ a: "x" });
    second.record(8);
    histogram.remove({ a: "x" });
    first.record(9);
    second.record(1);
    expect((await reader.series("h")).sort()).toEqual(["a=x: 2 in 10", "a=y: 1 in 7", "a=z: 1 in 100"]);
  });

  it("takes what has the attributes of something that is gone, over all instruments", async () => {
    const { reader, meter, provider } = openProvider();
    const counter = meter.createCounter("c");
    const gauge = provider.getMeter("another").createGauge("g");
    for (const host of ["a", "b"]) {
      for (const zone of ["1", 1]) counter.add(1, { host, zone });
      gauge.record(1, { host });
    }
    expect(counter.removeMatching({ zone: 1 })).toBe(2);
    expect(provider.removeSeries({ host: "a" })).toBe(2);
    expect(provider.removeSeries({ host: "a" })).toBe(0);
    expect(await reader.series("c")).toEqual(["host=b zone=1: 1"]);
    expect(await reader.series("g")).toEqual(["host=b: 1"]);
  });

  it("takes nothing for a value that is missing", async () => {
    const { reader, meter, provider } = openProvider();
    const counter = meter.createCounter("c");
    counter.add(1, { host: "a", zone: "1" });
    const missing: { readonly host?: string | undefined } = {};
    expect(provider.removeSeries({ host: missing.host })).toBe(0);
    expect(counter.removeMatching({ zone: "1", host: undefined })).toBe(0);
    expect(counter.removeMatching(null as unknown as object)).toBe(0);
    expect(await reader.series("c")).toEqual(["host=a zone=1: 1"]);
    expect(counter.removeMatching({})).toBe(1);
  });

  it("takes the series that a view leads to, and none beside it", async () => {
    const process = (given: Attributes) => ({ ...given, tenant: "none" });
    const { reader, meter } = openProvider({
      views: [{ instrumentName: "*", attributesProcessors: [{ process }] }],
    });
    const counter = meter.createCounter("c");
    const bound = counter.bind({ a: "x" });
    bound.add(1);
    counter.add(1, { a: "x", b: "y" });
    bound.remove();
    expect(await reader.series("c")).toEqual(["a=x b=y tenant=none: 1"]);
    expect(counter.remove({ a: "x", b: "y" })).toBe(true);
    expect(await reader.series("c")).toEqual([]);
  });

  it("makes room below the limit, for bound series too", async () => {
    const { reader, meter } = openProvider(limitOf(3));
    const counter = meter.createCounter("c");
    const late = counter.bind({ a: "late" });
    for (const a of ["x", "y"]) counter.add(1, { a });
    late.add(1);
    expect(await reader.series("c")).toEqual(["a=x: 1", "a=y: 1", "otel.metric.overflow=true: 1"]);
    counter.remove({ a: "x" });
    late.add(1);
    expect((await reader.series("c")).sort()).toEqual(["a=late: 1", "a=y: 1", "otel.metric.overflow=true: 1"]);
  });
});

describe("expiry", () => {
  it("removes series that nobody recorded in, after they were shown once more", async () => {
    const clock = createVirtualClock(1_000_000);
    const { reader, meter } = openProvider({ clock, seriesIdleMs: 60_000 });
    const counter = meter.createCounter("c");
    const busy = counter.bind({ a: "busy" });
    counter.start({ a: "started" });
    counter.add(1, { a: "idle" });
    for (let minute = 0; minute < 3; minute++) {
      busy.add(1);
      expect(await reader.series("c")).toContain(`a=busy: ${minute + 1}`);
      await clock.advance(30_000);
    }
    expect(await reader.series("c")).toEqual(["a=started: 0", "a=busy: 3"]);
    counter.add(2, { a: "idle" });
    expect(await reader.points("c")).toContainEqual(
      expect.objectContaining({ attributes: { a: "idle" }, value: 2, startTime: [1090, 0] }),
    );
  });

  it("waits until every reader has shown the last of a series, unless one has stopped reading", async () => {
    const clock = createVirtualClock(1_000_000);
    const readers = [new ManualReader(), new ManualReader()] as const;
    const [often, seldom] = readers;
    const { meter } = openProvider({ clock, readers, seriesIdleMs: 60_000 });
    const counter = meter.createCounter("c");
    await seldom.metrics();
    counter.add(1, { a: "x" });
    for (let round = 0; round < 4; round++) {
      expect(await often.series("c")).toEqual(["a=x: 1"]);
      await clock.advance(30_000);
    }
    expect(await seldom.series("c")).toEqual(["a=x: 1"]);
    expect(await often.series("c")).toEqual([]);
    counter.add(2, { a: "y" });
    for (let round = 0; round < 5; round++) {
      expect(await often.series("c")).toEqual(["a=y: 2"]);
      await clock.advance(30_000);
    }
    expect(await often.series("c")).toEqual([]);
  });

  it("refuses a time that is none", () => {
    expect(() => createMeterProvider({ seriesIdleMs: 0 })).toThrow("[invalid_options] seriesIdleMs");
  });
});

describe("cardinality limit", () => {
  it("keeps as many series as it says, overflow included, collection after collection", async () => {
    const { reader, meter } = openProvider(limitOf(3));
    const counter = meter.createCounter("c");
    const observable = meter.createObservableCounter("o");
    let round = 0;
    observable.addCallback((result) => {
      for (let index = 0; index < 5; index++) result.observe(10, { a: `${round}-${index}` });
    });
    const warnings = await warningsOf(async () => {
      for (; round < 4; round++) {
        for (let index = 0; index < 5; index++) counter.add(1, { a: `${round}-${index}` });
        expect(await reader.series("c")).toEqual([
          "a=0-0: 1",
          "a=0-1: 1",
          `otel.metric.overflow=true: ${round * 5 + 3}`,
        ]);
        const observed = (await reader.points("o")).map(({ value }) => value);
        expect(observed.sort()).toEqual([10, 10, 30]);
      }
    });
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/^c has reached its limit of 3 series/);
  });

  it("counts the series of each interval for delta readers, bound or not", async () => {
    const reader = new ManualReader(DELTA);
    const { meter } = openProvider({ readers: [reader], ...limitOf(3) });
    const counter = meter.createCounter("c");
    const handles = ["x", "y", "z"].map((a) => counter.bind({ a }));
    for (const handle of handles) handle.add(1);
    expect(await reader.series("c")).toEqual(["a=x: 1", "a=y: 1", "otel.metric.overflow=true: 1"]);
    for (const handle of [...handles].reverse()) handle.add(2);
    expect((await reader.series("c")).sort()).toEqual(["a=y: 2", "a=z: 2", "otel.metric.overflow=true: 2"]);
    expect(await reader.series("c")).toEqual([]);
    counter.add(3, { a: "new" });
    expect(await reader.series("c")).toEqual(["a=new: 3"]);
  });

  it("leaves no mark of a series that was started where there is no room", async () => {
    const { reader, meter } = openProvider(limitOf(2));
    const counter = meter.createCounter("c");
    for (const a of ["x", "y"]) counter.start({ a });
    expect(await reader.series("c")).toEqual(["a=x: 0"]);
  });

  it("merges with a series that has the overflow's own attributes", async () => {
    const { reader, meter } = openProvider(limitOf(2));
    const counter = meter.createCounter("c");
    counter.add(1, { "otel.metric.overflow": true });
    counter.add(2, { a: "x" });
    expect(await reader.series("c")).toEqual(["otel.metric.overflow=true: 3"]);
  });
});

describe("readers", () => {
  it("see cumulative and delta values side by side, with the start times of each", async () => {
    const clock = createVirtualClock(1_000_000);
    const total = new ManualReader(CUMULATIVE);
    const change = new ManualReader(DELTA);
    const { meter } = openProvider({ clock, readers: [total, change] });
    await clock.advance(1_000);
    const histogram = meter.createHistogram("h");
    await clock.advance(1_000);
    histogram.record(3);
    await clock.advance(1_000);
    const seen = async (reader: ManualReader) => {
      const [point] = await reader.points("h");
      return point && [point.value, point.startTime[0], point.endTime[0]];
    };
    const value = (count: number, sum: number, min: number, max: number) =>
      expect.objectContaining({ count, sum, min, max }) as unknown;
    expect(await seen(total)).toEqual([value(1, 3, 3, 3), 1002, 1003]);
    expect(await seen(change)).toEqual([value(1, 3, 3, 3), 1001, 1003]);
    await clock.advance(1_000);
    histogram.record(5);
    expect(await seen(total)).toEqual([value(2, 8, 3, 5), 1002, 1004]);
    expect(await seen(change)).toEqual([value(1, 5, 5, 5), 1003, 1004]);
    expect(await seen(change)).toBeUndefined();
  });

  it("start series at zero: counters, histograms, and in the first interval of delta readers", async () => {
    const total = new ManualReader(CUMULATIVE);
    const change = new ManualReader(DELTA);
    const { meter } = openProvider({ readers: [total, change] });
    meter.createCounter("c").start({ a: "x" });
    meter.createHistogram("h").start({ a: "x" });
    for (const reader of [total, change]) {
      const { all } = await reader.metrics();
      expect(all.get("c")?.dataPoints[0]).toMatchObject({ attributes: { a: "x" }, value: 0 });
      expect(all.get("h")?.dataPoints[0]?.value).toMatchObject({ count: 0, sum: 0 });
      expect(all.get("h")?.dataPoints[0]?.value).not.toHaveProperty("min");
    }
    expect(await total.series("c")).toEqual(["a=x: 0"]);
    expect(await change.series("c")).toEqual([]);
  });

  it("get plain instruments absent until something is recorded", async () => {
    const { reader, meter } = openProvider();
    meter.createCounter("c");
    meter.createHistogram("h").bind({ a: "x" });
    expect((await reader.metrics()).all.size).toBe(0);
  });
});
