import type { ExponentialPoint, Exemplar, StreamSnapshot } from "@almanac/metrics/internal";
import { ByteTextList } from "./byte-texts.ts";
import { ExpositionError } from "./error.ts";
import type { Block, FamilyHead, Report } from "./family.ts";
import { seriesKey } from "./label.ts";

interface Series extends Block {
  readonly row: number;
}

/**
 * A family's blocks with no series twice. Where they have the same series, sums and histograms of equal buckets add up, of gauges the
 * later wins; a histogram of other buckets than the first of its labels is left out and reported. One block per set of buckets.
 */
export function mergeBlocks(head: FamilyHead, blocks: readonly Block[], report: Report): readonly Block[] {
  const groups = new Map<string, Series[]>();
  for (const { columns, labels } of blocks) {
    for (let row = 0; row < columns.rows; row++) {
      if (columns.attributes[row] === undefined) continue;
      const text = labels.text(row);
      const series = { columns, labels, row };
      const key = seriesKey(text);
      const group = groups.get(key);
      if (group === undefined) {
        groups.set(key, [series]);
      } else if (group[0] !== undefined && shapeOf(group[0].columns) !== shapeOf(columns)) {
        const message = `two instruments feed ${head.name}{${text}} with different buckets; give both the same`;
        report(new ExpositionError("conflicting_family", message), head.name);
      } else {
        group.push(series);
      }
    }
  }
  const byShape = Map.groupBy(groups.values(), ([first]) => (first === undefined ? "" : shapeOf(first.columns)));
  return [...byShape.values()].map(combine);
}

function shapeOf(columns: StreamSnapshot): string {
  if (columns.kind === "histogram") return columns.boundaries.join(",");
  return columns.kind === "exponential" ? "exponential" : "";
}

function combine(groups: readonly (readonly Series[])[]): Block {
  const firsts = groups.flatMap((group) => group.slice(0, 1));
  const [first] = firsts;
  if (first === undefined) throw new TypeError("a shape without series");
  const exemplars = groups.map((group) => group.flatMap(({ columns, row }) => columns.exemplars?.[row] ?? []));
  const base = {
    stream: {},
    rows: groups.length,
    size: groups.length,
    attributes: firsts.map(({ columns, row }) => columns.attributes[row]),
    startTimesMs: groups.map((group) => Math.min(...group.map(({ columns, row }) => columns.startTimesMs[row] ?? 0))),
    exemplars: exemplars.some((list) => list.length > 0) ? exemplars.map(byTime) : undefined,
  };
  const own = firsts.map(({ labels, row }) => labels.text(row));
  const labels = {
    texts: new ByteTextList(own).texts(),
    text: (row: number) => own[row] ?? "",
    pairs: (row: number) => firsts[row]?.labels.pairs(firsts[row].row) ?? new Map<string, string>(),
  };
  return { labels, columns: { ...first.columns, ...base, ...valuesOf(first.columns, groups) } };
}

function valuesOf(shape: StreamSnapshot, groups: readonly (readonly Series[])[]) {
  if (shape.kind === "exponential") {
    return {
      points: groups.map((group) => group.map(pointOf).reduce(addPoints)),
      hasSum: groups.flat().every(({ columns }) => columns.kind === "exponential" && columns.hasSum),
    };
  }
  const stride = shape.kind === "histogram" ? shape.stride : 1;
  const values = new Float64Array(groups.length * stride);
  for (const [index, group] of groups.entries()) {
    for (const { columns, row } of group) {
      if (columns.kind === "exponential") continue;
      for (let column = 0; column < stride; column++) {
        const at = index * stride + column;
        const value = columns.values[row * stride + column] ?? 0;
        values[at] = columns.kind === "gauge" ? value : (values[at] ?? 0) + value;
      }
    }
  }
  if (shape.kind !== "histogram") return { values };
  // Minimum and maximum are added up as well, but no page shows them.
  const hasSum = groups.flat().every(({ columns }) => columns.kind === "histogram" && columns.hasSum);
  return { values, hasSum, hasMinMax: false };
}

function byTime(exemplars: readonly Exemplar[]): readonly Exemplar[] {
  return exemplars.toSorted((a, b) => a.timeMs - b.timeMs);
}

const noPoint: ExponentialPoint = {
  count: 0,
  sum: 0,
  min: Infinity,
  max: -Infinity,
  zeroCount: 0,
  scale: 20,
  positive: { offset: 0, counts: [] },
  negative: { offset: 0, counts: [] },
};

function pointOf({ columns, row }: Series): ExponentialPoint {
  return (columns.kind === "exponential" ? columns.points[row] : undefined) ?? noPoint;
}

/** As many as the SDK's exponential histograms have at most on each side. */
const maxBuckets = 160;

function addPoints(a: ExponentialPoint, b: ExponentialPoint): ExponentialPoint {
  let scale = Math.min(a.scale, b.scale);
  // Buckets far apart would make a list as long as the distance.
  const width = (side: "positive" | "negative"): number => {
    const ends = [a, b].flatMap((point) => {
      const { offset, counts } = downscale(point[side], point.scale - scale);
      return counts.length === 0 ? [] : [offset, offset + counts.length];
    });
    return ends.length === 0 ? 0 : Math.max(...ends) - Math.min(...ends);
  };
  while (Math.max(width("positive"), width("negative")) > maxBuckets) scale--;
  const add = (side: "positive" | "negative"): Buckets =>
    addBuckets(downscale(a[side], a.scale - scale), downscale(b[side], b.scale - scale));
  return {
    count: a.count + b.count,
    sum: a.sum + b.sum,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    zeroCount: a.zeroCount + b.zeroCount,
    scale,
    positive: add("positive"),
    negative: add("negative"),
  };
}

type Buckets = ExponentialPoint["positive"];

/** The same counts at a scale that is `by` smaller: 2^by neighbours become one bucket. */
export function downscale(buckets: Buckets, by: number): Buckets {
  if (by === 0 || buckets.counts.length === 0) return buckets;
  const factor = 2 ** by;
  const offset = Math.floor(buckets.offset / factor);
  const counts: number[] = [];
  for (const [index, count] of buckets.counts.entries()) {
    const at = Math.floor((buckets.offset + index) / factor) - offset;
    while (counts.length <= at) counts.push(0);
    counts[at] = (counts[at] ?? 0) + count;
  }
  return { offset, counts };
}

function addBuckets(a: Buckets, b: Buckets): Buckets {
  if (a.counts.length === 0) return b;
  if (b.counts.length === 0) return a;
  const offset = Math.min(a.offset, b.offset);
  const end = Math.max(a.offset + a.counts.length, b.offset + b.counts.length);
  const counts = Array.from({ length: end - offset }, (_, index) => {
    const at = offset + index;
    return (a.counts[at - a.offset] ?? 0) + (b.counts[at - b.offset] ?? 0);
  });
  return { offset, counts };
}
