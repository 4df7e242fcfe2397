import { ValueType } from "@opentelemetry/api";
import { DataPointType } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { openProvider, warningsOf } from "./manual-reader.test.helper.ts";

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
    // Of each instrument, each kind of mistake once.
    expect(warnings).toHaveLength(1 + 3 + 1 + 1);
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

  it("reports bucket boundaries that differ between two creations, and keeps the first", async () => {
    const { reader, meter } = openProvider();
    const create = (...explicitBucketBoundaries: number[]) =>
      meter.createHistogram("h", explicitBucketBoundaries.length > 0 ? { advice: { explicitBucketBoundaries } } : {});
    const warnings = await warningsOf(() => {
      create(1, 2).record(1);
      create().record(1);
      for (let round = 0; round < 3; round++) create(1, 2, 3).record(1);
    });
    expect(warnings).toEqual([
      expect.stringMatching(/^h is created with bucket boundaries \[1,2\] and with \[1,2,3\]; the first/),
    ]);
    expect((await reader.points("h"))[0]?.value).toMatchObject({ count: 5, buckets: { boundaries: [1, 2] } });
  });

  it("does without descriptions, units and boundaries that are of no use", async () => {
    const { reader, meter } = openProvider();
    await warningsOf(() => {
      const options = { description: 7, unit: {}, advice: { explicitBucketBoundaries: "1,2" } } as unknown as object;
      meter.createHistogram("h", options).record(1);
      meter.createHistogram("h", { description: "a real one" }).record(1);
      meter.createCounter(undefined as unknown as string).add(1);
    });
    const { all } = await reader.metrics();
    expect(all.get("h")?.descriptor).toMatchObject({ description: "a real one", unit: "" });
    expect(all.get("h")?.dataPoints[0]?.value).toMatchObject({ count: 2 });
    expect([...all.keys()]).toEqual(["h", ""]);
  });
});
