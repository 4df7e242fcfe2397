// Metrics in a shape in which those of two engines can be compared.
import { AggregationTemporality, DataPointType } from "@opentelemetry/sdk-metrics";
import type { ExponentialHistogram, InstrumentType, MetricData, ScopeMetrics } from "@opentelemetry/sdk-metrics";

/** One collection. */
export interface Normalised {
  /** Of instruments, points and temporality. */
  readonly kinds: readonly string[];
  readonly scopes: readonly unknown[];
  readonly errors: readonly string[];
}

/** Which kinds of metrics a collection holds. */
function kindsOf(scopeMetrics: readonly ScopeMetrics[]): readonly string[] {
  return scopeMetrics
    .flatMap(({ metrics }) => metrics)
    .map(({ descriptor, dataPointType, aggregationTemporality }) =>
      [
        (descriptor as Described).type,
        DataPointType[dataPointType],
        AggregationTemporality[aggregationTemporality],
      ].join(" "),
    );
}

/** In one order. `nowMs` is when it was collected. */
export function normalise(
  scopeMetrics: readonly ScopeMetrics[],
  nowMs: number,
  errors: readonly string[] = [],
): Normalised {
  const scopes = scopeMetrics.map(({ scope, metrics }) => ({
    // Absent, or there and undefined: nobody can tell.
    scope: withoutAbsent(scope),
    metrics: metrics.map((metric) => normaliseMetric(metric, nowMs)).sort(compare),
  }));
  return { kinds: kindsOf(scopeMetrics).toSorted(), scopes: scopes.sort(compare), errors };
}

function normaliseMetric(metric: MetricData, nowMs: number) {
  const { dataPointType, aggregationTemporality, dataPoints } = metric;
  const descriptor = metric.descriptor as Described;
  // The SDK takes observed values for as old as the look at them, and a delta for as long as its series lasts.
  const comparesStart =
    aggregationTemporality === AggregationTemporality.CUMULATIVE && !descriptor.type.startsWith("OBSERVABLE");
  return {
    // The official descriptors hold the advice besides, which their type does not show.
    descriptor: { ...descriptor, advice: undefined },
    dataPointType,
    aggregationTemporality,
    isMonotonic: "isMonotonic" in metric ? metric.isMonotonic : undefined,
    points: dataPoints
      .map(({ attributes, value, startTime, endTime }) => ({
        attributes: Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
        // Relative, for readable differences.
        sinceMs: comparesStart ? nowMs - milliseconds(startTime) : undefined,
        atMs: nowMs - milliseconds(endTime),
        value:
          dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM
            ? // The official merge may lose resolution it need not lose.
              atScale(value as unknown as ExponentialHistogram, -4)
            : typeof value === "number"
              ? positiveZero(value)
              : withoutAbsent(value),
      }))
      .sort((a, b) => compare(a.attributes, b.attributes)),
  };
}

/** The public type leaves out what kind of instrument it is. */
type Described = MetricData["descriptor"] & { readonly type: InstrumentType };

function milliseconds([seconds, nanoseconds]: readonly [number, number]): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

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

export function withoutAbsent(value: object): Record<string, unknown> {
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
