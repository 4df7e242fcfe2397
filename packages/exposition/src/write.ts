import type { Exemplar, ExponentialPoint, HistogramSnapshot, StreamSnapshot } from "@almanac/metrics/internal";
import { histogramCounts, histogramSum } from "@almanac/metrics/internal";
import type { ChunkPool } from "./chunk-pool.ts";
import { exemplarLabels, exemplarsByBucket, latest } from "./exemplar.ts";
import type { Block, Family } from "./family.ts";
import { escapeHelp, escapeLabel, labelText } from "./label.ts";
import { isClassicName } from "./naming.ts";
import { formatBound, formatValue } from "./number.ts";
import { TextSink, worstBytesPerUnit } from "./text-sink.ts";

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
 * In OpenMetrics series have exactly the names of the text page. That format lets a `counter` have no other sample than its family's
 * name plus `_total`; where keeping the name is impossible so, the family is `unknown`: a counter without `_total`, and one whose name
 * less `_total` is another family. No `_created`.
 */
export function* writeText(families: readonly Family[], options: WriteOptions): Generator<Uint8Array> {
  const { openMetrics } = options;
  const sink = new TextSink(options.pool);
  const names = new Set(families.map(({ name }) => name));
  const tail = timestampText(options);
  for (const family of families) {
    const { exemplars } = writeHead(sink, family, openMetrics, names);
    for (const block of family.blocks) {
      const rows = writeBlock(sink, family, block, { ...options, exemplars: openMetrics && exemplars, tail });
      while (!rows.next().done) yield* sink.take();
    }
    yield* sink.take();
  }
  if (openMetrics) sink.write("# EOF\n");
  yield* sink.end();
}

function timestampText({ openMetrics, timestampMs }: WriteOptions): string {
  if (timestampMs === undefined) return "\n";
  return openMetrics ? ` ${timestampMs / 1000}\n` : ` ${Math.round(timestampMs)}\n`;
}

function writeHead(
  sink: TextSink,
  family: Family,
  openMetrics: boolean,
  names: ReadonlySet<string>,
): { readonly exemplars: boolean } {
  if (!openMetrics) {
    const name = quoted(family.name);
    if (family.help !== "") sink.write(`# HELP ${name} ${escapeHelp(family.help, false)}\n`);
    sink.write(`# TYPE ${name} ${family.type === "info" ? "gauge" : family.type}\n`);
    return { exemplars: false };
  }
  const { name, type } = openMetricsHead(family, names);
  const written = quoted(name);
  sink.write(`# TYPE ${written} ${type}\n`);
  if (hasUnit(name, family.unit)) sink.write(`# UNIT ${written} ${family.unit}\n`);
  if (family.help !== "") sink.write(`# HELP ${written} ${escapeHelp(family.help, true)}\n`);
  return { exemplars: type === "counter" || type === "histogram" };
}

/** The unit must be the end of the family's name; otherwise a strict parser rejects the page. */
export function hasUnit(name: string, unit: string): boolean {
  return unit !== "" && isClassicName(unit, false) && name.endsWith(`_${unit}`);
}

const suffixes = { counter: "_total", info: "_info" } as const;

function openMetricsHead(
  { name, type }: Family,
  names: ReadonlySet<string>,
): { readonly name: string; readonly type: string } {
  if (type === "gauge" || type === "histogram") return { name, type };
  const base = name.slice(0, -suffixes[type].length);
  const fits = base !== "" && name.endsWith(suffixes[type]) && !names.has(base);
  return fits ? { name: base, type } : { name, type: "unknown" };
}

function quoted(name: string): string {
  return isClassicName(name, true) ? name : `"${escapeLabel(name)}"`;
}

/** What precedes a sample's value, without labels and up to where labels go. A name in quotes stands inside the braces. */
function sampleHead(name: string): { readonly bare: string; readonly open: string } {
  if (isClassicName(name, true)) return { bare: `${name} `, open: `${name}{` };
  return { bare: `{${quoted(name)}} `, open: `{${quoted(name)},` };
}

interface BlockOptions extends WriteOptions {
  /** Whether exemplars are written. */
  readonly exemplars: boolean;
  /** The end of every line, or what precedes an exemplar. */
  readonly tail: string;
}

/** Pauses often enough for a sink to be emptied and for other work. */
const rowsPerStep = 32;

function* writeBlock(sink: TextSink, family: Family, block: Block, options: BlockOptions): Generator<undefined> {
  const { columns, labels } = block;
  const writeRow = rowWriter(sink, family, columns, options);
  for (let row = 0; row < columns.rows; row++) {
    const text = labels.text(row);
    if (text !== undefined) writeRow(row, text);
    if (row % rowsPerStep === rowsPerStep - 1) yield;
  }
}

function rowWriter(
  sink: TextSink,
  { name }: Family,
  columns: StreamSnapshot,
  options: BlockOptions,
): (row: number, labels: string) => void {
  const exemplarsOf = (row: number): readonly Exemplar[] | undefined =>
    options.exemplars && columns.exemplars?.[row]?.length ? columns.exemplars[row] : undefined;
  if (columns.kind === "histogram") return histogramRow(sink, name, columns, options, exemplarsOf);
  if (columns.kind === "exponential") {
    const write = histogramWriter(sink, name, [], options);
    return (row, labels) => {
      const point: ExponentialPoint | undefined = columns.points[row];
      if (point === undefined) return;
      write(labels, [point.count], 0, columns.hasSum ? point.sum : undefined, exemplarsOf(row));
    };
  }
  const { bare, open } = sampleHead(name);
  const { values } = columns;
  return (row, labels) => {
    const value = formatValue(values[row] ?? 0);
    const exemplar = latest(exemplarsOf(row));
    const end = exemplar === undefined ? options.tail : exemplarText(exemplar, options);
    sink.reserve((bare.length + labels.length + value.length + end.length + 2) * worstBytesPerUnit);
    writeLine(sink, labels === "" ? bare : open, labels, value, end);
  };
}

/** In pieces: joining them first would cost more than writing each. */
function writeLine(sink: TextSink, head: string, labels: string, value: string, end: string): void {
  sink.text(head);
  if (labels !== "") {
    sink.text(labels);
    sink.text("} ");
  }
  sink.text(value);
  sink.text(end);
}

function histogramRow(
  sink: TextSink,
  name: string,
  columns: HistogramSnapshot,
  options: BlockOptions,
  exemplarsOf: (row: number) => readonly Exemplar[] | undefined,
): (row: number, labels: string) => void {
  const { boundaries, stride, values, hasSum } = columns;
  const write = histogramWriter(sink, name, boundaries, options);
  return (row, labels) => {
    const at = row * stride;
    const sum = hasSum ? values[at + histogramSum] : undefined;
    write(labels, values, at + histogramCounts, sum, exemplarsOf(row));
  };
}

type HistogramWriter = (
  labels: string,
  counts: ArrayLike<number>,
  from: number,
  sum: number | undefined,
  exemplars: readonly Exemplar[] | undefined,
) => void;

/** Longer than a bound's label, a count and a time. */
const lineEndBytes = 100;

/**
 * Everything of a family's lines that does not change from series to series is made here once. Lines are put together from bytes: of
 * one series they differ in a few digits, so each begins as a copy of the one before.
 */
function histogramWriter(
  sink: TextSink,
  name: string,
  boundaries: readonly number[],
  options: BlockOptions,
): HistogramWriter {
  const { openMetrics } = options;
  const { open } = sampleHead(`${name}_bucket`);
  const sumHead = sampleHead(`${name}_sum`);
  const countHead = sampleHead(`${name}_count`);
  const { tail } = options;
  const bounds = [...boundaries.map((bound) => formatBound(bound, openMetrics)), "+Inf"].map((bound) =>
    Buffer.from(`le="${bound}"} `),
  );
  // A sum that may fall is no counter: OpenMetrics forbids it with negative bounds, and the count comes with the sum or not at all.
  const mayFall = openMetrics && (boundaries[0] ?? 0) < 0;

  const byBucket: (Exemplar | undefined)[] = [];
  const ends: (string | undefined)[] = [];
  return (labels, counts, from, sum, exemplars) => {
    const head = labels === "" ? open : `${open}${labels},`;
    let bytes = (bounds.length + 2) * (head.length * worstBytesPerUnit + lineEndBytes);
    if (exemplars !== undefined) {
      exemplarsByBucket(exemplars, boundaries, byBucket);
      for (let index = 0; index < bounds.length; index++) {
        const exemplar = byBucket[index];
        ends[index] = exemplar === undefined ? undefined : exemplarText(exemplar, options);
        bytes += (ends[index]?.length ?? 0) * worstBytesPerUnit;
      }
    }
    sink.reserve(bytes);
    const seen = sink.buckets(head, bounds, counts, from, tail, exemplars === undefined ? undefined : ends);
    const summed = sum !== undefined && (!openMetrics || (!mayFall && sum >= 0));
    if (summed) writeLine(sink, labels === "" ? sumHead.bare : sumHead.open, labels, formatValue(sum), tail);
    if (!summed && openMetrics) return;
    writeLine(sink, labels === "" ? countHead.bare : countHead.open, labels, String(seen), tail);
  };
}

function exemplarText(exemplar: Exemplar, options: BlockOptions): string {
  const { traceId, spanId, filteredAttributes, value, timeMs } = exemplar;
  // Usually there is nothing but the ids, 32 and 16 hexadecimal digits.
  const labels =
    isEmpty(filteredAttributes) && /^[0-9a-f]{48}$/.test(traceId + spanId)
      ? `trace_id="${traceId}",span_id="${spanId}"`
      : labelText(exemplarLabels(exemplar, options.label));
  return `${options.tail.slice(0, -1)} # {${labels}} ${formatValue(value)} ${secondsText(timeMs)}\n`;
}

function isEmpty(attributes: object): boolean {
  for (const _key in attributes) return false;
  return true;
}

/** Seconds with up to three digits behind the point; the number itself, divided, would show how floats are rounded. */
function secondsText(timeMs: number): string {
  const whole = Math.round(timeMs);
  const seconds = Math.floor(whole / 1000);
  const rest = whole - seconds * 1000;
  return rest === 0 ? String(seconds) : `${seconds}.${rest < 10 ? "00" : rest < 100 ? "0" : ""}${rest}`;
}
