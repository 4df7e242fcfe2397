// The official transformer as the measure: the same metrics in its messages and in ours, but for exemplars, which it leaves out.
import { ROOT_CONTEXT, trace, TraceFlags, ValueType } from "@opentelemetry/api";
import type { AnyValue, Attributes, Context, HrTime } from "@opentelemetry/api";
import { ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { emptyResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  AggregationType,
  DataPointType,
  InstrumentType,
  MeterProvider,
  MetricReader,
} from "@opentelemetry/sdk-metrics";
import type { MetricData, ResourceMetrics, ViewOptions } from "@opentelemetry/sdk-metrics";
import { createMeterProvider } from "@almanac/metrics";
import { snapshotOf } from "@almanac/metrics/internal";
import type { MetricsSnapshot, StreamSnapshot } from "@almanac/metrics/internal";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createJsonFormat } from "./json.ts";
import { writeMessages } from "./messages.ts";
import { decodeJsonRequest, decodeRequest, metricsOf, pointsOf } from "./proto.test.helper.ts";
import type { MetricMessage, RequestMessage } from "./proto.test.helper.ts";
import { createProtobufFormat } from "./protobuf.ts";
import { createOtlpMetricsSerializer } from "./serializer.ts";

class IdleReader extends MetricReader {
  constructor(temporality: AggregationTemporality) {
    super({ aggregationTemporalitySelector: () => temporality });
  }
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

const numbers = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.double(),
  fc.constantFrom(
    0,
    -1,
    0.5,
    2 ** 31,
    -(2 ** 31) - 1,
    2 ** 32,
    2 ** 53,
    -(2 ** 53),
    2 ** 62,
    -(2 ** 63),
    2 ** 63,
    1e300,
  ),
);
const texts = fc.oneof(
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom("", "a", 'q"\\\n', "\ud800", "é✓𝄞"),
);
const simple = fc.oneof(texts, numbers, fc.boolean());
const values = fc.oneof(
  { weight: 6, arbitrary: simple },
  { weight: 1, arbitrary: fc.array(fc.oneof(simple, fc.constant(null)), { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 5 }) },
  { weight: 1, arbitrary: fc.dictionary(texts, simple, { maxKeys: 2, noNullPrototype: true }) },
  { weight: 1, arbitrary: fc.constant(null) },
) as fc.Arbitrary<AnyValue>;
const keys = fc.constantFrom("a", "b", "ключ", "");
const attributeSets = fc.dictionary(keys, values, { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<Attributes>;
const amounts = fc.oneof(
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.integer({ min: 0, max: 200 }),
  fc.constantFrom(-0, 2 ** 40),
);

const kinds = ["counter", "upDownCounter", "gauge", "histogram", "exponential", "observed"] as const;
const steps = fc.record({
  kind: fc.constantFrom(...kinds),
  integers: fc.boolean(),
  scope: fc.integer({ min: 0, max: 1 }),
  amount: amounts,
  attributes: attributeSets,
  traced: fc.boolean(),
  action: fc.constantFrom("record", "record", "record", "record", "remove", "collect"),
});
const programs = fc.record({
  temporality: fc.constantFrom(AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA),
  resource: attributeSets,
  steps: fc.array(steps, { minLength: 1, maxLength: 60 }),
});
type Program = typeof programs extends fc.Arbitrary<infer T> ? T : never;

const views: ViewOptions[] = [
  {
    instrumentName: "exponential*",
    aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 20 } },
  },
];
const scopes = [{ name: "one" }, { name: "two", version: "1.2", schemaUrl: "https://example.org/schema" }] as const;

function contextOf(id: number, traced: boolean): Context {
  if (!traced) return ROOT_CONTEXT;
  const traceId = (id + 1).toString(16).padStart(32, "0");
  const spanId = (id + 1).toString(16).padStart(16, "a");
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED });
}

/** Runs a program on this project's provider and gives `check` each of its collections. */
async function run(
  { temporality, resource, steps }: Program,
  check: (metrics: ResourceMetrics) => void,
): Promise<void> {
  const reader = new IdleReader(temporality);
  const provider = createMeterProvider({
    readers: [reader],
    views,
    exemplarFilter: "always_on",
    resource: resourceFromAttributes(resource, { schemaUrl: "https://example.org/resource" }),
  });
  const collect = async (): Promise<void> => check((await reader.collect()).resourceMetrics);
  for (const [id, { kind, integers, scope, amount, attributes, traced, action }] of steps.entries()) {
    if (action === "collect") await collect();
    if (action === "remove") provider.removeSeries(attributes);
    const { name, ...options } = scopes[scope]!;
    const meter = provider.getMeter(name, "version" in options ? options.version : undefined, options);
    const instrument = `${kind}.${integers ? "int" : "double"}`;
    const advice = { explicitBucketBoundaries: [0, 5, 2 ** 33] };
    const about = { valueType: integers ? ValueType.INT : ValueType.DOUBLE, unit: id % 2 ? "s" : "", description: "é" };
    const context = contextOf(id, traced);
    switch (kind) {
      case "counter":
        meter.createCounter(instrument, about).add(Math.abs(amount), attributes, context);
        break;
      case "upDownCounter":
        meter.createUpDownCounter(instrument, about).add(amount, attributes, context);
        break;
      case "gauge":
        meter.createGauge(instrument, about).record(amount, attributes, context);
        break;
      case "histogram":
        meter.createHistogram(instrument, { ...about, advice }).record(Math.abs(amount), attributes, context);
        break;
      case "exponential":
        meter.createHistogram(instrument, about).record(Math.abs(amount), attributes, context);
        break;
      case "observed":
        meter.createObservableCounter(instrument, about).addCallback((result) => result.observe(amount, attributes));
        break;
    }
  }
  await collect();
}

function withoutExemplars(request: RequestMessage): unknown {
  return JSON.parse(
    JSON.stringify(request, (key, value: unknown) => (key === "exemplars" ? [] : spelled(value))),
  ) as unknown;
}

/** JSON knows no NaN. */
function spelled(value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** What `decodeRequest` should find of exemplars, from the snapshot. */
function expectedExemplars({ descriptor, exemplars, attributes }: StreamSnapshot): unknown[][] {
  const shown = attributes.flatMap((own, row) => (own === undefined ? [] : [exemplars?.[row] ?? []]));
  return shown.map((list) =>
    list.map(({ value, timeMs, traceId, spanId, filteredAttributes }) => ({
      value: descriptor.valueType === ValueType.INT && Number.isInteger(value) ? String(value) : value,
      time: `${timeMs}000000`,
      traceId,
      spanId,
      filtered: Object.keys(filteredAttributes),
    })),
  );
}

function foundExemplars(metric: MetricMessage): unknown[][] {
  const hex = (text: string | undefined): string => Buffer.from(text ?? "", "base64").toString("hex");
  return pointsOf(metric).map(({ exemplars }) =>
    exemplars.map(({ asInt, asDouble, timeUnixNano, traceId, spanId, filteredAttributes }) => ({
      value: asInt ?? asDouble,
      time: timeUnixNano,
      traceId: hex(traceId),
      spanId: hex(spanId),
      filtered: filteredAttributes.map(({ key }) => key),
    })),
  );
}

const full = process.env["ALMANAC_FULL"] === "1";

describe("createOtlpMetricsSerializer", () => {
  it(
    "writes what the official transformer writes, and exemplars, in both encodings",
    { timeout: 120_000 },
    async () => {
      let points = 0;
      let exemplars = 0;
      await fc.assert(
        fc.asyncProperty(programs, async (program) => {
          // Over all collections of a program, so that what was learnt about series is used, and series are removed in between.
          const protobuf = createOtlpMetricsSerializer("protobuf");
          const json = createOtlpMetricsSerializer("json");
          await run(program, (metrics) => {
            const snapshot = snapshotOf(metrics);
            const ours = decodeRequest(protobuf.serializeRequest(metrics));
            expect(decodeJsonRequest(json.serializeRequest(metrics))).toEqual(ours);
            const streams = snapshot.scopes.flatMap((scope) => scope.streams);
            const expected = streams.map(expectedExemplars);
            expect(metricsOf(ours).map(foundExemplars)).toEqual(expected);
            points += metricsOf(ours).flatMap(pointsOf).length;
            exemplars += expected.flat(2).length;
            if (streams.length === 0) return;
            // Now the official shape is made.
            const official = decodeRequest(ProtobufMetricsSerializer.serializeRequest(metrics));
            expect(withoutExemplars(ours)).toEqual(withoutExemplars(official));
            // And read back, which gives the same message once more.
            const again = decodeRequest(createOtlpMetricsSerializer("protobuf").serializeRequest(metrics));
            expect(again).toEqual(ours);
          });
        }),
        { seed: 4_711, numRuns: full ? 3_000 : 200 },
      );
      expect(points).toBeGreaterThan(1_000);
      expect(exemplars).toBeGreaterThan(500);
    },
  );

  it("takes the official SDK's metrics", async () => {
    const reader = new IdleReader(AggregationTemporality.CUMULATIVE);
    const meter = new MeterProvider({ readers: [reader], views }).getMeter("official", "1");
    meter.createCounter("counter", { unit: "1" }).add(3, { a: "b" });
    meter.createUpDownCounter("int", { valueType: ValueType.INT }).add(-3);
    meter.createHistogram("histogram").record(7, { a: 1 });
    meter.createHistogram("exponential").record(7);
    const { resourceMetrics } = await reader.collect();
    const nanoseconds = (key: string, value: unknown): unknown =>
      // The adapter keeps times to a tenth of a microsecond.
      key.endsWith("TimeUnixNano") || key === "timeUnixNano" ? String(value).slice(0, -3) : value;
    const comparable = (bytes: Uint8Array | undefined): unknown =>
      JSON.parse(JSON.stringify(decodeRequest(bytes), nanoseconds));
    const ours = createOtlpMetricsSerializer("protobuf").serializeRequest(resourceMetrics);
    expect(comparable(ours)).toEqual(comparable(ProtobufMetricsSerializer.serializeRequest(resourceMetrics)));
  });

  it("writes counts beyond 32 bits", () => {
    const [count, startTime, endTime] = [2 ** 40 + 1, [1, 0], [2, 0]] satisfies [number, HrTime, HrTime];
    const buckets = { boundaries: [1], counts: [count, 2 ** 33] };
    const sides = { offset: -3, bucketCounts: [0, count] };
    const descriptor = {
      name: "h",
      description: "",
      unit: "",
      type: InstrumentType.HISTOGRAM,
      valueType: ValueType.INT,
    };
    const common = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE };
    const point = { attributes: {}, startTime, endTime };
    const explicit = { buckets, count: count + 2 ** 33, sum: 1e20, min: 0, max: 1e19 };
    const exponential = { count, sum: 1, scale: -2, zeroCount: 2 ** 35, positive: sides, negative: sides };
    const metrics: MetricData[] = [
      { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: [{ ...point, value: explicit }] },
      { ...common, dataPointType: DataPointType.EXPONENTIAL_HISTOGRAM, dataPoints: [{ ...point, value: exponential }] },
    ];
    const resourceMetrics = { resource: emptyResource(), scopeMetrics: [{ scope: { name: "s" }, metrics }] };
    const official = decodeRequest(ProtobufMetricsSerializer.serializeRequest(resourceMetrics));
    expect(pointsOf(metricsOf(official)[0])[0]?.count).toBe(String(count + 2 ** 33));
    expect(decodeRequest(createOtlpMetricsSerializer("protobuf").serializeRequest(resourceMetrics))).toEqual(official);
    expect(decodeJsonRequest(createOtlpMetricsSerializer("json").serializeRequest(resourceMetrics))).toEqual(official);
  });

  it("writes numbers that JSON does not have", async () => {
    const reader = new IdleReader(AggregationTemporality.CUMULATIVE);
    const gauge = createMeterProvider({ readers: [reader] })
      .getMeter("m")
      .createGauge("gauge");
    for (const value of [NaN, Infinity, -Infinity]) gauge.record(value, { value });
    const { resourceMetrics } = await reader.collect();
    const bytes = createOtlpMetricsSerializer("json").serializeRequest(resourceMetrics);
    expect(Buffer.from(bytes ?? []).toString()).toContain('"asDouble":"-Infinity"');
    const read = pointsOf(metricsOf(decodeJsonRequest(bytes))[0]);
    expect(read.map(({ asDouble }) => asDouble)).toEqual([NaN, Infinity, -Infinity]);
    expect(read.map(({ attributes }) => attributes[0]?.value.doubleValue)).toEqual([NaN, Infinity, -Infinity]);
  });

  it("makes nothing of nothing", async () => {
    const reader = new IdleReader(AggregationTemporality.CUMULATIVE);
    createMeterProvider({ readers: [reader] });
    const { resourceMetrics } = await reader.collect();
    expect(createOtlpMetricsSerializer("protobuf").serializeRequest(resourceMetrics)).toBeUndefined();
  });
});

describe("writeMessages", () => {
  async function snapshotOfMany(): Promise<MetricsSnapshot> {
    const reader = new IdleReader(AggregationTemporality.CUMULATIVE);
    const provider = createMeterProvider({ readers: [reader] });
    for (const name of ["one", "two"]) {
      const meter = provider.getMeter(name);
      for (let series = 0; series < 700; series++) {
        meter.createCounter("counter").add(series + 1, { series });
        meter.createHistogram("histogram").record(series, { series, long: "x".repeat(series) });
      }
    }
    // Holes at both ends and in between.
    for (const series of [0, 1, 350, 698, 699]) provider.removeSeries({ series });
    return snapshotOf((await reader.collect()).resourceMetrics);
  }

  it.each([
    ["protobuf", createProtobufFormat(), decodeRequest],
    ["JSON", createJsonFormat(), decodeJsonRequest],
  ])("splits %s at points, none lost or twice, no part empty", async (_name, format, decode) => {
    const snapshot = await snapshotOfMany();
    const limit = 20_000;
    const seen: string[] = [];
    let messages = 0;
    for (const message of writeMessages(snapshot, format, limit)) {
      if (message === undefined) continue;
      messages++;
      expect(message.bytes.byteLength).toBeLessThan(limit + 2_500);
      const request = decode(message.bytes);
      const found = request.resourceMetrics.flatMap(({ scopeMetrics }) => {
        expect(scopeMetrics.length).toBeGreaterThan(0);
        return scopeMetrics.flatMap((scope) => {
          expect(scope.metrics.length).toBeGreaterThan(0);
          return scope.metrics.flatMap((metric) => {
            expect(pointsOf(metric).length).toBeGreaterThan(0);
            const { name: scopeName } = (scope as unknown as { scope: { name: string } }).scope;
            return pointsOf(metric).map(
              ({ attributes, asDouble, count }) =>
                `${scopeName} ${metric.name} ${attributes[0]?.value.intValue} ${asDouble ?? count}`,
            );
          });
        });
      });
      expect(found).toHaveLength(message.points);
      seen.push(...found);
    }
    expect(messages).toBeGreaterThan(20);
    const expected = ["one", "two"].flatMap((scope) =>
      Array.from({ length: 700 }, (_, series) => series)
        .filter((series) => ![0, 1, 350, 698, 699].includes(series))
        .flatMap((series) => [`${scope} counter ${series} ${series + 1}`, `${scope} histogram ${series} 1`]),
    );
    expect(seen.toSorted()).toEqual(expected.toSorted());
  });

  it("gives the event loop a turn every few rows", async () => {
    const snapshot = await snapshotOfMany();
    const yields = [...writeMessages(snapshot, createProtobufFormat(), Infinity)];
    expect(yields.filter((message) => message !== undefined)).toHaveLength(1);
    expect(yields.length).toBeGreaterThan(20);
  });
});
