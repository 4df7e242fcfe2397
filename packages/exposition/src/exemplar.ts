import type { Exemplar } from "@almanac/metrics/internal";
import { attributeText } from "./label.ts";
import { exemplarLength, maxExemplarLength } from "./parse/sample.ts";

/**
 * Labels of an exemplar: the ids of its span, then as many of its attributes, in their order, as fit into the 128 characters that
 * OpenMetrics 1.0.0 allows. An attribute that has the name of an id is left out.
 */
export function exemplarLabels(exemplar: Exemplar, label: (key: string) => string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  if (exemplar.traceId !== "") labels.set("trace_id", exemplar.traceId);
  if (exemplar.spanId !== "") labels.set("span_id", exemplar.spanId);
  let length = exemplarLength(labels);
  for (const [key, value] of Object.entries(exemplar.filteredAttributes)) {
    const pair = [label(key), attributeText(value)] as const;
    const size = exemplarLength([pair]);
    if (labels.has(pair[0]) || length + size > maxExemplarLength) continue;
    labels.set(...pair);
    length += size;
  }
  return labels;
}

/** Puts the latest exemplar of each bucket into `into`, which is emptied first; one list serves for a whole family. */
export function exemplarsByBucket(
  exemplars: readonly Exemplar[],
  boundaries: readonly number[],
  into: (Exemplar | undefined)[],
): void {
  for (let bucket = 0; bucket <= boundaries.length; bucket++) into[bucket] = undefined;
  let bucket = 0;
  let last = -Infinity;
  for (const exemplar of exemplars) {
    const { value } = exemplar;
    // Usually they come in the order of their buckets.
    if (!(value >= last)) bucket = 0;
    while (bucket < boundaries.length && !(value <= (boundaries[bucket] as number))) bucket++;
    last = value;
    const before = into[bucket];
    if (before === undefined || before.timeMs <= exemplar.timeMs) into[bucket] = exemplar;
  }
}

export function latest(exemplars: readonly Exemplar[] | undefined): Exemplar | undefined {
  let last: Exemplar | undefined;
  for (const exemplar of exemplars ?? []) if (last === undefined || exemplar.timeMs >= last.timeMs) last = exemplar;
  return last;
}
