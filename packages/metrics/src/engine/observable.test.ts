// What callbacks report: which of it is shown, how it adds up, and what happens when they fail, are late or are removed.
import {
  AggregationTemporality,
  AggregationType,
  createAllowListAttributesProcessor,
} from "@opentelemetry/sdk-metrics";
import type { AggregationOption } from "@opentelemetry/sdk-metrics";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { ManualReader, openProvider, warningsOf } from "./manual-reader.test.helper.ts";

const { DELTA } = AggregationTemporality;

describe("observed series", () => {
  it("are gone when they are not observed, and start anew", async () => {
    const clock = createVirtualClock(1_000_000);
    const change = new ManualReader(DELTA);
    const { reader, meter } = openProvider({ clock });
    const delta = openProvider({ clock, readers: [change] });
    let hosts: string[] = ["a", "b"];
    for (const each of [meter, delta.meter]) {
      each.createObservableCounter("o").addCallback((result) => {
        for (const host of hosts) result.observe(clock.now() / 1000, { host });
      });
    }
    const seen = async (from: ManualReader) =>
      (await from.points("o")).map(({ attributes, value, startTime }) => [attributes["host"], value, startTime[0]]);
    await clock.advance(1_000);
    expect(await seen(reader)).toEqual([
      ["a", 1001, 1000],
      ["b", 1001, 1000],
    ]);
    expect(await seen(change)).toEqual([
      ["a", 1001, 1000],
      ["b", 1001, 1000],
    ]);
    hosts = ["b"];
    await clock.advance(1_000);
    expect(await seen(reader)).toEqual([["b", 1002, 1000]]);
    expect(await seen(change)).toEqual([["b", 1, 1001]]);
    hosts = ["a"];
    await clock.advance(1_000);
    expect(await seen(reader)).toEqual([["a", 1003, 1002]]);
    expect(await seen(change)).toEqual([["a", 1003, 1002]]);
  });

  it("that fall start anew when they only grow", async () => {
    const clock = createVirtualClock(1_000_000);
    const { reader, meter } = openProvider({ clock });
    const change = new ManualReader(DELTA);
    const delta = openProvider({ clock, readers: [change] });
    let value = 10;
    for (const each of [meter, delta.meter]) {
      each.createObservableCounter("o").addCallback((result) => result.observe(value));
      each.createObservableUpDownCounter("u").addCallback((result) => result.observe(value));
    }
    await reader.metrics();
    await change.metrics();
    value = 4;
    await clock.advance(1_000);
    expect((await reader.points("o"))[0]).toMatchObject({ value: 4, startTime: [1000, 0] });
    expect((await change.points("o"))[0]).toMatchObject({ value: 4 });
    value = 6;
    expect((await change.points("u"))[0]).toMatchObject({ value: 2 });
  });

  it("add up where a view makes them one, the last of the same attributes counting", async () => {
    const { reader, meter } = openProvider({
      views: [{ instrumentName: "*", attributesProcessors: [createAllowListAttributesProcessor(["zone"])] }],
    });
    for (const name of ["o", "u"]) {
      const observable = name === "o" ? meter.createObservableCounter(name) : meter.createObservableUpDownCounter(name);
      observable.addCallback((result) => {
        result.observe(100, { zone: "1", host: "a" });
        result.observe(1, { zone: "1", host: "a" });
        result.observe(2, { host: "b", zone: "1" });
        result.observe(4, { zone: "2", host: "a" });
      });
      for (let collection = 0; collection < 3; collection++) {
        expect(await reader.series(name)).toEqual(["zone=1: 3", "zone=2: 4"]);
      }
    }
  });

  it("are those of callbacks that end well and in time", async () => {
    const clock = createVirtualClock(1_000_000);
    const { reader, meter } = openProvider({ clock });
    const observe = (name: string) => meter.createObservableGauge(name);
    observe("good").addCallback((result) => result.observe(1));
    observe("late").addCallback(async (result) => {
      result.observe(1);
      await new Promise(() => undefined);
    });
    observe("failing").addCallback((result) => {
      result.observe(1);
      throw new Error("no source");
    });
    observe("rejecting").addCallback(() => Promise.reject(new Error("no connection")));
    const collecting = reader.metrics(500);
    await clock.advance(500);
    const { all, errors } = await collecting;
    expect([...all.keys()]).toEqual(["good"]);
    expect(errors.map(String).sort()).toEqual([
      "Error: an observable callback of late did not end within 500 ms",
      "Error: no connection",
      "Error: no source",
    ]);
    expect(clock.pending).toBe(0);
  });

  it("may be observed several at once, each callback once, until it is removed", async () => {
    const { reader, meter, provider } = openProvider();
    const total = meter.createObservableCounter("total");
    const now = meter.createObservableGauge("now");
    const foreign = provider.getMeter("x").createObservableGauge("foreign");
    let calls = 0;
    const callback: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
      calls++;
      result.observe(total, 1, { a: "x" });
      result.observe(now, 2, { a: "x" });
      result.observe(foreign, 3);
    };
    meter.addBatchObservableCallback(callback, [total, now]);
    meter.addBatchObservableCallback(callback, [now, total]);
    expect([...(await reader.metrics()).all.keys()]).toEqual(["total", "now"]);
    expect(calls).toBe(1);
    meter.removeBatchObservableCallback(callback, [total]);
    await reader.metrics();
    meter.removeBatchObservableCallback(callback, [now, total]);
    expect((await reader.metrics()).all.size).toBe(0);
    expect(calls).toBe(2);
    expect(await warningsOf(() => meter.addBatchObservableCallback(callback, []))).toHaveLength(1);
  });

  it("show attributes as they were observed", async () => {
    const { reader, meter } = openProvider();
    meter.createObservableGauge("o").addCallback(async (result) => {
      const attributes = { host: "a" };
      for (const host of ["a", "b"]) {
        attributes.host = host;
        result.observe(1, attributes);
        await Promise.resolve();
      }
    });
    expect(await reader.series("o")).toEqual(["host=a: 1", "host=b: 1"]);
  });

  it("may be of several meters of a provider, not of another one", async () => {
    const { reader, meter, provider } = openProvider();
    const here = meter.createObservableGauge("here");
    const there = provider.getMeter("other").createObservableGauge("there");
    const foreign = openProvider().meter.createObservableGauge("foreign");
    const warnings = await warningsOf(() =>
      meter.addBatchObservableCallback(
        (result) => {
          for (const each of [here, there, foreign]) result.observe(each, 1);
        },
        [here, there, foreign],
      ),
    );
    expect(warnings).toEqual([expect.stringContaining("they are left out")]);
    expect([...(await reader.metrics()).all.keys()]).toEqual(["here", "there"]);
  });

  it("end after a while though the reader sets no time, and a callback that hangs is not called again beside itself", async () => {
    const clock = createVirtualClock();
    const { reader, meter } = openProvider({ clock });
    let calls = 0;
    let end: (() => void) | undefined;
    meter.createObservableGauge("hanging").addCallback(async (result) => {
      calls++;
      await new Promise<void>((resolve) => (end = resolve));
      result.observe(calls);
    });
    meter.createObservableGauge("good").addCallback((result) => result.observe(1));
    const first = reader.metrics();
    await clock.advance(30_000);
    expect([...(await first).all.keys()]).toEqual(["good"]);
    for (let collection = 0; collection < 3; collection++) {
      const { all, errors } = await reader.metrics(100);
      expect([...all.keys()]).toEqual(["good"]);
      expect(errors.map(String)).toEqual([
        "MetricsError: [callback_running] an observable callback of hanging has not ended since an earlier collection; it is called again afterwards",
      ]);
    }
    expect(calls).toBe(1);
    end?.();
    await clock.advance(0);
    const last = reader.metrics(100);
    await clock.advance(0);
    end?.();
    expect((await last).all.get("hanging")?.dataPoints[0]?.value).toBe(2);
    expect(clock.pending).toBe(0);
  });

  it("may be collected by several readers at the same time, each with a call of its own", async () => {
    const readers = [new ManualReader(), new ManualReader()];
    const { meter } = openProvider({ readers });
    const ends: (() => void)[] = [];
    meter.createObservableGauge("slow").addCallback(async (result) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      result.observe(ends.length);
    });
    const collecting = readers.map((reader) => reader.series("slow"));
    await Promise.resolve();
    for (const end of ends) end();
    expect(await Promise.all(collecting)).toEqual([[": 2"], [": 2"]]);
  });

  it("give deltas of each of them, whichever is gone, merged by a view or in the overflow", async () => {
    const views = [{ instrumentName: "merged", attributesProcessors: [createAllowListAttributesProcessor(["zone"])] }];
    const limited = { instrumentName: "limited", aggregationCardinalityLimit: 3 };
    const change = new ManualReader(DELTA);
    const { meter } = openProvider({ readers: [change], views: [...views, limited] });
    let values: Record<string, number> = {};
    for (const name of ["merged", "limited"]) {
      meter.createObservableCounter(name).addCallback((result) => {
        for (const [host, value] of Object.entries(values)) result.observe(value, { zone: "1", host });
      });
    }
    const collected = async (next: Record<string, number>) => {
      values = next;
      // One collection serves both instruments.
      const points = (await change.metrics()).all;
      const sumOf = (name: string) =>
        (points.get(name)?.dataPoints ?? []).reduce((sum, { value }) => sum + (value as number), 0);
      return [sumOf("merged"), sumOf("limited"), points.get("limited")?.dataPoints.length];
    };
    expect(await collected({ a: 100, b: 200, c: 300, d: 400 })).toEqual([1000, 1000, 3]);
    expect(await collected({ a: 101, b: 202, c: 303, d: 404 })).toEqual([10, 10, 3]);
    // One has gone, another one started anew, and they come in another order.
    expect(await collected({ d: 405, c: 1, a: 102 })).toEqual([3, 3, 3]);
    expect(await collected({ c: 2, a: 102, d: 405, b: 7 })).toEqual([8, 8, 3]);
    expect(await collected({ c: 2, a: 102, d: 405, b: 7 })).toEqual([0, 0, 3]);
  });

  it("count the last of several callbacks for the same attributes, also where a view merges series", async () => {
    const { reader, meter } = openProvider({
      views: [{ instrumentName: "*", attributesProcessors: [createAllowListAttributesProcessor(["zone"])] }],
    });
    const observable = meter.createObservableCounter("o");
    for (const value of [100, 1]) observable.addCallback((result) => result.observe(value, { zone: "1", host: "a" }));
    observable.addCallback((result) => result.observe(2, { zone: "1", host: "b" }));
    expect(await reader.series("o")).toEqual(["zone=1: 3"]);
  });

  it("fill histograms where a view wants that, one measurement for each observation", async () => {
    const aggregation: AggregationOption = {
      type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
      options: { boundaries: [2] },
    };
    const { reader, meter } = openProvider({ views: [{ instrumentName: "*", aggregation }] });
    meter.createObservableCounter("o").addCallback((result) => {
      result.observe(1, { a: "x" });
      result.observe(3, { a: "x" });
    });
    expect(await reader.series("o")).toEqual(["a=x: 2 in 4"]);
    expect(await reader.series("o")).toEqual(["a=x: 4 in 8"]);
  });

  it("take none below 0 where they only grow", async () => {
    const { reader, meter } = openProvider();
    for (const create of ["createObservableCounter", "createObservableUpDownCounter"] as const) {
      meter[create](create).addCallback((result) => result.observe(-1));
    }
    let all: ReadonlyMap<string, unknown> = new Map();
    const warnings = await warningsOf(async () => ({ all } = await reader.metrics()));
    expect([...all.keys()]).toEqual(["createObservableUpDownCounter"]);
    expect(warnings).toEqual(["createObservableCounter got -1; a counter takes none below 0. This is said once"]);
  });
});
