import { AggregationType } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openProvider } from "./manual-reader.test.helper.ts";

describe("explicit buckets", () => {
  it("take each value up to their bound, however many there are", async () => {
    const bound = fc.oneof(
      fc.integer({ min: -5, max: 400 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
      fc.constantFrom(0, Number.MIN_VALUE, Number.MAX_VALUE),
    );
    const boundaries = fc
      .integer({ min: 0, max: 70 })
      .chain((count) => fc.uniqueArray(bound, { minLength: count, maxLength: count, comparator: "SameValueZero" }));
    await fc.assert(
      fc.asyncProperty(boundaries, fc.array(bound, { maxLength: 20 }), async (unsorted, others) => {
        const { reader, meter } = openProvider({
          views: [
            {
              instrumentName: "*",
              aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: unsorted } },
            },
          ],
        });
        const sorted = unsorted.toSorted((a, b) => a - b);
        const values = [...unsorted, ...others, Infinity, -Infinity];
        const gauge = meter.createGauge("g");
        const bound = gauge.bind({ bound: true });
        const counts = new Array<number>(sorted.length + 1).fill(0);
        for (const value of values) {
          gauge.record(value);
          bound.record(value);
          const above = sorted.findIndex((upper) => value <= upper);
          counts[above < 0 ? sorted.length : above]!++;
        }
        for (const { value } of await reader.points("g")) {
          expect(value).toMatchObject({ count: values.length, buckets: { boundaries: sorted, counts } });
        }
      }),
      { numRuns: 200 },
    );
  });
});
