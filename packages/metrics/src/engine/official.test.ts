// The official SDK as the measure: the same random program on both providers, the same metrics, with the same times, from every reader.
//
// A test run takes some 90 programs of 80 to 200 steps; ALMANAC_FULL=1 takes 40 times as many, SEED=n those of one seed. Each is run on
// the official provider, on this one, and on this one through bound handles.
//
// What is left out differs on purpose, and has tests of its own (docs/design/engine.md, "Where it differs"): views without an aggregation
// where the reader has one, several views that leave an instrument its name, observed series that are merged by a view, aggregated as
// histograms, beyond a limit, not observed any more or fallen; limits over several intervals; start times of deltas and of observed series;
// values that are no finite numbers; attributes that JSON cannot tell apart or that change after the call; names that differ in case.
import { AggregationType, MeterProvider } from "@opentelemetry/sdk-metrics";
import type { ViewOptions } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualReader } from "./manual-reader.test.helper.ts";
import { programs, run, table } from "./official-program.test.helper.ts";
import type { Program } from "./official-program.test.helper.ts";
import { withoutAbsent } from "./official-shape.test.helper.ts";
import type { Normalised } from "./official-shape.test.helper.ts";
import { createMeterProvider } from "./provider.ts";

/** Runs a program everywhere. */
async function compare(program: Program, what?: string): Promise<Normalised[]> {
  const official = await run(program, { open: (options) => new MeterProvider(options) });
  expect(await run(program, { open: createMeterProvider }), what).toEqual(official);
  expect(await run(program, { open: createMeterProvider, bound: true }), what).toEqual(official);
  return official;
}

const full = process.env["ALMANAC_FULL"] === "1";

describe("createMeterProvider", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("gives what the official provider gives, for each instrument, aggregation, temporality and reader", async () => {
    const kinds = new Set<string>();
    for (const [what, program] of table()) {
      const collected = await compare(program, what);
      for (const { kinds: some } of collected) for (const kind of some) kinds.add(kind);
    }
    // Four instruments that are recorded with times four kinds of points, three that are observed, each in both temporalities.
    expect(kinds.size).toBe((4 * 4 + 3) * 2);
  });

  it(
    "gives what the official provider gives, for any program, views, and several readers",
    async () => {
      let operations = 0;
      await fc.assert(
        fc.asyncProperty(programs, async (program) => {
          operations += program.steps.length;
          await compare(program);
        }),
        {
          numRuns: full ? 4000 : 90,
          ...(process.env["SEED"] && { seed: Number(process.env["SEED"]) }),
        },
      );
      expect(operations).toBeGreaterThan(full ? 200_000 : 10_000);
    },
    full ? 900_000 : 60_000,
  );

  it("counts in the same exponential buckets, at every size and for values of any magnitude", async () => {
    const magnitude = fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true, noDefaultInfinity: true });
    const power = fc.integer({ min: -1074, max: 1023 }).map((exponent) => 2 ** exponent);
    const near = fc.double({ min: 0.5, max: 2, noNaN: true });
    const value = fc
      .tuple(fc.oneof(near, near, power, magnitude), fc.constantFrom(1, 1, -1, 0))
      .map(([size, sign]) => size * sign + 0);
    const sizes = fc.constantFrom(2, 3, 8, 160, 320);
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 60 }), sizes, async (values, maxSize) => {
        const view: ViewOptions = {
          instrumentName: "*",
          aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize } },
        };
        const points = [MeterProvider, createMeterProvider].map(async (open) => {
          const reader = new ManualReader();
          const options = { readers: [reader], views: [view] };
          const provider = open === MeterProvider ? new MeterProvider(options) : createMeterProvider(options);
          const gauge = provider.getMeter("test").createGauge("g");
          for (const each of values) gauge.record(each);
          const { value: point } = (await reader.metrics()).all.get("g")!.dataPoints[0]!;
          return withoutAbsent(point as object);
        });
        const [official, ours] = await Promise.all(points);
        expect(ours).toEqual(official);
      }),
      { numRuns: 300 },
    );
  });
});
