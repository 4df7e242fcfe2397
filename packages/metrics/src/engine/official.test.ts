// The official SDK as the measure: the same random program on both providers, the same metrics from every reader.
import { ValueType } from "@opentelemetry/api";
import type { Attributes, BatchObservableCallback, Meter, Observable } from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  AggregationType,
  createAllowListAttributesProcessor,
  createDenyListAttributesProcessor,
  DataPointType,
  InstrumentType,
  MeterProvider,
} from "@opentelemetry/sdk-metrics";
import type {
  AggregationOption,
  ExponentialHistogram,
  MeterProviderOptions,
  MetricData,
  ViewOptions,
} from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualReader } from "./manual-reader.test.helper.ts";
import { createMeterProvider } from "./provider.ts";

const instrumentTypes = Object.values(InstrumentType);

/** Halves the resolution until it is at most `scale`, and drops empty buckets at the ends. */
function atScale({ scale, positive, negative, ...rest }: ExponentialHistogram, wanted: number) {
  const coarse = ({ offset, bucketCounts }: ExponentialHistogram["positive"]): Record<number, number> => {
    const counts: Record<number, number> = {};
    bucketCounts.forEach((count, index) => {
      const at = (offset + index) >> (scale - wanted);
      if (count > 0) counts[at] = (counts[at] ?? 0) + count;
    });
    return counts;
  };
  return { ...withoutAbsent(rest), positive: coarse(positive), negative: coarse(negative) };
}

/** Without times and in one order. Exponential histograms at scale -4: the official merge may lose resolution it need not lose. */
function normalise(metrics: readonly MetricData[]) {
  return metrics
    .map(({ descriptor, dataPointType, aggregationTemporality, dataPoints, ...rest }) => ({
      // The official descriptors hold the advice besides, which their type does not show.
      descriptor: { ...descriptor, advice: undefined },
      dataPointType,
      aggregationTemporality,
      isMonotonic: "isMonotonic" in rest ? rest.isMonotonic : undefined,
      points: dataPoints
        .map(({ attributes, value }) => ({
          attributes: Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
          value:
            dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM
              ? atScale(value as unknown as ExponentialHistogram, -4)
              : typeof value === "number"
                ? positiveZero(value)
                : withoutAbsent(value),
        }))
        .sort((a, b) => compare(a.attributes, b.attributes)),
    }))
    .sort((a, b) => compare(a, b));
}

function withoutAbsent(value: object): Record<string, unknown> {
  const present = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(present.map(([key, member]: [string, unknown]) => [key, positiveZero(member)]));
}

/** A negative zero is as good as the other one. */
function positiveZero(value: unknown): unknown {
  return typeof value === "number" ? value + 0 : value;
}

function compare(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

// Sums of these are exact in whatever order they are added.
const amounts = fc.integer({ min: -64, max: 512 }).map((quarters) => quarters / 4);
const attributeSets: fc.Arbitrary<Attributes> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({}) },
  {
    weight: 8,
    arbitrary: fc
      .record(
        {
          a: fc.constantFrom<unknown>("1", 1, true, "true", "", "x:y"),
          b: fc.constantFrom<unknown>("", "b", "B", false, 0.5),
          c: fc.constantFrom<unknown>("1", "2", ["1", "2"], [1, 2]),
        },
        { requiredKeys: [] },
      )
      .chain((set) => fc.shuffledSubarray(Object.entries(set), { minLength: Object.keys(set).length }))
      .map((entries) => Object.fromEntries<unknown>(entries)),
  },
);

const aggregations: fc.Arbitrary<AggregationOption | undefined> = fc.constantFrom<AggregationOption | undefined>(
  undefined,
  { type: AggregationType.DEFAULT },
  { type: AggregationType.DROP },
  { type: AggregationType.SUM },
  { type: AggregationType.LAST_VALUE },
  { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [0, 1, 10], recordMinMax: false } },
  { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 8 } },
);

const nameOf = (type: InstrumentType): string => `i.${type.toLowerCase()}`;

/** Observables keep to what the official SDK gets right: no other aggregation, and no filter that merges series. */
const viewFor = (type: InstrumentType): fc.Arbitrary<ViewOptions> =>
  fc
    .record({
      renamed: fc.boolean(),
      aggregation: type.startsWith("OBSERVABLE") ? fc.constant(undefined) : aggregations,
      filter: type.startsWith("OBSERVABLE") ? fc.constant(0) : fc.integer({ min: 0, max: 2 }),
      described: fc.boolean(),
    })
    .map(({ renamed, aggregation, filter, described }) => ({
      instrumentName: nameOf(type),
      ...(renamed && { name: `renamed.${type.toLowerCase()}` }),
      ...(described && { description: "by the view" }),
      ...(aggregation && { aggregation }),
      ...(filter === 1 && { attributesProcessors: [createAllowListAttributesProcessor(["a", "b"])] }),
      ...(filter === 2 && { attributesProcessors: [createDenyListAttributesProcessor(["b"])] }),
    }));

const programs = fc.record({
  temporalities: fc.array(fc.constantFrom("cumulative", "delta", "lowmemory"), { minLength: 1, maxLength: 3 }),
  readerAggregations: fc.array(aggregations, { minLength: 3, maxLength: 3 }),
  views: fc.subarray(instrumentTypes).chain((types) => fc.tuple(...types.map((type) => viewFor(type)))),
  advice: fc.constantFrom<number[] | undefined>(undefined, [1, 5, 25]),
  integers: fc.boolean(),
  steps: fc.array(
    fc.oneof(
      {
        weight: 12,
        arbitrary: fc.record({
          kind: fc.constant("record" as const),
          type: fc.constantFrom(...instrumentTypes),
          value: amounts,
          attributes: attributeSets,
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("collect" as const), reader: fc.nat({ max: 2 }) }) },
    ),
    { minLength: 60, maxLength: 160, size: "max" },
  ),
});
type Program = typeof programs extends fc.Arbitrary<infer P> ? P : never;

function temporalityOf(name: string, type: InstrumentType): AggregationTemporality {
  if (name === "cumulative") return AggregationTemporality.CUMULATIVE;
  if (name === "delta") return AggregationTemporality.DELTA;
  const sync = type === InstrumentType.COUNTER || type === InstrumentType.HISTOGRAM;
  return sync ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE;
}

/** Runs a program and returns what its collections gave. */
async function run(
  program: Program,
  open: (options: MeterProviderOptions) => { getMeter(name: string): Meter },
): Promise<unknown[]> {
  const readers = program.temporalities.map((temporality, index) => {
    const aggregation = program.readerAggregations[index];
    return new ManualReader((type) => temporalityOf(temporality, type), {
      ...(aggregation && {
        aggregationSelector: (type) =>
          // Where a view names no aggregation the official SDK forgets the reader's, against the specification.
          type.startsWith("OBSERVABLE") || program.views.some((view) => view.instrumentName === nameOf(type))
            ? { type: AggregationType.DEFAULT }
            : aggregation,
      }),
    });
  });
  const provider = open({ readers, views: program.views, resource: emptyResource() });
  const meters = [provider.getMeter("one"), provider.getMeter("two")];
  const observed = new Map<Observable, Map<string, { value: number; attributes: Attributes }>>();
  const instruments = meters.map((meter) => createAll(meter, program));
  for (const [index, set] of instruments.entries()) {
    const observables = Object.values(set).filter(
      (instrument): instrument is Observable => "addCallback" in instrument,
    );
    for (const observable of observables) observed.set(observable, new Map());
    const callback: BatchObservableCallback = (result) => {
      for (const observable of observables) {
        for (const { value, attributes } of observed.get(observable)!.values())
          result.observe(observable, value, attributes);
      }
    };
    meters[index]!.addBatchObservableCallback(callback, observables);
  }

  const collected: unknown[] = [];
  const collect = async (index: number): Promise<void> => {
    const { resourceMetrics, errors } = await readers[index % readers.length]!.collect();
    expect(errors).toEqual([]);
    const scopes = [...resourceMetrics.scopeMetrics].sort((a, b) => compare(a.scope.name, b.scope.name));
    collected.push(scopes.map(({ scope, metrics }) => ({ scope: scope.name, metrics: normalise(metrics) })));
  };
  for (const [index, step] of program.steps.entries()) {
    if (step.kind === "collect") {
      await collect(step.reader);
      continue;
    }
    const instrument = instruments[index % 2]![step.type];
    if ("add" in instrument) instrument.add(step.value, step.attributes);
    else if ("record" in instrument) instrument.record(step.value, step.attributes);
    else {
      const value = step.type === InstrumentType.OBSERVABLE_COUNTER ? Math.abs(step.value) : step.value;
      const sets = observed.get(instrument)!;
      const key = JSON.stringify(Object.entries(step.attributes).sort());
      // The official SDK takes a counter that fell for one that starts anew, but forgets it in the next merge.
      const grown = step.type === InstrumentType.OBSERVABLE_COUNTER ? (sets.get(key)?.value ?? 0) + value : value;
      sets.set(key, { value: grown, attributes: step.attributes });
    }
  }
  for (const index of readers.keys()) await collect(index);
  return collected;
}

function createAll(meter: Meter, { advice, integers }: Program) {
  const options = {
    valueType: integers ? ValueType.INT : ValueType.DOUBLE,
    description: "by the instrument",
    unit: "1",
  };
  return {
    [InstrumentType.COUNTER]: meter.createCounter("i.counter", options),
    [InstrumentType.UP_DOWN_COUNTER]: meter.createUpDownCounter("i.up_down_counter", options),
    [InstrumentType.GAUGE]: meter.createGauge("i.gauge", options),
    [InstrumentType.HISTOGRAM]: meter.createHistogram("i.histogram", {
      ...options,
      ...(advice && { advice: { explicitBucketBoundaries: advice } }),
    }),
    [InstrumentType.OBSERVABLE_COUNTER]: meter.createObservableCounter("i.observable_counter", options),
    [InstrumentType.OBSERVABLE_GAUGE]: meter.createObservableGauge("i.observable_gauge", options),
    [InstrumentType.OBSERVABLE_UP_DOWN_COUNTER]: meter.createObservableUpDownCounter(
      "i.observable_up_down_counter",
      options,
    ),
  };
}

describe("createMeterProvider", () => {
  it("gives what the official provider gives, for any instruments, views, temporalities and readers", async () => {
    let operations = 0;
    await fc.assert(
      fc.asyncProperty(programs, async (program) => {
        operations += program.steps.length;
        const official = await run(program, (options) => new MeterProvider(options));
        const ours = await run(program, (options) => createMeterProvider(options));
        expect(ours).toEqual(official);
      }),
      {
        numRuns: Number(process.env["ALMANAC_OFFICIAL_RUNS"] ?? 120),
        ...(process.env["SEED"] && { seed: Number(process.env["SEED"]) }),
      },
    );
    expect(operations).toBeGreaterThan(10_000);
  });

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
