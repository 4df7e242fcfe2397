import type { Attributes, HrTime } from "@opentelemetry/api";
import { DataPointType, InstrumentType } from "@opentelemetry/sdk-metrics";
import type { ExponentialHistogram, Histogram, MetricData, ScopeMetrics } from "@opentelemetry/sdk-metrics";
import { histogramCounts, histogramMax, histogramMin, histogramSum } from "./snapshot.ts";
import type { Exemplar, HistogramSnapshot, ScopeSnapshot, StreamSnapshot } from "./snapshot.ts";

/**
 * One scope's metrics as the official SDK has them, in the shape of the engine's snapshot, so that one writer serves both. Times are kept
 * to about a tenth of a microsecond.
 */
export function fromOfficial({ scope, metrics }: ScopeMetrics): ScopeSnapshot {
  return { scope, streams: metrics.filter(({ dataPoints }) => dataPoints.length > 0).flatMap(streamsOf) };
}

/** When the latest of the points was collected, milliseconds since the Unix epoch; undefined where there is none. */
export function latestEnd(scopes: readonly ScopeMetrics[]): number | undefined {
  let latest: number | undefined;
  for (const { metrics } of scopes) {
    for (const { dataPoints } of metrics) {
      for (const { endTime } of dataPoints) latest = Math.max(latest ?? 0, milliseconds(endTime));
    }
  }
  return latest;
}

/** Usually one. Histograms of different buckets under one name, which only producers from elsewhere make, become several. */
function streamsOf(metric: MetricData): StreamSnapshot[] {
  if (metric.dataPointType !== DataPointType.HISTOGRAM) return [streamOf(metric)];
  const groups = new Map<string, MetricData>();
  for (const point of metric.dataPoints) {
    const key = point.value.buckets.boundaries.join(",");
    const group = groups.get(key) ?? { ...metric, dataPoints: [] };
    (group.dataPoints as unknown[]).push(point);
    groups.set(key, group);
  }
  return [...groups.values()].map(streamOf);
}

function streamOf(metric: MetricData): StreamSnapshot {
  const { descriptor, aggregationTemporality: temporality } = metric;
  const points = metric.dataPoints as readonly Point[];
  const base = {
    stream: descriptor,
    descriptor: { ...descriptor, type: instrumentType(metric) },
    temporality,
    rows: points.length,
    size: points.length,
    attributes: points.map(({ attributes }) => attributes),
    startTimesMs: points.map(({ startTime }) => milliseconds(startTime)),
    exemplars: points.some(({ exemplars }) => exemplars !== undefined) ? points.map(exemplarsOf) : undefined,
  };
  switch (metric.dataPointType) {
    case DataPointType.SUM:
    case DataPointType.GAUGE: {
      const values = Float64Array.from(metric.dataPoints, ({ value }) => value);
      if (metric.dataPointType === DataPointType.GAUGE) return { ...base, kind: "gauge", monotonic: false, values };
      return { ...base, kind: "sum", monotonic: metric.isMonotonic, values };
    }
    case DataPointType.HISTOGRAM:
      return { ...base, ...histogramColumns(metric.dataPoints.map(({ value }) => value)) };
    case DataPointType.EXPONENTIAL_HISTOGRAM: {
      const values = metric.dataPoints.map(({ value }) => value);
      return {
        ...base,
        kind: "exponential",
        hasSum: values.every(({ sum }) => sum !== undefined),
        hasMinMax: values.some(hasMinMax),
        points: values.map(exponentialPoint),
      };
    }
  }
}

interface Point {
  readonly attributes: Attributes;
  readonly startTime: HrTime;
  /** Not in the SDK's types, nor filled by it; this engine has its own kind, others the one of the specification's data model. */
  readonly exemplars?: readonly (Exemplar | ForeignExemplar)[];
}

interface ForeignExemplar {
  readonly value: number;
  readonly timestamp: HrTime;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly filteredAttributes?: Attributes;
}

function exemplarsOf({ exemplars }: Point): readonly Exemplar[] | undefined {
  return exemplars?.map((exemplar) => {
    if ("timeMs" in exemplar) return exemplar;
    const { value, timestamp, traceId = "", spanId = "", filteredAttributes = {} } = exemplar;
    return { value, timeMs: milliseconds(timestamp), traceId, spanId, filteredAttributes };
  });
}

function milliseconds([seconds, nanoseconds]: HrTime): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

function instrumentType(metric: MetricData): InstrumentType {
  if (metric.dataPointType === DataPointType.GAUGE) return InstrumentType.GAUGE;
  if (metric.dataPointType !== DataPointType.SUM) return InstrumentType.HISTOGRAM;
  return metric.isMonotonic ? InstrumentType.COUNTER : InstrumentType.UP_DOWN_COUNTER;
}

function hasMinMax({ min, max }: { readonly min?: number; readonly max?: number }): boolean {
  return min !== undefined && max !== undefined;
}

type HistogramColumns = Pick<HistogramSnapshot, "kind" | "boundaries" | "stride" | "values" | "hasSum" | "hasMinMax">;

function histogramColumns(histograms: readonly Histogram[]): HistogramColumns {
  const declared = histograms[0]?.buckets.boundaries ?? [];
  // +Inf as a declared bound is the implicit last bucket.
  const boundaries = declared.at(-1) === Infinity ? declared.slice(0, -1) : declared;
  const stride = histogramCounts + boundaries.length + 1;
  const values = new Float64Array(histograms.length * stride);
  for (const [row, { sum, min, max, buckets }] of histograms.entries()) {
    const at = row * stride;
    values[at + histogramSum] = sum ?? NaN;
    values[at + histogramMin] = min ?? Infinity;
    values[at + histogramMax] = max ?? -Infinity;
    for (const [index, count] of buckets.counts.entries()) {
      const column = at + histogramCounts + Math.min(index, boundaries.length);
      values[column] = (values[column] ?? 0) + count;
    }
  }
  const hasSum = histograms.every(({ sum }) => sum !== undefined);
  return { kind: "histogram", boundaries, stride, values, hasSum, hasMinMax: histograms.some(hasMinMax) };
}

function exponentialPoint(value: ExponentialHistogram) {
  const { count, sum = NaN, min = Infinity, max = -Infinity, zeroCount, scale, positive, negative } = value;
  const buckets = ({ offset, bucketCounts }: ExponentialHistogram["positive"]) => ({ offset, counts: bucketCounts });
  return { count, sum, min, max, zeroCount, scale, positive: buckets(positive), negative: buckets(negative) };
}
