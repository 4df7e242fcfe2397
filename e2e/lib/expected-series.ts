import type { Attributes } from "@opentelemetry/api";
import type { Measurement, PlannedInstrument } from "../targets/plan.ts";
import type { Labels } from "./prometheus-api.ts";

/** What happens to names on the way. */
export interface Renaming {
  family(name: string): string;
  label(key: string): string;
}

export interface ExpectOptions {
  readonly renaming: Renaming;
  /** Whether exponential histograms become native ones, or the count, the sum and one bucket. */
  readonly exponential: "native" | "classic";
}

/** What Prometheus must have stored of a plan. Keys are `seriesKey`s. */
export interface Expected {
  readonly values: ReadonlyMap<string, number>;
  /** The recorded values of each native histogram. */
  readonly native: ReadonlyMap<string, readonly number[]>;
}

/** Identity of a series apart from its target's labels; equal however `le` is written. A label with an empty value is none. */
export function seriesKey(name: string, labels: Labels): string {
  const pairs = Object.entries(labels)
    .filter(([key, value]) => value !== "" && !["__name__", "job", "instance"].includes(key))
    .map(([key, value]) => [key, key === "le" ? String(Number(value.replace(/^\+Inf$/, "Infinity"))) : value])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return `${name}${JSON.stringify(Object.fromEntries(pairs))}`;
}

/** Works out the series of a plan, by the rules of the exposition formats and by nothing of the program under test. */
export function expectSeries(plan: readonly PlannedInstrument[], { renaming, exponential }: ExpectOptions): Expected {
  const values = new Map<string, number>();
  const native = new Map<string, readonly number[]>();
  for (const planned of plan) {
    const name = renaming.family(planned.name);
    for (const { labels, measurements } of seriesOf(planned, renaming)) {
      const recorded = measurements.map(({ value }) => value);
      const sum = recorded.reduce((total, value) => total + value, 0);
      if (planned.kind === "gauge") {
        values.set(seriesKey(name, labels), recorded.at(-1) ?? 0);
      } else if (planned.kind === "counter" || planned.kind === "upDownCounter") {
        values.set(seriesKey(name, labels), sum);
      } else if (planned.kind === "exponential" && exponential === "native") {
        native.set(seriesKey(name, labels), recorded);
      } else {
        values.set(seriesKey(`${name}_count`, labels), recorded.length);
        values.set(seriesKey(`${name}_sum`, labels), sum);
        for (const bound of [...(planned.bounds ?? []), Infinity]) {
          const within = recorded.filter((value) => value <= bound).length;
          values.set(seriesKey(`${name}_bucket`, { ...labels, le: String(bound) }), within);
        }
      }
    }
  }
  return { values, native };
}

/** One exemplar: the series it belongs to, its value and its trace. */
export function exemplarKey(series: string, value: number, traceId: string): string {
  return `${series} ${value} trace ${traceId}`;
}

export interface ExpectExemplarsOptions extends ExpectOptions {
  /** Whether exemplars of this instrument survive the way to Prometheus. */
  readonly carries: (planned: PlannedInstrument) => boolean;
  /** By instrument and position, the trace of each measurement. */
  readonly traceIds: Readonly<Record<string, readonly (string | null)[]>>;
}

/** The exemplars that must be stored: of sums the sampled one, of classic histograms the last sampled one per bucket, else all. */
export function expectExemplars(plan: readonly PlannedInstrument[], options: ExpectExemplarsOptions): Set<string> {
  const { renaming, exponential, carries, traceIds } = options;
  const exemplars = new Map<string, string>();
  for (const planned of plan.filter(carries)) {
    const name = renaming.family(planned.name);
    for (const { labels, measurements } of seriesOf(planned, renaming)) {
      for (const measurement of measurements) {
        if (measurement.within !== "sampled") continue;
        const traceId = traceIds[planned.name]?.[planned.measurements.indexOf(measurement)] ?? "(none)";
        const isNative = planned.kind === "exponential" && exponential === "native";
        const isSum = planned.kind === "counter" || planned.kind === "upDownCounter";
        const bound = (planned.bounds ?? []).find((candidate) => measurement.value <= candidate) ?? Infinity;
        const series =
          isNative || isSum ? seriesKey(name, labels) : seriesKey(`${name}_bucket`, { ...labels, le: String(bound) });
        // A native histogram keeps one after the other, the rest have one place per series.
        exemplars.set(isNative ? `${series} ${traceId}` : series, exemplarKey(series, measurement.value, traceId));
      }
    }
  }
  return new Set(exemplars.values());
}

interface PlannedSeries {
  readonly labels: Labels;
  readonly measurements: readonly Measurement[];
}

function seriesOf(planned: PlannedInstrument, renaming: Renaming): PlannedSeries[] {
  const rename = (attributes: Attributes): Labels =>
    Object.fromEntries(Object.entries(attributes).map(([key, value]) => [renaming.label(key), String(value)]));
  return [
    ...Map.groupBy(planned.measurements, ({ attributes }) =>
      JSON.stringify(Object.entries(attributes).sort()),
    ).values(),
  ].map((measurements) => ({ labels: rename(measurements[0]?.attributes ?? {}), measurements }));
}

/** Lines that say how `found` differs from `expected`; values are equal when they are the same number, NaN included. */
export function differences<V>(
  expected: ReadonlyMap<string, V>,
  found: ReadonlyMap<string, V>,
  same: (a: V, b: V) => boolean = Object.is,
): string[] {
  const lines: string[] = [];
  for (const [key, value] of expected) {
    if (!found.has(key)) lines.push(`missing ${key}, expected ${String(value)}`);
    else if (!same(found.get(key) as V, value))
      lines.push(`${key} is ${String(found.get(key))}, expected ${String(value)}`);
  }
  for (const [key, value] of found) if (!expected.has(key)) lines.push(`unexpected ${key}: ${String(value)}`);
  return lines;
}
