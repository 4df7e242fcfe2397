import { ROOT_CONTEXT } from "@opentelemetry/api";
import { AggregationType, InstrumentType } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { openProvider, warningsOf } from "./manual-reader.test.helper.ts";
import { createMeterProvider } from "./provider.ts";

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

  it("compare a schema URL with that of scopes that have none, too", async () => {
    const views = [{ meterSchemaUrl: "https://example.com/1", description: "by the view" }];
    const { reader, provider } = openProvider({ views });
    provider.getMeter("with", "", { schemaUrl: "https://example.com/1" }).createCounter("with").add(1);
    provider.getMeter("without").createCounter("without").add(1);
    const { all } = await reader.metrics();
    expect([...all.values()].map(({ descriptor }) => descriptor.description)).toEqual(["by the view", ""]);
  });

  it("count no infinite values in exponential histograms", async () => {
    const views = [{ instrumentName: "*", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM as const } }];
    const { reader, meter } = openProvider({ views });
    const gauge = meter.createGauge("g");
    for (const value of [1, Infinity, -Infinity, NaN, -2]) gauge.record(value);
    expect((await reader.points("g"))[0]?.value).toMatchObject({ count: 2, min: -2, max: 1 });
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

  it("are refused when they cannot mean anything", () => {
    const open = (view: object) => () => createMeterProvider({ views: [view] });
    expect(open({ name: "x" })).toThrow("[invalid_view] a view needs something to select");
    expect(open({ name: "x", instrumentName: "a*" })).toThrow('[invalid_view] a view that renames to "x"');
    for (const aggregationCardinalityLimit of [0, -1, NaN, 2.5, "many", "3"]) {
      expect(open({ instrumentName: "a", aggregationCardinalityLimit })).toThrow(
        `[invalid_view] aggregationCardinalityLimit must be a whole number of at least 1, got ${typeof aggregationCardinalityLimit === "string" ? JSON.stringify(aggregationCardinalityLimit) : aggregationCardinalityLimit}`,
      );
    }
    const explicit = (boundaries: unknown) =>
      open({
        instrumentName: "a",
        aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries } },
      });
    expect(explicit([1, NaN])).toThrow("[invalid_view] aggregation.options.boundaries");
    expect(explicit("1,2")).toThrow(
      '[invalid_view] aggregation.options.boundaries must be a list of numbers, got "1,2"',
    );
    const exponential = (maxSize: unknown) =>
      open({ instrumentName: "a", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize } } });
    expect(exponential(NaN)).toThrow("[invalid_view] maxSize of an exponential histogram must be a positive integer");
    expect(exponential(0)).toThrow("got 0; 160 is the default");
    expect(open({ instrumentName: "a", aggregation: { type: 99 } })).toThrow(
      '[invalid_view] aggregation must be one of the SDK\'s, e.g. { type: AggregationType.SUM }, got {"type":99}',
    );
    expect(open({ instrumentName: "a", attributesProcessors: ["x"] })).toThrow(
      '[invalid_view] attributesProcessors[0] must have a process function, got "x"',
    );
    expect(open({ instrumentName: "a", attributeKeys: ["x"] })).toThrow("[invalid_view] attributeKeys");
    expect(() => createMeterProvider({ views: [null as never] })).toThrow(
      "[invalid_view] a view must be an object, got null",
    );
  });

  it("stay as they were given", async () => {
    const view = {
      instrumentName: "h",
      description: "by the view",
      name: "renamed",
      aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM as const, options: { boundaries: [1, 2] } },
    };
    const { reader, meter } = openProvider({ views: [view] });
    view.name = "changed";
    view.description = "changed";
    view.aggregation.options.boundaries.push(3);
    meter.createHistogram("h").record(1);
    const { all } = await reader.metrics();
    expect([...all.keys()]).toEqual(["renamed"]);
    expect(all.get("renamed")?.descriptor.description).toBe("by the view");
    expect(all.get("renamed")?.dataPoints[0]?.value).toMatchObject({ buckets: { boundaries: [1, 2] } });
  });

  it("settle what two instruments would clash about", async () => {
    const { meter } = openProvider({
      views: [
        { instrumentName: "described", description: "by the view" },
        { instrumentName: "twice", instrumentType: InstrumentType.HISTOGRAM, name: "twice.durations" },
      ],
    });
    const warnings = await warningsOf(() => {
      meter.createCounter("described", { description: "one" });
      meter.createCounter("described", { description: "another" });
      meter.createCounter("twice");
      meter.createHistogram("twice");
    });
    expect(warnings).toEqual([]);
  });

  it("write a measurement once where two of them make the same stream, and report two that differ", async () => {
    const same = openProvider({ views: [{ instrumentName: "c" }, { instrumentName: "*" }] });
    same.meter.createCounter("c").add(1);
    expect(await same.reader.series("c")).toEqual([": 1"]);
    const views = [{ instrumentName: "*" }, { instrumentName: "c", aggregationCardinalityLimit: 7 }];
    const differing = openProvider({ views });
    const warnings = await warningsOf(() => differing.meter.createCounter("c").add(1));
    expect(warnings).toEqual([expect.stringContaining("both are exported; rename one, or add a view")]);
    const { resourceMetrics } = await differing.reader.collect();
    expect(resourceMetrics.scopeMetrics[0]?.metrics.map(({ descriptor }) => descriptor.name)).toEqual(["c", "c"]);
  });

  it("lose no more than the measurement when their code throws, recorded or observed", async () => {
    const { reader, meter } = openProvider({
      views: [
        {
          instrumentName: "*",
          attributesProcessors: [
            {
              process: (given) => {
                if (given["bad"] === true) throw new Error("cannot process");
                return given;
              },
            },
          ],
        },
      ],
    });
    const counter = meter.createCounter("c");
    meter.createObservableGauge("g").addCallback((result) => {
      result.observe(1, { bad: true });
      result.observe(2);
    });
    const warnings = await warningsOf(async () => {
      counter.add(1, { bad: true });
      counter.add(2);
      expect(await reader.series("c")).toEqual([": 2"]);
      expect(await reader.series("g")).toEqual([": 2"]);
    });
    expect(warnings).toContainEqual("a measurement of c is lost: cannot process");
    expect(warnings).toContainEqual("an observation of g is lost: cannot process");
  });
});
