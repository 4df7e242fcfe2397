import type { Attributes } from "@opentelemetry/api";
import {
  AggregationTemporality,
  DataPointType,
  type ExponentialHistogram,
  type Histogram,
  type MetricData,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { combineFamilies, type Catalog } from "@almanac/catalog";
import { ExpositionError } from "./error.ts";
import { formatLabels } from "./label.ts";
import { translateName } from "./name.ts";

/** What a page shows of one histogram series. `counts` has one entry more than `bounds`, for +Inf, and is not cumulative. */
interface HistogramValue {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number | undefined;
}

interface FamilyHead {
  /** Exactly the series' name; for a histogram what precedes `_bucket`. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "info";
  readonly help: string;
  readonly unit: string;
  /** Labels that come first, in this order. */
  readonly labelKeys: readonly string[];
}

/** One HELP/TYPE block. Keys of `points` are label pairs, ready for the braces. */
export type Family =
  | (FamilyHead & { readonly type: "counter" | "gauge" | "info"; readonly points: Map<string, number> })
  | (FamilyHead & { readonly type: "histogram"; readonly points: Map<string, HistogramValue> });

/** Families that keep their exact names, by name. */
export type DeclaredFamilies = ReadonlyMap<string, FamilyHead>;

const targetInfoHead: FamilyHead = {
  name: "target_info",
  type: "info",
  help: "Target metadata",
  unit: "",
  labelKeys: [],
};

interface GroupOptions {
  readonly declared: DeclaredFamilies;
  /** Whether the resource's attributes become a family of their own. */
  readonly targetInfo: boolean;
  readonly report: (error: ExpositionError) => void;
}

export function declaredFamilies(catalogs: readonly Catalog[]): DeclaredFamilies {
  const declared = new Map<string, FamilyHead>();
  for (const { name, type, help, unit = "", labelKeys } of combineFamilies(catalogs).values()) {
    declared.set(name, { name, type, help, unit, labelKeys });
  }
  return declared;
}

/**
 * Groups what one collection brought into families, sorted by name, so that every family is one block however many scopes and
 * instruments feed it. Series that coincide (scope labels are not exposed) are merged: counters, up-down counters and histograms of the
 * same buckets add up, of gauges the later wins. What cannot be shown (a counter that is negative or no number, two things of one
 * name) is left out and reported, the rest stays.
 */
export function groupFamilies(metrics: ResourceMetrics, options: GroupOptions): Family[] {
  const { declared, targetInfo, report } = options;
  const families = new Map<string, Family>();
  const claimed = new Map<string, string>();
  if (targetInfo) {
    const points = new Map([[formatLabels(metrics.resource.attributes, false, []), 1]]);
    families.set("target_info", { ...targetInfoHead, points } as Family);
    claimed.set("target_info", "target_info");
  }
  // A declared family has the first claim on its names, whatever registered first.
  const all = metrics.scopeMetrics.flatMap((scope) => scope.metrics).filter((metric) => metric.dataPoints.length > 0);
  const isDeclared = (metric: MetricData): boolean => declared.has(metric.descriptor.name);
  for (const metric of [...all.filter(isDeclared), ...all.filter((metric) => !isDeclared(metric))]) {
    const head = headOf(metric, declared, report);
    if (head === undefined) continue;
    const known = families.get(head.name);
    if (known === undefined) {
      const owner = sampleNames(head)
        .map((name) => claimed.get(name))
        .find((name) => name !== undefined);
      if (owner !== undefined) {
        report(
          new ExpositionError(
            "conflicting_family",
            `${head.type} ${head.name} would share sample names with ${owner}; rename one`,
          ),
        );
        continue;
      }
      for (const name of sampleNames(head)) claimed.set(name, head.name);
    } else if (known.type !== head.type) {
      const message = `instrument ${metric.descriptor.name} is a ${head.type}, but ${head.name} is a ${known.type} already; rename one`;
      report(new ExpositionError("conflicting_family", message));
      continue;
    }
    const family = known ?? { ...head, points: new Map<string, never>() };
    families.set(head.name, family);
    addPoints(family, metric, report);
  }
  return [...families.values()].filter((family) => family.points.size > 0).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function headOf(
  metric: MetricData,
  declared: DeclaredFamilies,
  report: (error: ExpositionError) => void,
): FamilyHead | undefined {
  const type = typeOf(metric);
  const name = metric.descriptor.name;
  if (
    metric.dataPointType !== DataPointType.GAUGE &&
    metric.aggregationTemporality !== AggregationTemporality.CUMULATIVE
  ) {
    report(
      new ExpositionError(
        "conflicting_family",
        `${name} comes with delta temporality; a page shows cumulative values only`,
      ),
    );
    return undefined;
  }
  const family = declared.get(name);
  if (family !== undefined) {
    if (family.type === type) return family;
    report(
      new ExpositionError(
        "conflicting_family",
        `instrument ${name} is a ${type}, but its catalog declares a ${family.type}; rename it`,
      ),
    );
    return undefined;
  }
  const translated = translateName(metric);
  if (translated === undefined) {
    report(
      new ExpositionError(
        "conflicting_family",
        `instrument ${JSON.stringify(name)} has no character a metric name may hold`,
      ),
    );
    return undefined;
  }
  return { ...translated, type, help: metric.descriptor.description, labelKeys: [] };
}

function typeOf(metric: MetricData): FamilyHead["type"] {
  if (metric.dataPointType === DataPointType.GAUGE) return "gauge";
  if (metric.dataPointType === DataPointType.SUM) return metric.isMonotonic ? "counter" : "gauge";
  return "histogram";
}

function sampleNames({ name, type }: FamilyHead): string[] {
  return type === "histogram" ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
}

function addPoints(family: Family, metric: MetricData, report: (error: ExpositionError) => void): void {
  if (family.type === "histogram") {
    const points = metric.dataPoints as readonly { attributes: Attributes; value: Histogram | ExponentialHistogram }[];
    for (const point of points) {
      const labels = formatLabels(point.attributes, true, family.labelKeys);
      const value = histogramValue(point.value);
      const before = family.points.get(labels);
      if (before !== undefined && !sameBounds(before.bounds, value.bounds)) {
        const message = `two instruments feed ${family.name}{${labels}} with different buckets; give both the same`;
        report(new ExpositionError("conflicting_family", message));
        continue;
      }
      family.points.set(labels, before === undefined ? value : addHistograms(before, value));
    }
    return;
  }
  const adds = metric.dataPointType === DataPointType.SUM;
  for (const point of metric.dataPoints as readonly { attributes: Attributes; value: number }[]) {
    const labels = formatLabels(point.attributes, false, family.labelKeys);
    // OpenMetrics forbids it, and nothing can be made of it in text either.
    if (family.type === "counter" && !(point.value >= 0)) {
      report(
        new ExpositionError(
          "invalid_value",
          `counter ${family.name}{${labels}} has the value ${point.value}; a counter starts at 0 and grows`,
        ),
      );
      continue;
    }
    family.points.set(labels, adds ? (family.points.get(labels) ?? 0) + point.value : point.value);
  }
}

function histogramValue(value: Histogram | ExponentialHistogram): HistogramValue {
  // The text formats have no exponential buckets, and bounds that move with the data would be new series at every change of scale.
  if (!("buckets" in value)) return { bounds: [], counts: [value.count], count: value.count, sum: value.sum };
  const { boundaries, counts } = value.buckets;
  if (boundaries.at(-1) !== Infinity) return { bounds: boundaries, counts, count: value.count, sum: value.sum };
  // +Inf as a declared bound is the implicit last bucket.
  const last = boundaries.length - 1;
  const merged = [...counts.slice(0, last), (counts[last] ?? 0) + (counts[last + 1] ?? 0)];
  return { bounds: boundaries.slice(0, last), counts: merged, count: value.count, sum: value.sum };
}

function sameBounds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((bound, index) => bound === b[index]);
}

function addHistograms(a: HistogramValue, b: HistogramValue): HistogramValue {
  return {
    bounds: a.bounds,
    counts: a.counts.map((count, index) => count + (b.counts[index] ?? 0)),
    count: a.count + b.count,
    sum: a.sum === undefined || b.sum === undefined ? undefined : a.sum + b.sum,
  };
}
