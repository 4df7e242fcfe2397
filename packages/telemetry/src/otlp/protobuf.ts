import { ValueType } from "@opentelemetry/api";
import type { Attributes } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import { AggregationTemporality } from "@opentelemetry/sdk-metrics";
import { histogramCounts, histogramMax, histogramMin, histogramSum } from "@almanac/metrics/internal";
import type {
  Exemplar,
  ExponentialBuckets,
  ExponentialSnapshot,
  HistogramSnapshot,
  ScalarSnapshot,
  ScopeSnapshot,
  StreamSnapshot,
} from "@almanac/metrics/internal";
import { BackwardWriter, copyBackward, isInteger, setInteger } from "./backward-writer.ts";
import type { MessageFormat } from "./messages.ts";
import { createSeriesCache, SeriesBytes } from "./series-bytes.ts";
import { unixNanos } from "./unix-nanos.ts";

/*
 * Field numbers are those of opentelemetry/proto/metrics/v1/metrics.proto and its neighbours
 * (https://github.com/open-telemetry/opentelemetry-proto, version 1.9). Tags that are written in a row are spelled out as bytes:
 * field * 8 + wire type, which is 1 for 64 bits and 2 for what has a length.
 */

const dataField = { gauge: 5, sum: 7, histogram: 9, exponential: 10 } as const;
const attributesField = { gauge: 7, sum: 7, histogram: 9, exponential: 1 } as const;
const exemplarsField = { gauge: 5, sum: 5, histogram: 8, exponential: 11 } as const;

const startTag = 0x11;
const timeTag = 0x19;

/** A tag and 64 bits. */
const fixedBytes = 9;

/**
 * Protobuf, written from back to front. Attributes are encoded once per series and copied afterwards. Memory: a buffer of the size of the
 * largest message of late, and the attributes' bytes.
 */
export function createProtobufFormat(): MessageFormat {
  const writer = new BackwardWriter();
  const seriesOf = createSeriesCache();
  const bucketsOf = new WeakMap<readonly number[], BucketBytes>();
  let time = unixNanos(0);
  let startMs = 0;
  let start = unixNanos(0);
  let takenMs = 0;
  let taken = start;
  // Most exemplars share one that is empty.
  let lastFiltered: Attributes = {};
  let hasFiltered = false;
  let scopeEnd = 0;
  let metricEnd = 0;
  let dataEnd = 0;
  let stream: StreamSnapshot | undefined;
  let series = new SeriesBytes();
  let buckets = bucketBytes([]);
  let integers = false;
  let points = 0;

  function putAttributes(row: number, attributes: Attributes): void {
    if (series.has(row, attributes)) {
      const [from, to] = [series.starts[row]!, series.ends[row]!];
      writer.reserve(to - from);
      copyBackward(series.view, from, to, writer.view, writer.at);
      writer.at -= to - from;
      return;
    }
    const end = writer.length;
    writer.attributes(attributesField[stream!.kind], attributes);
    series.keep(row, attributes, writer.bytes, writer.at, writer.at + writer.length - end);
  }

  function putExemplars(field: number, exemplars: readonly Exemplar[]): void {
    for (let index = exemplars.length - 1; index >= 0; index--) {
      const { value, timeMs, traceId, spanId, filteredAttributes } = exemplars[index]!;
      const end = writer.length;
      if (filteredAttributes !== lastFiltered) {
        lastFiltered = filteredAttributes;
        hasFiltered = Object.keys(filteredAttributes).length > 0;
      }
      if (hasFiltered) writer.attributes(7, filteredAttributes);
      writer.hexadecimal(5, traceId);
      writer.hexadecimal(4, spanId);
      if (integers && isInteger(value)) writer.integer(6, value);
      else writer.double(3, value);
      if (timeMs !== takenMs) {
        takenMs = timeMs;
        taken = unixNanos(timeMs);
      }
      writer.fixed(2, taken.low, taken.high);
      writer.close(field, end);
    }
  }

  /** Start and end of a point. The space is reserved. */
  function putTimes(view: DataView, at: number, rowStartMs: number): void {
    if (rowStartMs !== startMs) {
      startMs = rowStartMs;
      start = unixNanos(rowStartMs);
    }
    view.setUint8(at, startTag);
    view.setUint32(at + 1, start.low, true);
    view.setUint32(at + 5, start.high, true);
    view.setUint8(at + 9, timeTag);
    view.setUint32(at + 10, time.low, true);
    view.setUint32(at + 14, time.high, true);
  }

  function putScalar({ values, startTimesMs }: ScalarSnapshot, row: number): void {
    writer.reserve(3 * fixedBytes);
    const at = (writer.at -= 3 * fixedBytes);
    const { view } = writer;
    putTimes(view, at, startTimesMs[row]!);
    const value = values[row]!;
    if (integers && isInteger(value)) {
      view.setUint8(at + 18, 0x31);
      setInteger(view, at + 19, value);
    } else {
      view.setUint8(at + 18, 0x21);
      view.setFloat64(at + 19, value, true);
    }
  }

  function putHistogram(histogram: HistogramSnapshot, row: number): void {
    const { values, stride, hasSum, hasMinMax } = histogram;
    const { head, bounds } = buckets;
    const base = row * stride;
    const counts = stride - histogramCounts;
    writer.reserve(6 * fixedBytes + head.length + counts * 8 + bounds.length);
    const { view, bytes } = writer;
    let { at } = writer;
    const min = values[base + histogramMin]!;
    const max = values[base + histogramMax]!;
    if (hasMinMax && min <= max) {
      at -= 2 * fixedBytes;
      view.setUint8(at, 0x59);
      view.setFloat64(at + 1, min, true);
      view.setUint8(at + 9, 0x61);
      view.setFloat64(at + 10, max, true);
    }
    at -= bounds.length;
    bytes.set(bounds, at);
    at -= counts * 8;
    let total = 0;
    for (let index = base + histogramCounts, place = at; index < base + stride; index++, place += 8) {
      const count = values[index]!;
      total += count;
      view.setUint32(place, count, true);
      view.setUint32(place + 4, count < 2 ** 32 ? 0 : count / 2 ** 32, true);
    }
    for (let index = head.length - 1; index >= 0; index--) bytes[--at] = head[index]!;
    if (hasSum) {
      at -= fixedBytes;
      view.setUint8(at, 0x29);
      view.setFloat64(at + 1, values[base + histogramSum]!, true);
    }
    at -= 3 * fixedBytes;
    putTimes(view, at, histogram.startTimesMs[row]!);
    view.setUint8(at + 18, 0x21);
    view.setUint32(at + 19, total, true);
    view.setUint32(at + 23, total < 2 ** 32 ? 0 : total / 2 ** 32, true);
    writer.at = at;
  }

  function putExponential({ points, startTimesMs, hasSum, hasMinMax }: ExponentialSnapshot, row: number): void {
    const point = points[row];
    if (point === undefined) return;
    if (hasMinMax && point.min <= point.max) {
      writer.double(13, point.max);
      writer.double(12, point.min);
    }
    putBuckets(9, point.negative);
    putBuckets(8, point.positive);
    writer.integer(7, point.zeroCount);
    writer.zigzag(6, point.scale);
    if (hasSum) writer.double(5, point.sum);
    writer.integer(4, point.count);
    writer.reserve(2 * fixedBytes);
    writer.at -= 2 * fixedBytes;
    putTimes(writer.view, writer.at, startTimesMs[row]!);
  }

  function putBuckets(field: number, { offset, counts }: ExponentialBuckets): void {
    const end = writer.length;
    if (counts.length > 0) writer.varints(2, counts);
    writer.zigzag(1, offset);
    writer.close(field, end);
  }

  function putPoint(row: number, attributes: Attributes): void {
    const { kind, exemplars } = stream!;
    const end = writer.length;
    putAttributes(row, attributes);
    const own = exemplars?.[row];
    if (own !== undefined) putExemplars(exemplarsField[kind], own);
    switch (kind) {
      case "sum":
      case "gauge":
        putScalar(stream as ScalarSnapshot, row);
        break;
      case "histogram":
        putHistogram(stream as HistogramSnapshot, row);
        break;
      case "exponential":
        putExponential(stream as ExponentialSnapshot, row);
        break;
    }
    writer.close(1, end);
  }

  return {
    backward: true,

    openResource({ schemaUrl }: Resource, timeMs: number) {
      writer.reset();
      points = 0;
      time = unixNanos(timeMs);
      if (schemaUrl) writer.text(3, schemaUrl);
    },

    openScope({ schemaUrl }: ScopeSnapshot["scope"]) {
      scopeEnd = writer.length;
      if (schemaUrl) writer.text(3, schemaUrl);
    },

    openMetric(next: StreamSnapshot) {
      stream = next;
      series = seriesOf(stream.stream);
      integers = stream.descriptor.valueType === ValueType.INT;
      metricEnd = dataEnd = writer.length;
      if (stream.kind === "sum" && stream.monotonic) writer.varint(3, 1);
      if (stream.kind !== "gauge") writer.varint(2, stream.temporality === AggregationTemporality.DELTA ? 1 : 2);
      if (stream.kind !== "histogram") return;
      const { boundaries } = stream;
      buckets = bucketsOf.get(boundaries) ?? bucketBytes(boundaries);
      bucketsOf.set(boundaries, buckets);
    },

    writePoints(from: number, steps: number, maxBytes: number) {
      const { attributes, rows } = stream!;
      for (let step = 0; step < steps; step++) {
        const row = rows - 1 - from - step;
        const own = attributes[row];
        if (own === undefined) continue;
        putPoint(row, own);
        points++;
        if (writer.length >= maxBytes) return step + 1;
      }
      return steps;
    },

    closeMetric({ kind, descriptor }: StreamSnapshot) {
      writer.close(dataField[kind], dataEnd);
      if (descriptor.unit) writer.text(3, descriptor.unit);
      if (descriptor.description) writer.text(2, descriptor.description);
      writer.text(1, descriptor.name);
      writer.close(2, metricEnd);
    },

    closeScope({ name, version }: ScopeSnapshot["scope"]) {
      const end = writer.length;
      if (version) writer.text(2, version);
      writer.text(1, name);
      writer.close(1, end);
      writer.close(2, scopeEnd);
    },

    closeResource({ attributes }: Resource) {
      const end = writer.length;
      writer.attributes(1, attributes);
      writer.close(1, end);
      writer.close(1, 0);
      return { bytes: writer.message(), points };
    },

    length: () => writer.length,
  };
}

/** What all histograms of the same bounds have in common. */
interface BucketBytes {
  /** Tag and length of `bucket_counts`. */
  readonly head: Uint8Array;
  /** `explicit_bounds`. */
  readonly bounds: Uint8Array;
}

function bucketBytes(boundaries: readonly number[]): BucketBytes {
  const writer = new BackwardWriter(256);
  writer.doubles(6, [...boundaries, 0]);
  const counts = writer.message();
  const head = new Uint8Array(counts.subarray(0, counts.length - (boundaries.length + 1) * 8));
  writer.reset();
  if (boundaries.length > 0) writer.doubles(7, boundaries);
  return { head, bounds: new Uint8Array(writer.message()) };
}
