// Handles of series: what goes through them is what goes through the instrument, whatever happens to their series meanwhile.
import { ROOT_CONTEXT, trace, TraceFlags, ValueType } from "@opentelemetry/api";
import { AggregationTemporality, createAllowListAttributesProcessor } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SyncInstrument } from "./instrument.ts";
import { ManualReader, openProvider, warningsOf } from "./manual-reader.test.helper.ts";

const { CUMULATIVE, DELTA } = AggregationTemporality;
const zones = { instrumentName: "*", attributesProcessors: [createAllowListAttributesProcessor(["zone"])] };

describe("bound sums", () => {
  it("add up integers, fractions, and more than a small integer holds", async () => {
    const { reader, meter } = openProvider();
    const counter = meter.createCounter("c");
    const bound = counter.bind({ a: "x" });
    const other = counter.bind({ a: "x" });
    const amounts = [1, 2 ** 30, 2 ** 30 - 2, 0.5, 2 ** 31, -0, 2 ** 40, 0, 1];
    let sum = 0;
    for (const amount of amounts) {
      bound.add(amount);
      other.add(1);
      counter.add(1, { a: "x" });
      sum += amount + 2;
      expect((await reader.points("c"))[0]?.value).toBe(sum);
    }
    bound.add(Infinity);
    expect((await reader.points("c"))[0]?.value).toBe(Infinity);
  });

  it("fall and rise for up-down counters", async () => {
    const { reader, meter } = openProvider();
    const bound = meter.createUpDownCounter("c").bind();
    for (const amount of [5, -7, -(2 ** 31), 0.5, 2 ** 31]) bound.add(amount);
    expect(await reader.series("c")).toEqual([": -1.5"]);
  });

  it("take integers only where the instrument does", async () => {
    const { reader, meter } = openProvider();
    const warnings = await warningsOf(() => {
      const bound = meter.createCounter("c", { valueType: ValueType.INT }).bind();
      for (const amount of [1, 2 ** 30, 2 ** 40, 1.5, 2]) bound.add(amount);
    });
    expect(await reader.series("c")).toEqual([`: ${1 + 2 ** 30 + 2 ** 40 + 1 + 2}`]);
    expect(warnings).toEqual([expect.stringContaining("takes integers, got 1.5")]);
  });

  it("lose nothing and count nothing twice, whatever is recorded, collected and removed in between", async () => {
    const amount = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(0.5, 2 ** 29, 2 ** 30, 2 ** 31 + 0.5));
    const step = fc.oneof(
      {
        weight: 10,
        arbitrary: fc.record({ kind: fc.constantFrom("bound", "again", "plain"), series: fc.nat(2), amount }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constantFrom("total", "change", "remove"), series: fc.nat(2), amount }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const [total, change] = [new ManualReader(CUMULATIVE), new ManualReader(DELTA)];
        const { meter } = openProvider({ readers: [total, change] });
        const counter = meter.createCounter("c");
        const handles = [0, 1, 2].map((series) => counter.bind({ series }));
        const totals = new Map<number, number>();
        const changes = new Map<number, number>();
        const seen = async (reader: ManualReader) =>
          new Map((await reader.points("c")).map(({ attributes, value }) => [attributes["series"], value]));
        for (const { kind, series, amount: by } of steps) {
          if (kind === "remove") {
            counter.remove({ series });
            totals.delete(series);
            changes.delete(series);
          } else if (kind === "total") {
            expect(await seen(total)).toEqual(totals);
          } else if (kind === "change") {
            expect(await seen(change)).toEqual(changes);
            changes.clear();
          } else {
            if (kind === "bound") handles[series]!.add(by);
            else if (kind === "again") counter.bind({ series }).add(by);
            else counter.add(by, { series });
            totals.set(series, (totals.get(series) ?? 0) + by);
            changes.set(series, (changes.get(series) ?? 0) + by);
          }
        }
        expect(await seen(total)).toEqual(totals);
        expect(await seen(change)).toEqual(changes);
      }),
      { numRuns: 100 },
    );
  });
});

describe("bound series", () => {
  it("are the same handle each time they are bound, so that binding again and again keeps nothing", () => {
    for (const options of [{}, { views: [zones] }]) {
      const { meter } = openProvider(options);
      const counter = meter.createCounter("c");
      const bind = () => counter.bind({ zone: "1" });
      bind().add(1);
      const known = bind();
      known.add(1);
      expect(bind()).toBe(known);
    }
  });

  it("keep none of the attributes that a view takes off, however many are bound", async () => {
    const { reader, meter } = openProvider({ views: [zones] });
    const counter = meter.createCounter("c");
    for (let user = 0; user < 100; user++) counter.bind({ zone: "1", user: `u${user}` }).add(1);
    expect(await reader.series("c")).toEqual(["zone=1: 100"]);
    const [store] = (counter as unknown as SyncInstrument).stores;
    const { rule } = counter as unknown as SyncInstrument;
    const handle = store?.handleOf({ attributes: { zone: "1" }, keys: ["zone"], structured: false }, rule);
    expect(handle).toBeDefined();
    expect(handle?.sibling).toBeUndefined();
  });

  it("tell in their exemplars what a view took off, also those that share a series", async () => {
    const { reader, meter } = openProvider({ views: [zones] });
    const histogram = meter.createHistogram("h", { advice: { explicitBucketBoundaries: [1, 2] } });
    const from = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      traceFlags: TraceFlags.SAMPLED,
    });
    const [first, second, plain] = [{ user: "a" }, { user: "b" }, {}].map((more) =>
      histogram.bind({ zone: "1", ...more }),
    );
    first?.record(0.5, from);
    second?.record(1.5, from);
    plain?.record(2.5, from);
    const [point, ...others] = await reader.points("h");
    expect(others).toEqual([]);
    expect(point?.exemplars?.map(({ filteredAttributes }) => filteredAttributes)).toEqual([
      { user: "a" },
      { user: "b" },
      {},
    ]);
    second?.remove();
    expect(await reader.series("h")).toEqual([]);
  });
});
