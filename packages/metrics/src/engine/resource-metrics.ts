import type { HrTime } from "@opentelemetry/api";
import { DataPointType } from "@opentelemetry/sdk-metrics";
import type {
  CollectionResult,
  DataPoint,
  ExponentialHistogram,
  Histogram,
  MetricData,
  ResourceMetrics,
  ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import { fromOfficial, latestEnd } from "./official-scope.ts";
import { histogramCounts, histogramMax, histogramMin, histogramSum } from "./snapshot.ts";
import type {
  Exemplar,
  ExponentialSnapshot,
  HistogramSnapshot,
  MetricsSnapshot,
  ScopeSnapshot,
  StreamSnapshot,
} from "./snapshot.ts";

/** A data point with what the official type has no place for. */
interface PointWithExemplars<T> extends DataPoint<T> {
  /** Absent where there are none. */
  readonly exemplars?: readonly Exemplar[];
}

/** Where scopes' metrics come from, as long as nobody has looked at them and could have changed them. */
const origins = new WeakMap<ScopeMetrics, { readonly scope: ScopeSnapshot; readonly timeMs: number }>();

/**
 * What the official readers and exporters take, made when somebody looks at a scope's `metrics`: who writes from the columns
 * (`snapshotOf`) does not pay for it. Data points carry `exemplars` besides, where there are any.
 */
export function toCollectionResult({ resource, timeMs, scopes, errors }: MetricsSnapshot): CollectionResult {
  const scopeMetrics = scopes.map((scope) => toScopeMetrics(scope, timeMs));
  return { resourceMetrics: { resource, scopeMetrics }, errors: [...errors] };
}

function toScopeMetrics(scope: ScopeSnapshot, timeMs: number): ScopeMetrics {
  let made: MetricData[] | undefined;
  const metrics: ScopeMetrics = {
    scope: scope.scope,
    get metrics() {
      origins.delete(metrics);
      const endTime = toHrTime(timeMs);
      return (made ??= scope.streams.map((stream) => toMetricData(stream, endTime)));
    },
    set metrics(replaced) {
      origins.delete(metrics);
      made = replaced;
    },
  };
  origins.set(metrics, { scope, timeMs });
  return metrics;
}

/**
 * What a reader collected, as columns: this engine's own as they are, others' converted. A reader may have put both together.
 * `errors` become the snapshot's; `timeMs` is when it was taken, by default what the points say.
 */
export function snapshotOf(
  { resource, scopeMetrics }: ResourceMetrics,
  { errors = [], timeMs }: { readonly errors?: readonly unknown[]; readonly timeMs?: number } = {},
): MetricsSnapshot {
  const known = scopeMetrics.map((scope) => origins.get(scope));
  const takenMs = known.find((origin) => origin !== undefined)?.timeMs ?? timeMs ?? latestEnd(scopeMetrics);
  const scopes = scopeMetrics
    .map((scope, index) => known[index]?.scope ?? fromOfficial(scope))
    .filter(({ streams }) => streams.length > 0);
  return { resource, timeMs: takenMs ?? Date.now(), scopes, errors };
}

function toMetricData(stream: StreamSnapshot, endTime: HrTime): MetricData {
  const { descriptor, temporality: aggregationTemporality } = stream;
  const base = { descriptor, aggregationTemporality };
  switch (stream.kind) {
    case "sum":
      return {
        ...base,
        dataPointType: DataPointType.SUM,
        isMonotonic: stream.monotonic,
        dataPoints: toPoints(stream, endTime, (row) => stream.values[row]!),
      };
    case "gauge":
      return {
        ...base,
        dataPointType: DataPointType.GAUGE,
        dataPoints: toPoints(stream, endTime, (row) => stream.values[row]!),
      };
    case "histogram":
      return {
        ...base,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: toPoints(stream, endTime, (row) => toHistogram(stream, row)),
      };
    case "exponential":
      return {
        ...base,
        dataPointType: DataPointType.EXPONENTIAL_HISTOGRAM,
        dataPoints: toPoints(stream, endTime, (row) => toExponential(stream, row)),
      };
  }
}

function toPoints<T>(stream: StreamSnapshot, endTime: HrTime, valueOf: (row: number) => T): PointWithExemplars<T>[] {
  const points: PointWithExemplars<T>[] = [];
  for (let row = 0; row < stream.rows; row++) {
    const attributes = stream.attributes[row];
    if (attributes === undefined) continue;
    const exemplars = stream.exemplars?.[row];
    points.push({
      attributes,
      startTime: toHrTime(stream.startTimesMs[row]!),
      endTime,
      value: valueOf(row),
      ...(exemplars !== undefined && exemplars.length > 0 && { exemplars }),
    });
  }
  return points;
}

function toHistogram(stream: HistogramSnapshot, row: number): Histogram {
  const base = row * stream.stride;
  const counts = Array.from(stream.values.subarray(base + histogramCounts, base + stream.stride));
  const count = counts.reduce((sum, bucket) => sum + bucket, 0);
  return {
    buckets: { boundaries: [...stream.boundaries], counts },
    count,
    ...(stream.hasSum && { sum: stream.values[base + histogramSum]! }),
    ...(stream.hasMinMax &&
      count > 0 && { min: stream.values[base + histogramMin]!, max: stream.values[base + histogramMax]! }),
  };
}

function toExponential(stream: ExponentialSnapshot, row: number): ExponentialHistogram {
  const { count, sum, min, max, zeroCount, scale, positive, negative } = stream.points[row]!;
  return {
    count,
    scale,
    zeroCount,
    positive: { offset: positive.offset, bucketCounts: [...positive.counts] },
    negative: { offset: negative.offset, bucketCounts: [...negative.counts] },
    ...(stream.hasSum && { sum }),
    ...(stream.hasMinMax && count > 0 && { min, max }),
  };
}

/** Whole seconds and the nanoseconds of the rest. */
function toHrTime(timeMs: number): HrTime {
  const seconds = Math.floor(timeMs / 1000);
  return [seconds, Math.round((timeMs - seconds * 1000) * 1e6)];
}
