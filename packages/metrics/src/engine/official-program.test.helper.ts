// Random programs for any meter provider, and what their collections bring.
import { ValueType } from "@opentelemetry/api";
import type {
  Attributes,
  BatchObservableCallback,
  Counter,
  Histogram,
  Meter,
  MeterProvider as ApiMeterProvider,
  Observable,
} from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  AggregationType,
  createAllowListAttributesProcessor,
  createDenyListAttributesProcessor,
  InMemoryMetricExporter,
  InstrumentType,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { AggregationOption, IMetricReader, MeterProviderOptions, ViewOptions } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { vi } from "vitest";
import { ManualReader } from "./manual-reader.test.helper.ts";
import type { EngineCounter } from "./instrument.ts";
import { normalise } from "./official-shape.test.helper.ts";
import type { Normalised } from "./official-shape.test.helper.ts";

const types = Object.values(InstrumentType);
const isObservable = (type: InstrumentType): boolean => type.startsWith("OBSERVABLE");
const nameOf = (type: InstrumentType): string => `i.${type.toLowerCase()}`;

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

const aggregationOptions: readonly (AggregationOption | undefined)[] = [
  undefined,
  { type: AggregationType.DEFAULT },
  { type: AggregationType.DROP },
  { type: AggregationType.SUM },
  { type: AggregationType.LAST_VALUE },
  { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [0, 1, 10], recordMinMax: false } },
  { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [] } },
  { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 8 } },
  { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 160, recordMinMax: false } },
];
const aggregations = fc.constantFrom(...aggregationOptions);

/** What a view does. Observables keep to what the official SDK gets right: no other aggregation, and no filter that merges series. */
const effects = (observed: boolean): fc.Arbitrary<Partial<ViewOptions>> =>
  fc
    .record({
      aggregation: observed ? fc.constant(undefined) : aggregations,
      filter: observed ? fc.constant(0) : fc.integer({ min: 0, max: 3 }),
      described: fc.boolean(),
    })
    .map(({ aggregation, filter, described }) => ({
      ...(described && { description: "by the view" }),
      ...(aggregation && { aggregation }),
      ...(filter === 1 && { attributesProcessors: [createAllowListAttributesProcessor(["a", "b"])] }),
      ...(filter === 2 && { attributesProcessors: [createDenyListAttributesProcessor(["b"])] }),
      // Not one of the official processors, so what it does cannot be known by key.
      ...(filter === 3 && {
        attributesProcessors: [{ process: ({ a }) => (a === undefined ? { none: true } : { a }) }],
      }),
    }));

/** Who else it has to be, besides the instrument's name. */
const selectors: fc.Arbitrary<Partial<ViewOptions>> = fc.constantFrom<Partial<ViewOptions>>(
  {},
  {},
  { meterName: "two" },
  { meterVersion: "2.0" },
  { instrumentUnit: "1" },
  { instrumentUnit: "s" },
);

const namedView = (type: InstrumentType, name: string | undefined): fc.Arbitrary<ViewOptions> =>
  fc.tuple(effects(isObservable(type)), selectors, fc.boolean()).map(([effect, selector, byType]) => ({
    instrumentName: nameOf(type),
    ...(byType && { instrumentType: type }),
    ...(name !== undefined && { name }),
    ...selector,
    ...effect,
  }));

/**
 * At most one view that matches an instrument leaves it its name, and new names differ: of two streams with the same name the official SDK
 * makes one, with the first's aggregation, and writes to it twice.
 */
const viewSets: fc.Arbitrary<ViewOptions[]> = fc
  .oneof(
    fc
      .subarray(types)
      .chain((some) => fc.tuple(...some.map((type) => namedView(type, undefined))))
      .map((views): ViewOptions[] => views),
    fc
      .constantFrom<ViewOptions>(
        { instrumentName: "i.*" },
        { instrumentName: "*counter" },
        { instrumentName: "*" },
        { meterName: "two" },
        { instrumentType: InstrumentType.HISTOGRAM },
      )
      .chain((wide) =>
        effects(wide.instrumentType !== InstrumentType.HISTOGRAM).map((effect) => ({ ...wide, ...effect })),
      )
      .map((view) => [view]),
  )
  .chain((kept) =>
    fc
      .array(fc.constantFrom(...types), { maxLength: 3 })
      .chain((some) =>
        fc.tuple(...some.map((type, index) => namedView(type, `renamed.${index}.${type.toLowerCase()}`))),
      )
      .map((renamed) => [...kept, ...renamed]),
  );

const readers = fc.record({
  temporality: fc.constantFrom("cumulative", "delta", "lowmemory"),
  aggregation: aggregations,
  periodic: fc.integer({ max: 3, min: 0 }).map((one) => one === 0),
});

/** Few series, so that each is recorded in many times. */
const pools = fc.array(attributeSets, { minLength: 2, maxLength: 6 });

const stepsOf = (some: readonly InstrumentType[]) =>
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant("record" as const),
        meter: fc.constantFrom(0, 0, 0, 1, 2),
        type: fc.constantFrom(...some),
        value: amounts,
        series: fc.nat({ max: 5 }),
        again: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("collect" as const), reader: fc.nat({ max: 2 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 5000 }) }) },
  );

export const programs = fc.record({
  readers: fc.array(readers, { minLength: 1, maxLength: 3 }),
  views: viewSets,
  advice: fc.constantFrom<number[] | undefined>(undefined, [1, 5, 25], [25, 1, 5], []),
  integers: fc.subarray(types),
  /** How the callbacks report: all in one batch, one by one, or when they have waited. */
  callbacks: fc.constantFrom("batch", "single", "waiting"),
  /** One of them throws after it has reported. */
  failing: fc.boolean(),
  /** Limits are compared where the official SDK keeps to them: one reader, each interval, nothing observed. */
  limit: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.integer({ min: 2, max: 5 }) },
  ),
  pool: pools,
  steps: fc.array(stepsOf(types), { minLength: 80, maxLength: 200, size: "max" }),
});
export type Program = typeof programs extends fc.Arbitrary<infer P> ? P : never;

/** Every kind of instrument under every aggregation, temporality and kind of reader that the official SDK gets right. */
export function* table(): Iterable<readonly [what: string, program: Program]> {
  for (const type of types) {
    for (const aggregation of isObservable(type) ? [undefined] : aggregationOptions) {
      for (const temporality of ["cumulative", "delta"] as const) {
        for (const periodic of [false, true]) {
          const by = aggregation === undefined ? "default" : AggregationType[aggregation.type];
          const program: Program = {
            readers: [{ temporality, aggregation: undefined, periodic }],
            views: aggregation === undefined ? [] : [{ instrumentName: nameOf(type), aggregation }],
            advice: undefined,
            integers: [],
            callbacks: "batch",
            failing: false,
            limit: undefined,
            pool: [{}, { a: "1", b: "" }, { b: "", a: 1 }, { c: ["1"] }],
            steps: fc.sample(stepsOf([type]), { numRuns: 40, seed: 1 }),
          };
          yield [`${type} ${by} ${temporality} ${periodic ? "periodic" : "manual"}`, program];
        }
      }
    }
  }
}

/** Who runs a program. */
export interface Subject {
  readonly open: (options: MeterProviderOptions) => ApiMeterProvider & { shutdown(): Promise<void> };
  /** Records through handles, each bound once. */
  readonly bound?: boolean;
}

/** What the collections of a program bring. */
export async function run({ limit, ...program }: Program, { open, bound = false }: Subject): Promise<Normalised[]> {
  vi.setSystemTime(1_700_000_000_000);
  // Where there is a limit, the only reader sees changes.
  const chosen = limit === undefined ? program.readers : [{ ...program.readers[0]!, temporality: "delta" as const }];
  const opened = chosen.map((reader) => openReader(reader, program.views, limit));
  const views = program.views.map((view) =>
    limit === undefined ? view : { ...view, aggregationCardinalityLimit: limit },
  );
  const provider = open({ readers: opened.map(({ reader }) => reader), views, resource: emptyResource() });
  const meters = [
    provider.getMeter("one"),
    provider.getMeter("two", "1.0"),
    provider.getMeter("two", "2.0", { schemaUrl: "https://example.com/2" }),
  ];
  const sets = meters.map((meter) => ({ first: createAll(meter, program), again: createAll(meter, program) }));
  const observed = sets.map(({ first }, index) => observeAll(meters[index]!, first, program));
  const handles = new Map<Writable, Map<string, Writable>>();
  const handleOf = (instrument: Writable, attributes: Attributes): Writable => {
    const known = handles.get(instrument) ?? new Map<string, Writable>();
    handles.set(instrument, known);
    const key = keyOf(attributes);
    const handle = known.get(key) ?? (instrument as EngineCounter).bind({ ...attributes });
    known.set(key, handle);
    return handle;
  };

  const attributesOf = ({ series }: { readonly series: number }): Attributes =>
    program.pool[series % program.pool.length]!;
  const collected: Normalised[] = [];
  for (const step of program.steps) {
    if (step.kind === "wait") vi.setSystemTime(Date.now() + step.ms);
    else if (step.kind === "collect") collected.push(await opened[step.reader % opened.length]!.collect());
    else if (isObservable(step.type)) {
      if (limit === undefined) observed[step.meter]!(step.type, step.value, attributesOf(step));
    } else {
      const { first, again } = sets[step.meter]!;
      const instrument: Writable = (step.again ? again : first)[step.type];
      if (bound) write(handleOf(instrument, attributesOf(step)), step);
      else write(instrument, step, attributesOf(step));
    }
  }
  for (const reader of opened) collected.push(await reader.collect());
  await provider.shutdown();
  return collected;
}

/** An instrument that is recorded with, or a handle. */
type Writable = object;

function write(
  to: Writable,
  { type, value }: { readonly type: InstrumentType; readonly value: number },
  attributes?: Attributes,
): void {
  // Ours have both, whatever they are.
  if (type === InstrumentType.COUNTER || type === InstrumentType.UP_DOWN_COUNTER)
    (to as Counter).add(value, attributes);
  else (to as Histogram).record(value, attributes);
}

function openReader(
  { temporality, aggregation, periodic }: Program["readers"][number],
  views: Program["views"],
  limit: number | undefined,
): { readonly reader: IMetricReader; collect(): Promise<Normalised> } {
  const select = (type: InstrumentType): AggregationTemporality => {
    if (temporality === "cumulative") return AggregationTemporality.CUMULATIVE;
    if (temporality === "delta") return AggregationTemporality.DELTA;
    const sync = type === InstrumentType.COUNTER || type === InstrumentType.HISTOGRAM;
    return sync ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE;
  };
  if (periodic) {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    exporter.selectAggregationTemporality = select;
    const cardinalityLimits = limit === undefined ? {} : { cardinalityLimits: { default: limit } };
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e6, ...cardinalityLimits });
    return {
      reader,
      async collect() {
        exporter.reset();
        await reader.forceFlush();
        return normalise(exporter.getMetrics()[0]?.scopeMetrics ?? [], Date.now());
      },
    };
  }
  const reader = new ManualReader(select, {
    ...(limit !== undefined && { cardinalitySelector: () => limit }),
    ...(aggregation && {
      // Where a view names no aggregation the official SDK forgets the reader's, against the specification.
      aggregationSelector: (type) =>
        isObservable(type) || views.length > 0 ? { type: AggregationType.DEFAULT } : aggregation,
    }),
  });
  return {
    reader,
    async collect() {
      const { resourceMetrics, errors } = await reader.collect();
      return normalise(resourceMetrics.scopeMetrics, Date.now(), errors.map(String));
    },
  };
}

function createAll(meter: Meter, { advice, integers }: Pick<Program, "advice" | "integers">) {
  const options = (type: InstrumentType) => ({
    valueType: integers.includes(type) ? ValueType.INT : ValueType.DOUBLE,
    description: "by the instrument",
    unit: type === InstrumentType.HISTOGRAM ? "s" : "1",
  });
  return {
    [InstrumentType.COUNTER]: meter.createCounter("i.counter", options(InstrumentType.COUNTER)),
    [InstrumentType.UP_DOWN_COUNTER]: meter.createUpDownCounter(
      "i.up_down_counter",
      options(InstrumentType.UP_DOWN_COUNTER),
    ),
    [InstrumentType.GAUGE]: meter.createGauge("i.gauge", options(InstrumentType.GAUGE)),
    [InstrumentType.HISTOGRAM]: meter.createHistogram("i.histogram", {
      ...options(InstrumentType.HISTOGRAM),
      ...(advice && { advice: { explicitBucketBoundaries: advice } }),
    }),
    [InstrumentType.OBSERVABLE_COUNTER]: meter.createObservableCounter(
      "i.observable_counter",
      options(InstrumentType.OBSERVABLE_COUNTER),
    ),
    [InstrumentType.OBSERVABLE_GAUGE]: meter.createObservableGauge(
      "i.observable_gauge",
      options(InstrumentType.OBSERVABLE_GAUGE),
    ),
    [InstrumentType.OBSERVABLE_UP_DOWN_COUNTER]: meter.createObservableUpDownCounter(
      "i.observable_up_down_counter",
      options(InstrumentType.OBSERVABLE_UP_DOWN_COUNTER),
    ),
  };
}

/** Registers callbacks that report what the result was told last. */
function observeAll(
  meter: Meter,
  set: ReturnType<typeof createAll>,
  { callbacks, failing }: Pick<Program, "callbacks" | "failing">,
) {
  const values = new Map<Observable, Map<string, { value: number; attributes: Attributes }>>();
  for (const instrument of Object.values(set)) if ("addCallback" in instrument) values.set(instrument, new Map());
  const report = (observable: Observable, observe: (value: number, attributes: Attributes) => void): void => {
    for (const { value, attributes } of values.get(observable)!.values()) observe(value, attributes);
  };
  if (callbacks === "batch") {
    const callback: BatchObservableCallback = (result) => {
      for (const observable of values.keys()) report(observable, (...each) => result.observe(observable, ...each));
    };
    meter.addBatchObservableCallback(callback, [...values.keys()]);
  } else {
    for (const observable of values.keys()) {
      observable.addCallback((result) => {
        const all = (): void => report(observable, (...each) => result.observe(...each));
        return callbacks === "single" ? all() : Promise.resolve().then(all);
      });
    }
  }
  if (failing) {
    set[InstrumentType.OBSERVABLE_GAUGE].addCallback((result) => {
      result.observe(1, { of: "nobody" });
      throw new Error("no source");
    });
  }
  return (type: InstrumentType, value: number, attributes: Attributes): void => {
    const own = values.get(set[type] as Observable)!;
    const key = keyOf(attributes);
    const counting = type === InstrumentType.OBSERVABLE_COUNTER;
    // The official SDK takes a counter that fell for one that starts anew, but forgets it in the next merge.
    const next = counting ? (own.get(key)?.value ?? 0) + Math.abs(value) : value;
    own.set(key, { value: next, attributes });
  };
}

function keyOf(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort());
}
