import { ValueType } from "@opentelemetry/api";
import type { AnyValue, Attributes } from "@opentelemetry/api";
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
import { isInteger } from "./backward-writer.ts";
import type { MessageFormat } from "./messages.ts";
import { createSeriesCache, SeriesBytes } from "./series-bytes.ts";
import { doubleText, integerText, TextWriter } from "./text-writer.ts";
import { unixNanosText } from "./unix-nanos.ts";

const dataName = {
  gauge: "gauge",
  sum: "sum",
  histogram: "histogram",
  exponential: "exponentialHistogram",
} as const;

/**
 * OTLP's JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): ids in hexadecimal, 64-bit integers as texts, enums as
 * numbers, names in camel case. Attributes are encoded once per series. Memory: as with protobuf.
 */
export function createJsonFormat(): MessageFormat {
  const writer = new TextWriter();
  const seriesOf = createSeriesCache();
  let time = "";
  let startMs = NaN;
  /** What follows a series' attributes, up to its values; what follows the counts of buckets. */
  let times = Buffer.alloc(0);
  let afterTimes = "";
  let afterCounts = Buffer.alloc(0);
  let stream: StreamSnapshot | undefined;
  let series = new SeriesBytes();
  let integers = false;
  let points = 0;

  /** Up to the quotation mark before the time at which a series began. */
  function putAttributes(row: number, attributes: Attributes): void {
    if (series.has(row, attributes)) {
      writer.copy(series.bytes, series.starts[row]!, series.ends[row]!);
      return;
    }
    const from = writer.at;
    writer.text(`{"attributes":${attributesText(attributes)},"startTimeUnixNano":"`);
    series.keep(row, attributes, writer.bytes, from, writer.at);
  }

  function putValue(name: string, value: number): void {
    if (integers && isInteger(value)) {
      writer.ascii(`,"asInt":`);
      writer.integer(value);
    } else {
      writer.ascii(name);
      writer.double(value);
    }
  }

  function putExemplars(exemplars: readonly Exemplar[]): void {
    writer.ascii(`,"exemplars":[`);
    for (const { value, timeMs, traceId, spanId, filteredAttributes } of exemplars) {
      writer.comma();
      writer.ascii(`{"timeUnixNano":"${unixNanosText(timeMs)}"`);
      putValue(`,"asDouble":`, value);
      if (isHexadecimal(spanId)) writer.ascii(`,"spanId":"${spanId}"`);
      if (isHexadecimal(traceId)) writer.ascii(`,"traceId":"${traceId}"`);
      for (const _key in filteredAttributes) {
        writer.text(`,"filteredAttributes":${attributesText(filteredAttributes)}`);
        break;
      }
      writer.ascii("}");
    }
    writer.ascii("]");
  }

  function putHistogram({ values, stride, hasSum, hasMinMax }: HistogramSnapshot, row: number): void {
    const base = row * stride;
    let total = 0;
    for (let index = base + histogramCounts; index < base + stride; index++) total += values[index]!;
    writer.integers(values, base + histogramCounts, base + stride);
    writer.put(afterCounts);
    writer.integer(total);
    if (hasSum) {
      writer.ascii(`,"sum":`);
      writer.double(values[base + histogramSum]!);
    }
    putMinMax(hasMinMax, values[base + histogramMin]!, values[base + histogramMax]!);
  }

  function putMinMax(wanted: boolean, min: number, max: number): void {
    if (!wanted || !(min <= max)) return;
    writer.ascii(`,"min":`);
    writer.double(min);
    writer.ascii(`,"max":`);
    writer.double(max);
  }

  function putExponential({ points: rows, hasSum, hasMinMax }: ExponentialSnapshot, row: number): void {
    const point = rows[row];
    if (point === undefined) return;
    const { count, sum, scale, zeroCount, positive, negative, min, max } = point;
    writer.ascii(`,"count":"${integerText(count)}","scale":${scale},"zeroCount":"${integerText(zeroCount)}"`);
    if (hasSum) {
      writer.ascii(`,"sum":`);
      writer.double(sum);
    }
    writer.ascii(`,"positive":${bucketsText(positive)},"negative":${bucketsText(negative)}`);
    putMinMax(hasMinMax, min, max);
  }

  function putPoint(row: number, attributes: Attributes): void {
    const { kind, startTimesMs, exemplars } = stream!;
    writer.comma();
    putAttributes(row, attributes);
    const rowStartMs = startTimesMs[row]!;
    if (rowStartMs !== startMs) {
      startMs = rowStartMs;
      times = Buffer.from(`${unixNanosText(rowStartMs)}${afterTimes}`);
    }
    writer.put(times);
    switch (kind) {
      case "sum":
      case "gauge":
        putValue(`,"asDouble":`, (stream as ScalarSnapshot).values[row]!);
        break;
      case "histogram":
        putHistogram(stream as HistogramSnapshot, row);
        break;
      case "exponential":
        putExponential(stream as ExponentialSnapshot, row);
        break;
    }
    const taken = exemplars?.[row];
    if (taken !== undefined && taken.length > 0) putExemplars(taken);
    writer.ascii("}");
  }

  return {
    backward: false,

    openResource({ attributes }: Resource, timeMs: number) {
      writer.reset();
      points = 0;
      time = unixNanosText(timeMs);
      writer.text(`{"resourceMetrics":[{"resource":{"attributes":${attributesText(attributes)}},"scopeMetrics":[`);
    },

    openScope({ name, version }: ScopeSnapshot["scope"]) {
      writer.comma();
      writer.text(`{"scope":{"name":${quoted(name)}${version ? `,"version":${quoted(version)}` : ""}},"metrics":[`);
    },

    openMetric(next: StreamSnapshot) {
      stream = next;
      series = seriesOf(stream.stream);
      integers = stream.descriptor.valueType === ValueType.INT;
      const { name, description, unit } = stream.descriptor;
      writer.comma();
      writer.text(`{"name":${quoted(name)}`);
      if (description) writer.text(`,"description":${quoted(description)}`);
      if (unit) writer.text(`,"unit":${quoted(unit)}`);
      writer.text(`,"${dataName[stream.kind]}":{"dataPoints":[`);
      startMs = NaN;
      afterTimes = `","timeUnixNano":"${time}"${next.kind === "histogram" ? `,"bucketCounts":[` : ""}`;
      if (next.kind === "histogram") {
        afterCounts = Buffer.from(`],"explicitBounds":[${next.boundaries.map(doubleText).join()}],"count":`);
      }
    },

    writePoints(from: number, steps: number, maxBytes: number) {
      const { attributes } = stream!;
      for (let step = 0; step < steps; step++) {
        const own = attributes[from + step];
        if (own === undefined) continue;
        putPoint(from + step, own);
        points++;
        if (writer.at >= maxBytes) return step + 1;
      }
      return steps;
    },

    closeMetric({ kind, temporality, ...rest }: StreamSnapshot) {
      writer.ascii("]");
      if (kind !== "gauge") {
        writer.ascii(`,"aggregationTemporality":${temporality === AggregationTemporality.DELTA ? 1 : 2}`);
      }
      if ("monotonic" in rest && kind === "sum") writer.ascii(`,"isMonotonic":${rest.monotonic}`);
      writer.ascii("}}");
    },

    closeScope({ schemaUrl }: ScopeSnapshot["scope"]) {
      writer.text(schemaUrl ? `],"schemaUrl":${quoted(schemaUrl)}}` : "]}");
    },

    closeResource({ schemaUrl }: Resource) {
      writer.text(schemaUrl ? `],"schemaUrl":${quoted(schemaUrl)}}]}` : "]}]}");
      return { bytes: writer.message(), points };
    },

    length: () => writer.at,
  };
}

function bucketsText({ offset, counts }: ExponentialBuckets): string {
  return `{"offset":${offset},"bucketCounts":[${counts.map((count) => `"${integerText(count)}"`).join()}]}`;
}

function attributesText(attributes: Readonly<Record<string, unknown>>): string {
  let text = "[";
  for (const key of Object.keys(attributes)) {
    if (text.length > 1) text += ",";
    text += `{"key":${quoted(key)},"value":${anyValueText(attributes[key])}}`;
  }
  return `${text}]`;
}

function anyValueText(value: AnyValue): string {
  switch (typeof value) {
    case "string":
      return `{"stringValue":${quoted(value)}}`;
    case "boolean":
      return `{"boolValue":${value}}`;
    case "number":
      if (isInteger(value)) return `{"intValue":"${integerText(value)}"}`;
      return `{"doubleValue":${doubleText(value)}}`;
    case "undefined":
    case "bigint":
    case "symbol":
    case "function":
      return "{}";
    case "object":
      break;
  }
  if (value === null) return "{}";
  if (value instanceof Uint8Array) return `{"bytesValue":"${Buffer.from(value).toString("base64")}"}`;
  if (Array.isArray(value)) {
    return `{"arrayValue":{"values":[${value.map((item) => anyValueText(item as AnyValue)).join()}]}}`;
  }
  return `{"kvlistValue":{"values":${attributesText(value as Attributes)}}}`;
}

/** Receivers may refuse a message with half a surrogate pair in it. */
function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed());
}

function isHexadecimal(digits: string): boolean {
  return digits.length > 0 && digits.length % 2 === 0 && /^[0-9a-f]+$/i.test(digits);
}
