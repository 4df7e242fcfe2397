import type { Exemplar } from "@almanac/metrics/internal";
import { ByteTextList, worstBytesPerUnit } from "./byte-texts.ts";
import { exemplarLabels } from "./exemplar.ts";
import { labelText } from "./label.ts";
import type { TextSink } from "./text-sink.ts";

export interface ExemplarOptions {
  /** The name of a label of an exemplar. */
  readonly label: (key: string) => string;
  /** The end of every line without an exemplar; its line feed comes behind the exemplar. */
  readonly tail: string;
}

/** Ids, value, time and what stands between them, where there is nothing but the ids of a span. */
const usualBytes = 160;
const traceIdLength = 32;
const spanIdLength = 16;
const [space, lineFeed, point, zero] = [0x20, 0x0a, 0x2e, 0x30];

/** Bytes that the end of a line with this exemplar takes at most. */
export function exemplarBytes(exemplar: Exemplar, options: ExemplarOptions): number {
  const usual = usualBytes + options.tail.length;
  if (hasOnlyIds(exemplar)) return usual;
  return usual + labelText(exemplarLabels(exemplar, options.label)).length * worstBytesPerUnit;
}

/** Writes the end of a line, exemplar included, where room for it has been reserved. */
export function exemplarWriter(sink: TextSink, options: ExemplarOptions): (exemplar: Exemplar) => void {
  const before = `${options.tail.slice(0, -1)} # {`;
  const pieces = new ByteTextList([`${before}trace_id="`, `",span_id="`, `"} `]).texts();
  return (exemplar) => {
    const start = sink.position;
    sink.copy(pieces, 0);
    if (hasOnlyIds(exemplar) && writeIds(exemplar)) {
      sink.copy(pieces, 2);
    } else {
      sink.rewind(start);
      sink.text(`${before}${labelText(exemplarLabels(exemplar, options.label))}} `);
    }
    sink.value(exemplar.value);
    sink.byte(space);
    writeSeconds(sink, exemplar.timeMs);
    sink.byte(lineFeed);
  };

  function writeIds({ traceId, spanId }: Exemplar): boolean {
    if (!sink.id(traceId)) return false;
    sink.copy(pieces, 1);
    return sink.id(spanId);
  }
}

/** Usually there is nothing else. */
function hasOnlyIds({ traceId, spanId, filteredAttributes }: Exemplar): boolean {
  for (const _key in filteredAttributes) return false;
  return traceId.length === traceIdLength && spanId.length === spanIdLength;
}

/** Seconds with up to three digits behind the point; the number itself, divided, would show how floats are rounded. */
function writeSeconds(sink: TextSink, timeMs: number): void {
  const whole = Math.round(timeMs);
  const seconds = Math.floor(whole / 1000);
  const rest = whole - seconds * 1000;
  sink.value(seconds);
  if (rest === 0) return;
  sink.byte(point);
  if (rest < 100) sink.byte(zero);
  if (rest < 10) sink.byte(zero);
  sink.value(rest);
}
