import type { Catalog } from "@almanac/catalog";
import { combineFamilies } from "@almanac/catalog";
import type { ExponentialPoint, MetricsSnapshot, StreamSnapshot } from "@almanac/metrics/internal";
import type { Attributes } from "@opentelemetry/api";
import { AggregationTemporality, InstrumentType } from "@opentelemetry/sdk-metrics";
import { ExpositionError } from "./error.ts";
import { prepareLabels, type LabelCache, type LabelSource } from "./label-cache.ts";
import { mergeBlocks } from "./merge.ts";
import type { NamedMetric } from "./name.ts";
import type { Naming } from "./naming.ts";
import { seriesNames } from "./openmetrics-head.ts";

export interface FamilyHead {
  /** Exactly the series' name; for a histogram what precedes `_bucket`. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "info";
  readonly help: string;
  readonly unit: string;
  /** Labels that come first, in this order. */
  readonly labelKeys: readonly string[];
}

/** Columns of values, and the labels by row. */
export interface Block {
  readonly columns: StreamSnapshot;
  readonly labels: LabelSource;
}

/** One HELP/TYPE block. Usually all its series stand in one block of columns; histograms of different buckets make several. */
export interface Family extends FamilyHead {
  readonly blocks: readonly Block[];
}

/** Families that keep their exact names, by name. */
export type DeclaredFamilies = ReadonlyMap<string, FamilyHead>;

export interface GroupOptions {
  readonly declared: DeclaredFamilies;
  readonly naming: Naming;
  readonly cache: LabelCache;
  /** Whether the resource's attributes become a family of their own. */
  readonly targetInfo: boolean;
  /** Whether every series says by `otel_scope_…` labels which meter it comes from. */
  readonly scopeLabels: boolean;
  /** The resource's attributes whose keys match become labels of every series. */
  readonly resourceLabels: RegExp | undefined;
  /** Put before each name that no catalog declares. */
  readonly prefix: string;
  readonly report: Report;
}

/** `family` is given where the error's text differs from series to series, or from time to time. */
export type Report = (error: ExpositionError, family?: string) => void;

const targetInfoHead: FamilyHead = {
  name: "target_info",
  type: "info",
  help: "Target metadata",
  unit: "",
  labelKeys: [],
};

export function declaredFamilies(catalogs: readonly Catalog[]): DeclaredFamilies {
  const declared = new Map<string, FamilyHead>();
  for (const { name, type, help, unit = "", labelKeys } of combineFamilies(catalogs).values()) {
    declared.set(name, { name, type, help, unit, labelKeys });
  }
  return declared;
}

/** A stream with the labels that its scope and the resource add to every series. */
export interface ScopedStream {
  readonly columns: StreamSnapshot;
  readonly extra: Attributes | undefined;
}

/**
 * Groups what one collection brought into families, sorted by name, so that every family is one block however many scopes and
 * instruments feed it. Series that coincide (scope labels are not exposed unless asked for) are merged: counters, up-down counters and
 * histograms of the same buckets add up, of gauges the later wins. What cannot be shown (a counter that is negative or no number, a
 * histogram that contradicts itself, two things of one name) is left out and reported, the rest stays. Works in steps, so that the caller
 * may pause between them.
 */
export function* groupFamilies(snapshot: MetricsSnapshot, options: GroupOptions): Generator<undefined, Family[]> {
  const { declared, report, naming, cache } = options;
  const heads = new Map<string, { readonly head: FamilyHead; readonly streams: ScopedStream[] }>();
  const claimed = new Map<string, string>();
  if (options.targetInfo) {
    const columns = targetInfo(snapshot);
    heads.set("target_info", { head: targetInfoHead, streams: [{ columns, extra: undefined }] });
    claimed.set("target_info", "target_info");
  }
  const resourceLabels = matching(snapshot.resource.attributes, options.resourceLabels);
  // A declared family has the first claim on its names, whatever registered first.
  const all = snapshot.scopes.flatMap(({ scope, streams }) => {
    const extra = options.scopeLabels ? { ...scopeLabels(scope), ...resourceLabels } : resourceLabels;
    return streams.map((columns) => ({ columns, extra }));
  });
  const isDeclared = ({ columns }: ScopedStream): boolean => declared.has(columns.descriptor.name);
  for (const stream of [...all.filter(isDeclared), ...all.filter((candidate) => !isDeclared(candidate))]) {
    const { columns } = stream;
    if (columns.size === 0) continue;
    const head = headOf(columns, options);
    if (head === undefined) continue;
    const known = heads.get(head.name);
    if (known === undefined) {
      const owner = seriesNames(head)
        .map((name) => claimed.get(name))
        .find((name) => name !== undefined);
      if (owner !== undefined) {
        const message = `${head.type} ${head.name} would share sample names with ${owner}; rename one`;
        report(new ExpositionError("conflicting_family", message));
        continue;
      }
      for (const name of seriesNames(head)) claimed.set(name, head.name);
      heads.set(head.name, { head, streams: [stream] });
    } else if (known.head.type !== head.type) {
      const message = `instrument ${columns.descriptor.name} is a ${head.type}, but ${head.name} is a ${known.head.type} already; rename one`;
      report(new ExpositionError("conflicting_family", message));
    } else {
      known.streams.push(stream);
    }
  }
  const families: Family[] = [];
  for (const { head, streams } of heads.values()) {
    const rules = { histogram: head.type === "histogram", order: head.labelKeys, label: naming.label };
    const blocks: Block[] = [];
    let collide = streams.length > 1;
    for (const stream of streams) {
      const columns = withoutInvalid(stream.columns, head, report);
      const labels = yield* prepareLabels(cache, { ...stream, columns }, naming.id, rules);
      collide ||= labels.collide;
      blocks.push({ columns, labels });
    }
    const merged = collide ? mergeBlocks(head, blocks, report) : blocks;
    const filled = merged.filter(({ columns }) => columns.size > 0);
    if (filled.length > 0) families.push({ ...head, blocks: filled });
    yield;
  }
  return families.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function targetInfo({ resource, timeMs }: MetricsSnapshot): StreamSnapshot {
  return {
    kind: "gauge",
    monotonic: false,
    stream: resource,
    descriptor: { name: "target_info", description: "", unit: "", type: InstrumentType.GAUGE, valueType: 0 },
    temporality: AggregationTemporality.CUMULATIVE,
    rows: 1,
    size: 1,
    attributes: [resource.attributes],
    startTimesMs: [timeMs],
    exemplars: undefined,
    values: Float64Array.of(1),
  };
}

function matching(attributes: Attributes, pattern: RegExp | undefined): Attributes | undefined {
  if (pattern === undefined) return undefined;
  // Not test(): a global expression would go on where it stopped.
  return Object.fromEntries(Object.entries(attributes).filter(([key]) => key.search(pattern) >= 0));
}

function scopeLabels(scope: MetricsSnapshot["scopes"][number]["scope"]): Attributes {
  return {
    "otel.scope.name": scope.name,
    ...(scope.version ? { "otel.scope.version": scope.version } : {}),
    ...(scope.schemaUrl ? { "otel.scope.schema_url": scope.schemaUrl } : {}),
  };
}

function headOf(columns: StreamSnapshot, options: GroupOptions): FamilyHead | undefined {
  const { declared, report, naming, prefix } = options;
  const kind = kindOf(columns);
  const type = kind === "up-down counter" ? "gauge" : kind;
  const { name, description, unit } = columns.descriptor;
  if (kind !== "gauge" && columns.temporality !== AggregationTemporality.CUMULATIVE) {
    const message = `${name} comes with delta temporality; a page shows cumulative values only`;
    report(new ExpositionError("conflicting_family", message));
    return undefined;
  }
  const family = declared.get(name);
  if (family !== undefined) {
    if (family.type === type) return family;
    const message = `instrument ${name} is a ${type}, but its catalog declares a ${family.type}; rename it`;
    report(new ExpositionError("conflicting_family", message));
    return undefined;
  }
  const translated = naming.metric({ name: prefix === "" ? name : `${prefix}_${name}`, unit, kind });
  if (translated === undefined) {
    const message = `instrument ${JSON.stringify(name)} has no character a metric name may hold`;
    report(new ExpositionError("conflicting_family", message));
    return undefined;
  }
  return { ...translated, type, help: description, labelKeys: [] };
}

function kindOf(columns: StreamSnapshot): NamedMetric["kind"] {
  if (columns.kind === "gauge") return "gauge";
  if (columns.kind === "sum") return columns.monotonic ? "counter" : "up-down counter";
  return "histogram";
}

/** The same columns, or where some series cannot be shown, a copy with holes in these rows. */
function withoutInvalid(columns: StreamSnapshot, head: FamilyHead, report: Report): StreamSnapshot {
  if (columns.kind !== "exponential" && (columns.kind !== "sum" || head.type !== "counter")) return columns;
  let attributes: (Attributes | undefined)[] | undefined;
  let size = columns.size;
  for (let row = 0; row < columns.rows; row++) {
    if (columns.attributes[row] === undefined) continue;
    const problem =
      columns.kind === "exponential" ? pointProblem(columns.points[row]) : counterProblem(columns.values[row] ?? NaN);
    if (problem === undefined) continue;
    const message = `${head.type} ${head.name}${JSON.stringify(columns.attributes[row])} ${problem}`;
    report(new ExpositionError("invalid_value", message), head.name);
    attributes ??= [...columns.attributes];
    attributes[row] = undefined;
    size--;
  }
  return attributes === undefined ? columns : { ...columns, attributes, size };
}

function counterProblem(value: number): string | undefined {
  // OpenMetrics forbids it, and nothing can be made of it in text either.
  return value >= 0 ? undefined : `has the value ${value}; a counter starts at 0 and grows`;
}

/** The official MeterProvider makes such points of an observable instrument whose view wants an exponential histogram. */
function pointProblem(point: ExponentialPoint | undefined): string | undefined {
  if (point === undefined) return undefined;
  let held = point.zeroCount;
  for (const { counts } of [point.positive, point.negative]) for (const count of counts) held += count;
  if (held === point.count) return undefined;
  return `counts ${point.count} events, but its buckets hold ${held}; give its view another aggregation`;
}
