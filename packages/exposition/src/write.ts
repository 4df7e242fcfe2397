import type { Exemplar, ExponentialPoint, StreamSnapshot } from "@almanac/metrics/internal";
import { histogramCounts, histogramSum } from "@almanac/metrics/internal";
import { ByteTextList, worstBytesPerUnit, type ByteTexts } from "./byte-texts.ts";
import type { ChunkPool } from "./chunk-pool.ts";
import { exemplarsByBucket, latest } from "./exemplar.ts";
import type { Block, Family } from "./family.ts";
import { escapeHelp, escapeLabel } from "./label.ts";
import { isClassicName } from "./naming.ts";
import { formatBound } from "./number.ts";
import { openMetricsHeads, type OpenMetricsHead } from "./openmetrics-head.ts";
import { TextSink, valueBytes, type LineEnds } from "./text-sink.ts";
import { exemplarBytes, exemplarWriter } from "./write-exemplar.ts";

/** What a page is written in, without its version. */
export type Format = "text" | "openmetrics" | "protobuf";

export interface WriteOptions {
  readonly openMetrics: boolean;
  /** The name of a label of an exemplar. */
  readonly label: (key: string) => string;
  /** Milliseconds since 1970 written behind every sample; none by default. */
  readonly timestampMs?: number | undefined;
  /** Where the chunks' memory comes from. */
  readonly pool: ChunkPool;
}

/**
 * A page in text or OpenMetrics 1.0.0, in chunks; between two of them the caller may pause. HELP and TYPE stand once per family. Text
 * 0.0.4 and 1.0.0 differ in their names only, which the families bring along.
 * https://prometheus.io/docs/instrumenting/exposition_formats/ https://prometheus.io/docs/specs/om/open_metrics_spec/
 *
 * In OpenMetrics series have exactly the names of the text page, and families the types that are possible so. No `_created`.
 */
export function* writeText(families: readonly Family[], options: WriteOptions): Generator<Uint8Array> {
  const { openMetrics } = options;
  const sink = new TextSink(options.pool);
  const heads = openMetrics ? openMetricsHeads(families) : undefined;
  const tail = timestampText(options);
  for (const family of families) {
    const head = heads?.get(family);
    const exemplars = head !== undefined && (head.type === "counter" || head.type === "histogram");
    for (const part of head?.split ? splitParts : [undefined]) {
      if (head === undefined) writeTextHead(sink, family);
      else writeOpenMetricsHead(sink, family, { ...head, name: head.name + (part ?? "") });
      for (const block of family.blocks) {
        const rows = writeBlock(sink, family, block, { ...options, exemplars, tail, part });
        while (!rows.next().done) yield* sink.take();
      }
      yield* sink.take();
    }
  }
  if (openMetrics) sink.write("# EOF\n");
  yield* sink.end();
}

function timestampText({ openMetrics, timestampMs }: WriteOptions): string {
  if (timestampMs === undefined) return "\n";
  return openMetrics ? ` ${timestampMs / 1000}\n` : ` ${Math.round(timestampMs)}\n`;
}

function writeTextHead(sink: TextSink, { name, type, help }: Family): void {
  const written = quoted(name);
  if (help !== "") sink.write(`# HELP ${written} ${escapeHelp(help, false)}\n`);
  sink.write(`# TYPE ${written} ${type === "info" ? "gauge" : type}\n`);
}

function writeOpenMetricsHead(sink: TextSink, { unit, help }: Family, { name, type }: OpenMetricsHead): void {
  const written = quoted(name);
  sink.write(`# TYPE ${written} ${type}\n`);
  if (hasUnit(name, unit)) sink.write(`# UNIT ${written} ${unit}\n`);
  if (help !== "") sink.write(`# HELP ${written} ${escapeHelp(help, true)}\n`);
}

/** The unit must be the end of the family's name; otherwise a strict parser rejects the page. */
export function hasUnit(name: string, unit: string): boolean {
  return unit !== "" && isClassicName(unit, false) && name.endsWith(`_${unit}`);
}

function quoted(name: string): string {
  return isClassicName(name, true) ? name : `"${escapeLabel(name)}"`;
}

/** Pieces of a histogram, by the suffix of their samples. */
const splitParts = ["_bucket", "_sum", "_count"] as const;

interface BlockOptions extends WriteOptions {
  /** Of histograms only these samples; `undefined`: all. */
  readonly part: (typeof splitParts)[number] | undefined;
  /** Whether exemplars are written. */
  readonly exemplars: boolean;
  /** The end of every line, or what precedes an exemplar. */
  readonly tail: string;
}

/** Pauses often enough for a sink to be emptied and for other work. */
const rowsPerStep = 32;

function* writeBlock(sink: TextSink, family: Family, block: Block, options: BlockOptions): Generator<undefined> {
  const { columns, labels } = block;
  const { attributes } = columns;
  const writeRow = rowWriter(sink, family, columns, labels.texts, options);
  for (let row = 0; row < columns.rows; row++) {
    if (attributes[row] !== undefined) writeRow(row);
    if (row % rowsPerStep === rowsPerStep - 1) yield;
  }
}

function rowWriter(
  sink: TextSink,
  { name }: Family,
  columns: StreamSnapshot,
  labels: ByteTexts,
  options: BlockOptions,
): (row: number) => void {
  const exemplarsOf = (row: number): readonly Exemplar[] | undefined =>
    options.exemplars && columns.exemplars?.[row]?.length ? columns.exemplars[row] : undefined;
  if (columns.kind === "histogram") {
    const { boundaries, stride, values, hasSum } = columns;
    const write = histogramWriter(sink, name, boundaries, labels, options);
    return (row) => {
      const at = row * stride;
      write(row, values, at + histogramCounts, hasSum ? values[at + histogramSum] : undefined, exemplarsOf(row));
    };
  }
  if (columns.kind === "exponential") {
    const write = histogramWriter(sink, name, [], labels, options);
    const counts = new Float64Array(1);
    return (row) => {
      const point: ExponentialPoint | undefined = columns.points[row];
      if (point === undefined) return;
      counts[0] = point.count;
      write(row, counts, 0, columns.hasSum ? point.sum : undefined, exemplarsOf(row));
    };
  }
  const head = sampleHead(name);
  const tail = new ByteTextList([options.tail]).texts();
  const { values } = columns;
  const writeExemplar = exemplarWriter(sink, options);
  return (row) => {
    const exemplar = latest(exemplarsOf(row));
    const tailBytes = exemplar === undefined ? (tail.lengths[0] as number) : exemplarBytes(exemplar, options);
    sink.reserve(head.bytes + (labels.lengths[row] as number) + valueBytes + tailBytes);
    writeHeadOf(sink, head, labels, row);
    sink.value(values[row] as number);
    if (exemplar === undefined) sink.copy(tail, 0);
    else writeExemplar(exemplar);
  };
}

/** What precedes a sample's value, in bytes. */
interface SampleHead {
  /** Without labels, up to where labels go, and what follows them. */
  readonly texts: ByteTexts;
  /** At most, apart from the labels. */
  readonly bytes: number;
}

const bareHead = 0;
const openHead = 1;
const closedLabels = 2;

/** A name in quotes stands inside the braces. */
function sampleHead(name: string): SampleHead {
  const [bare, open] = isClassicName(name, true)
    ? [`${name} `, `${name}{`]
    : [`{${quoted(name)}} `, `{${quoted(name)},`];
  return { texts: new ByteTextList([bare, open, "} "]).texts(), bytes: (bare.length + 4) * worstBytesPerUnit };
}

function writeHeadOf(sink: TextSink, { texts }: SampleHead, labels: ByteTexts, row: number): void {
  if (labels.lengths[row] === 0) {
    sink.copy(texts, bareHead);
    return;
  }
  sink.copy(texts, openHead);
  sink.copy(labels, row);
  sink.copy(texts, closedLabels);
}

type HistogramWriter = (
  row: number,
  counts: Float64Array,
  from: number,
  sum: number | undefined,
  exemplars: readonly Exemplar[] | undefined,
) => void;

const comma = 0x2c;

/**
 * Everything of a family's lines that does not change from series to series is made here once. Of one series they differ in a few bytes,
 * so each begins as a copy of the first.
 */
function histogramWriter(
  sink: TextSink,
  name: string,
  boundaries: readonly number[],
  labels: ByteTexts,
  options: BlockOptions,
): HistogramWriter {
  const { openMetrics, part } = options;
  const buckets = boundaries.length + 1;
  const head = sampleHead(`${name}_bucket`);
  const sumHead = sampleHead(`${name}_sum`);
  const countHead = sampleHead(`${name}_count`);
  const tail = new ByteTextList([options.tail]).texts();
  const bounds = new ByteTextList(
    [...boundaries.map((bound) => formatBound(bound, openMetrics)), "+Inf"].map((bound) => `le="${bound}"} `),
  ).texts();
  const lineBytes = head.bytes + Math.max(...bounds.lengths) + valueBytes + (tail.lengths[0] as number);
  // A sum that may fall is no counter: OpenMetrics forbids it with negative bounds, and the count comes with the sum or not at all.
  const mayFall = openMetrics && (boundaries[0] ?? 0) < 0;

  const shape = { bounds, buckets, tail };
  const byBucket: (Exemplar | undefined)[] = [];
  const writeExemplar = exemplarWriter(sink, options);
  const exemplarEnds: LineEnds = {
    has: (bucket) => byBucket[bucket] !== undefined,
    write: (bucket) => writeExemplar(byBucket[bucket] as Exemplar),
  };
  return (row, counts, from, sum, exemplars) => {
    const labelBytes = labels.lengths[row] as number;
    let bytes = (buckets + 2) * (lineBytes + labelBytes);
    if (exemplars !== undefined) {
      exemplarsByBucket(exemplars, boundaries, byBucket);
      for (const exemplar of exemplars) bytes += exemplarBytes(exemplar, options);
    }
    sink.reserve(bytes);
    const line = sink.position;
    sink.copy(head.texts, openHead);
    if (labelBytes > 0) {
      sink.copy(labels, row);
      sink.byte(comma);
    }
    const seen = sink.bucketLines(line, shape, counts, from, exemplars === undefined ? undefined : exemplarEnds);
    if (part === "_bucket") return;
    // What was written told how many there are.
    if (part !== undefined) sink.rewind(line);
    const summed = sum !== undefined && (!openMetrics || (!mayFall && sum >= 0));
    if (summed && part !== "_count") {
      writeHeadOf(sink, sumHead, labels, row);
      sink.value(sum);
      sink.copy(tail, 0);
    }
    if ((!summed && openMetrics) || part === "_sum") return;
    writeHeadOf(sink, countHead, labels, row);
    sink.value(seen);
    sink.copy(tail, 0);
  };
}
