import type { ParsedExemplar, ParsedNativeHistogram, ParsedSample } from "./model.ts";
import { readExemplar } from "./protobuf-exemplar.ts";
import type { WireReader } from "./wire.ts";
import { formatValue } from "../number.ts";

interface Target {
  readonly name: string;
  readonly type: "histogram" | "gaugehistogram";
  readonly labels: ReadonlyMap<string, string>;
  readonly timestampMs: number | undefined;
  readonly samples: ParsedSample[];
  readonly nativeHistograms: ParsedNativeHistogram[];
}

interface Bucket {
  readonly bound: number;
  readonly count: number;
  readonly exemplar: ParsedExemplar | undefined;
}

interface Side {
  readonly spans: { readonly offset: number; readonly length: number }[];
  readonly deltas: number[];
  readonly counts: number[];
}

/** Adds the message's classic buckets as samples and, where it has spans or a zero bucket, its native histogram. */
export function readHistogram(reader: WireReader, target: Target): void {
  let count = 0;
  let countFloat = 0;
  let sum = 0;
  let schema = 0;
  let zeroThreshold = 0;
  let zeroCount = 0;
  let zeroCountFloat = 0;
  const positive: Side = { spans: [], deltas: [], counts: [] };
  const negative: Side = { spans: [], deltas: [], counts: [] };
  const buckets: Bucket[] = [];
  const exemplars: ParsedExemplar[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) count = reader.unsigned();
    else if (field === 2) sum = reader.double();
    else if (field === 3) buckets.push(readBucket(reader.message()));
    else if (field === 4) countFloat = reader.double();
    else if (field === 5) schema = reader.zigzag();
    else if (field === 6) zeroThreshold = reader.double();
    else if (field === 7) zeroCount = reader.unsigned();
    else if (field === 8) zeroCountFloat = reader.double();
    else if (field === 9) negative.spans.push(readSpan(reader.message()));
    else if (field === 10) reader.zigzags(negative.deltas);
    else if (field === 11) reader.doubles(negative.counts);
    else if (field === 12) positive.spans.push(readSpan(reader.message()));
    else if (field === 13) reader.zigzags(positive.deltas);
    else if (field === 14) reader.doubles(positive.counts);
    else if (field === 16) exemplars.push(readExemplar(reader.message()));
    else reader.skip();
  }
  if (countFloat > 0) count = countFloat;
  if (zeroCountFloat > 0) zeroCount = zeroCountFloat;
  const native =
    positive.spans.length + negative.spans.length > 0 ||
    positive.deltas.length + negative.deltas.length + positive.counts.length + negative.counts.length > 0 ||
    zeroThreshold > 0 ||
    zeroCount > 0;
  addClassic(reader, target, buckets, { count, sum, optional: native });
  if (!native) return;
  if (!(Number.isInteger(schema) && schema >= -4 && schema <= 8)) {
    throw reader.error(`a native histogram's schema lies between -4 and 8, not ${schema}`);
  }
  if (!(zeroThreshold >= 0)) throw reader.error(`a zero bucket of the width ${zeroThreshold}`);
  const { labels, timestampMs } = target;
  const histogram: ParsedNativeHistogram = {
    labels,
    timestampMs,
    schema,
    zeroThreshold,
    zeroCount,
    count,
    sum,
    positive: readSide(reader, positive),
    negative: readSide(reader, negative),
    exemplars,
  };
  let total = zeroCount;
  for (const side of [histogram.positive, histogram.negative]) for (const inside of side.values()) total += inside;
  // NaN is observed but lies in no bucket. Rounding of floats is no mistake.
  const fits = Number.isNaN(sum) ? total <= count : total === count;
  if (!fits && Math.abs(total - count) > count * 1e-9) {
    throw reader.error(`the native buckets of ${target.name} hold ${total} events, but it counts ${count}`);
  }
  target.nativeHistograms.push(histogram);
}

function addClassic(
  reader: WireReader,
  { name, type, labels, timestampMs, samples }: Target,
  buckets: readonly Bucket[],
  { count, sum, optional }: { readonly count: number; readonly sum: number; readonly optional: boolean },
): void {
  const gauge = type === "gaugehistogram";
  if (!(count >= 0 && count < Infinity)) throw reader.error(`the histogram ${name} counts ${count} events`);
  let bound = -Infinity;
  let last = 0;
  for (const [index, bucket] of buckets.entries()) {
    if (Number.isNaN(bucket.bound) || (index > 0 && bucket.bound <= bound)) {
      throw reader.error(`the bound ${bucket.bound} of ${name} does not exceed the one before it`);
    }
    if (!(bucket.count >= last))
      throw reader.error(`a bucket of ${name} holds ${bucket.count}, less than the one before it`);
    bound = bucket.bound;
    last = bucket.count;
    const withBound = new Map(labels).set("le", formatValue(bound));
    samples.push({ name: `${name}_bucket`, labels: withBound, value: last, timestampMs, exemplar: bucket.exemplar });
  }
  if (bound === Infinity ? last !== count : last > count) {
    throw reader.error(`the histogram ${name} counts ${count} events, but its buckets hold ${last}`);
  }
  if (bound !== Infinity && !(optional && buckets.length === 0)) {
    const withBound = new Map(labels).set("le", "+Inf");
    samples.push({ name: `${name}_bucket`, labels: withBound, value: count, timestampMs, exemplar: undefined });
  }
  const rest = { labels, timestampMs, exemplar: undefined };
  samples.push({ name: `${name}${gauge ? "_gsum" : "_sum"}`, value: sum, ...rest });
  samples.push({ name: `${name}${gauge ? "_gcount" : "_count"}`, value: count, ...rest });
}

function readBucket(reader: WireReader): Bucket {
  let count = 0;
  let countFloat = 0;
  let bound = 0;
  let exemplar: ParsedExemplar | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) count = reader.unsigned();
    else if (field === 2) bound = reader.double();
    else if (field === 3) exemplar = readExemplar(reader.message());
    else if (field === 4) countFloat = reader.double();
    else reader.skip();
  }
  return { bound, count: countFloat > 0 ? countFloat : count, exemplar };
}

function readSpan(reader: WireReader): { readonly offset: number; readonly length: number } {
  let offset = 0;
  let length = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) offset = reader.zigzag();
    else if (field === 2) length = reader.unsigned();
    else reader.skip();
  }
  return { offset, length };
}

/** The buckets that are not empty, by index. A span's length is checked against the values there are before it is walked. */
function readSide(reader: WireReader, { spans, deltas, counts }: Side): Map<number, number> {
  const float = counts.length > 0;
  if (float && deltas.length > 0) throw reader.error("a native histogram has either whole or float buckets");
  const values = float ? counts : deltas;
  const buckets = new Map<number, number>();
  let value = 0;
  let used = 0;
  let index = 0;
  for (const [position, { offset, length }] of spans.entries()) {
    if (position > 0 && offset < 0) throw reader.error("the spans of a native histogram overlap");
    if (length > values.length - used)
      throw reader.error("a native histogram has fewer buckets than its spans ask for");
    index += offset;
    for (const end = used + length; used < end; used++, index++) {
      value = float ? (values[used] ?? 0) : value + (values[used] ?? 0);
      if (!(value >= 0)) throw reader.error(`a native bucket holds ${value} events`);
      if (value > 0) buckets.set(index, value);
    }
    if (!(Math.abs(index) < 2 ** 31)) throw reader.error(`${index} is no index of a native bucket`);
  }
  if (used < values.length) throw reader.error("a native histogram has more buckets than its spans name");
  return buckets;
}
