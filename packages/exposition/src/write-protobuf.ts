import type { Exemplar, ExponentialPoint, HistogramSnapshot, StreamSnapshot } from "@almanac/metrics/internal";
import { histogramCounts, histogramSum } from "@almanac/metrics/internal";
import { exemplarLabels, exemplarsByBucket, latest } from "./exemplar.ts";
import type { Family } from "./family.ts";
import { plainHelp } from "./label.ts";
import { downscale } from "./merge.ts";
import { WireWriter } from "./wire-writer.ts";
import { hasUnit } from "./write.ts";

const chunkBytes = 65_536;
const rowsPerStep = 32;
const nothing = new Uint8Array();

const types = { counter: 0, gauge: 1, info: 1, histogram: 4 } as const;

export interface ProtobufOptions {
  /** The name of a label of an exemplar. */
  readonly label: (key: string) => string;
  /** Milliseconds since 1970 of every metric; none by default. */
  readonly timestampMs?: number | undefined;
}

/**
 * A page as messages `io.prometheus.client.MetricFamily`, each behind its length
 * (https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto), in chunks; between two of them, some of
 * which are empty, the caller may pause. Exponential histograms become native ones. Memory: one family, as its length stands before it.
 */
export function* writeProtobuf(families: readonly Family[], options: ProtobufOptions): Generator<Uint8Array> {
  const writer = new WireWriter();
  for (const family of families) {
    const parts: Uint8Array[] = [];
    let length = 0;
    const collect = (): void => {
      length += writer.length;
      parts.push(writer.take());
    };
    writeHead(writer, family);
    for (const { columns, labels } of family.blocks) {
      for (let row = 0; row < columns.rows; row++) {
        if (columns.attributes[row] !== undefined) {
          writeMetric(writer, family, columns, row, labels.pairs(row), options);
        }
        if (row % rowsPerStep !== rowsPerStep - 1) continue;
        if (writer.length >= chunkBytes) collect();
        yield nothing;
      }
    }
    collect();
    writer.raw(length);
    yield writer.take();
    yield* parts;
  }
}

function writeHead(writer: WireWriter, { name, help, type, unit }: Family): void {
  writer.text(1, name);
  if (help !== "") writer.text(2, plainHelp(help));
  writer.unsigned(3, types[type]);
  // Prometheus looks for a counter's unit before `_total`.
  if (hasUnit(type === "counter" ? name.replace(/_total$/, "") : name, unit)) writer.text(5, unit);
}

function writeMetric(
  writer: WireWriter,
  family: Family,
  columns: StreamSnapshot,
  row: number,
  labels: ReadonlyMap<string, string>,
  options: ProtobufOptions,
): void {
  writer.message(4, () => {
    writeLabels(writer, labels);
    const exemplars = columns.exemplars?.[row];
    const startMs = columns.startTimesMs[row] ?? 0;
    if (columns.kind === "histogram") {
      writer.message(7, () => writeHistogram(writer, columns, row, exemplars ?? [], options));
    } else if (columns.kind === "exponential") {
      const point = columns.points[row];
      if (point !== undefined) {
        writer.message(7, () => writeNative(writer, point, columns.hasSum, exemplars ?? [], startMs, options));
      }
    } else {
      const value = columns.values[row] ?? 0;
      const counter = family.type === "counter";
      writer.message(counter ? 3 : 2, () => {
        writer.double(1, value);
        const exemplar = counter ? latest(exemplars) : undefined;
        if (exemplar !== undefined) writeExemplar(writer, 2, exemplar, options);
        if (counter) writeTimestamp(writer, 3, startMs);
      });
    }
    if (options.timestampMs !== undefined) writer.signed(6, Math.round(options.timestampMs));
  });
}

function writeLabels(writer: WireWriter, labels: ReadonlyMap<string, string>): void {
  for (const [name, value] of labels) {
    writer.message(1, () => {
      writer.text(1, name);
      writer.text(2, value);
    });
  }
}

function writeHistogram(
  writer: WireWriter,
  columns: HistogramSnapshot,
  row: number,
  exemplars: readonly Exemplar[],
  options: ProtobufOptions,
): void {
  const { boundaries, stride, values, hasSum } = columns;
  const at = row * stride + histogramCounts;
  let count = 0;
  for (let index = 0; index <= boundaries.length; index++) count += values[at + index] ?? 0;
  writer.unsigned(1, count);
  if (hasSum) writer.double(2, values[row * stride + histogramSum] ?? 0);
  const byBucket: (Exemplar | undefined)[] = [];
  exemplarsByBucket(exemplars, boundaries, byBucket);
  let seen = 0;
  for (let index = 0; index <= boundaries.length; index++) {
    seen += values[at + index] ?? 0;
    const cumulative = seen;
    writer.message(3, () => {
      writer.unsigned(1, cumulative);
      writer.double(2, boundaries[index] ?? Infinity);
      const exemplar = byBucket[index];
      if (exemplar !== undefined) writeExemplar(writer, 3, exemplar, options);
    });
  }
  writeTimestamp(writer, 15, columns.startTimesMs[row] ?? 0);
}

/** Prometheus knows resolutions from 2^16 as a bucket's width (-4) to 256 buckets per power of two (8). */
const minSchema = -4;
const maxSchema = 8;

function writeNative(
  writer: WireWriter,
  point: ExponentialPoint,
  hasSum: boolean,
  exemplars: readonly Exemplar[],
  startMs: number,
  options: ProtobufOptions,
): void {
  writer.unsigned(1, point.count);
  if (hasSum) writer.double(2, point.sum);
  // Coarser than any schema: the count and the sum are all that can be shown.
  if (point.scale >= minSchema) {
    const schema = Math.min(point.scale, maxSchema);
    writer.zigzag(5, schema);
    writer.double(6, 0);
    writer.unsigned(7, point.zeroCount);
    const negative = spansOf(downscale(point.negative, point.scale - schema));
    const positive = spansOf(downscale(point.positive, point.scale - schema));
    // A span without buckets says that this is a native histogram, though nothing else does.
    if (negative.spans.length + positive.spans.length === 0) positive.spans.push([0, 0]);
    writeSide(writer, 9, negative);
    writeSide(writer, 12, positive);
  }
  writeTimestamp(writer, 15, startMs);
  for (const exemplar of exemplars) writeExemplar(writer, 16, exemplar, options);
}

interface Side {
  readonly spans: [offset: number, length: number][];
  readonly deltas: number[];
}

/** Up to this many empty buckets in a row are cheaper to write than a new span. */
const gapKept = 2;

/**
 * Spans of buckets, and each bucket's difference from the one before. OpenTelemetry's index `i` counts from `base^i` exclusively to
 * `base^(i+1)`, Prometheus' to `base^i`, hence one more.
 */
function spansOf({ offset, counts }: ExponentialPoint["positive"]): Side {
  const side: Side = { spans: [], deltas: [] };
  let previous = 0;
  let end = 0;
  const push = (count: number): void => {
    side.deltas.push(count - previous);
    previous = count;
  };
  for (const [position, count] of counts.entries()) {
    if (count === 0) continue;
    const index = offset + position + 1;
    const open = side.spans.at(-1);
    const gap = index - end;
    if (open === undefined || gap > gapKept) {
      side.spans.push([open === undefined ? index : gap, 1]);
    } else {
      for (let empty = 0; empty < gap; empty++) push(0);
      open[1] += gap + 1;
    }
    push(count);
    end = index + 1;
  }
  return side;
}

function writeSide(writer: WireWriter, field: 9 | 12, { spans, deltas }: Side): void {
  for (const [offset, length] of spans) {
    writer.message(field, () => {
      writer.zigzag(1, offset);
      writer.unsigned(2, length);
    });
  }
  for (const delta of deltas) writer.zigzag(field + 1, delta);
}

function writeExemplar(writer: WireWriter, field: number, exemplar: Exemplar, options: ProtobufOptions): void {
  writer.message(field, () => {
    writeLabels(writer, exemplarLabels(exemplar, options.label));
    writer.double(2, exemplar.value);
    writeTimestamp(writer, 3, exemplar.timeMs);
  });
}

/** `google.protobuf.Timestamp`, to the microsecond. */
function writeTimestamp(writer: WireWriter, field: number, timeMs: number): void {
  const seconds = Math.floor(timeMs / 1000);
  writer.message(field, () => {
    if (seconds !== 0) writer.signed(1, seconds);
    const nanoseconds = Math.min(999_999, Math.round((timeMs - seconds * 1000) * 1000)) * 1000;
    if (nanoseconds > 0) writer.unsigned(2, nanoseconds);
  });
}
