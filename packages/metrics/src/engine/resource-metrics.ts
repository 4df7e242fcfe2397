import type { HrTime } from "@opentelemetry/api";
import { DataPointType } from "@opentelemetry/sdk-metrics";
import type {
  CollectionResult,
  DataPoint,
  ExponentialHistogram,
  Histogram,
  MetricData,
} from "@opentelemetry/sdk-metrics";
import { histogramCounts, histogramMax, histogramMin, histogramSum } from "./snapshot.ts";
import type { Exemplar, ExponentialSnapshot, HistogramSnapshot, MetricsSnapshot, StreamSnapshot } from "./snapshot.ts";

/** A data point with what the official type has no place for. */
interface PointWithExemplars<T> extends DataPoint<T> {
  /** Absent where there are none. */
  readonly exemplars?: readonly Exemplar[];
}

/** What the official readers and exporters take. Data points carry `exemplars` besides, where there are any. */
export function toCollectionResult({ resource, timeMs, scopes, errors }: MetricsSnapshot): CollectionResult {
  const endTime = toHrTime(timeMs);
  return {
    resourceMetrics: {
      resource,
      scopeMetrics: scopes.map(({ scope, streams }) => ({
        scope,
        metrics: streams.map((stream) => toMetricData(stream, endTime)),
      })),
    },
    errors: [...errors],
  };
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
