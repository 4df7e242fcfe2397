import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Counter } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { IMetricReader } from "@opentelemetry/sdk-metrics";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { isSnapshotProducer } from "../internal.ts";
import type { MetricsSnapshot, SnapshotProducer } from "../internal.ts";
import { ManualReader, openProvider, warningsOf } from "./manual-reader.test.helper.ts";
import { createMeterProvider } from "./provider.ts";

describe("createMeterProvider", () => {
  it("refuses options that cannot be meant, naming them and the remedy", () => {
    const open = (options: object) => () => createMeterProvider(options);
    expect(open({ seriesIdleMs: "5" })).toThrow(
      '[invalid_options] seriesIdleMs must be a positive number of milliseconds, got "5"; leave it out to keep series',
    );
    expect(open({ readers: null })).toThrow("[invalid_options] readers must be a list, got null");
    expect(open({ readers: [{}] })).toThrow("[invalid_options] readers[0] is no MetricReader, got object; make one");
    expect(open({ views: "x" })).toThrow('[invalid_options] views must be a list, got "x"');
    expect(open({ resource: {} })).toThrow("[invalid_options] resource must be a Resource, got {}; make one with");
  });

  it("exports the rest at the end of a process although a callback never ends", async () => {
    const program = `
      import { ConsoleMetricExporter, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
      import { createMeterProvider } from "@almanac/metrics";
      const exporter = new ConsoleMetricExporter();
      const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 300, exportTimeoutMillis: 200 });
      const provider = createMeterProvider({ readers: [reader] });
      const meter = provider.getMeter("m");
      meter.createCounter("kept").add(1);
      meter.createObservableGauge("hangs").addCallback(() => new Promise(() => {}));
      await provider.shutdown();`;
    const args = ["-C", "source", "--input-type=module", "--eval", program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname, timeout: 50_000 });
    expect(stdout).toContain("name: 'kept'");
  });

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

  it("closes the others when a reader throws at once, or takes longer than it is given", async () => {
    const clock = createVirtualClock();
    const throwing = new ManualReader();
    throwing.shutdown = () => {
      throw new Error("out of order");
    };
    // Readers of one's own may leave the time to the provider.
    const hanging: IMetricReader = Object.assign(new ManualReader(), {
      shutdown: () => new Promise<void>(() => undefined),
    });
    const reader = new ManualReader();
    const { provider } = openProvider({ readers: [throwing, hanging, reader], clock });
    const closing = expect(provider.shutdown({ timeoutMillis: 500 })).rejects.toThrow("out of order");
    await clock.advance(500);
    await closing;
    expect([reader.closed, clock.pending]).toEqual([1, 0]);

    const late = openProvider({
      readers: [Object.assign(new ManualReader(), { forceFlush: hanging.shutdown })],
      clock,
    });
    const flushing = expect(late.provider.forceFlush({ timeoutMillis: 500 })).rejects.toMatchObject({
      message: "a reader's flush did not end within 500 ms",
    });
    await clock.advance(500);
    await flushing;
  });

  it("refuses options that cannot mean anything", () => {
    expect(() => createMeterProvider({ exemplarFilter: "sometimes" as "always_on" })).toThrow("[invalid_options]");
    expect(() => createMeterProvider({ seriesIdleMs: -1 })).toThrow("[invalid_options] seriesIdleMs");
  });

  it("takes null for options that are left out", async () => {
    const { reader, provider } = openProvider();
    const meter = provider.getMeter("m", undefined, null as unknown as undefined);
    meter.createCounter("c", null as unknown as undefined).add(1, null as unknown as undefined);
    expect(await reader.series("c")).toEqual([": 1"]);
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
