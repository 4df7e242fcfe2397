import type { Attributes, Context } from "@opentelemetry/api";
import { mayBeSampled } from "./active-context.ts";
import { closed, isUsual, PlacedSeries } from "./bound.ts";
import type { Binding, BoundSeries } from "./bound.ts";
import { histogramCounts, histogramMax, histogramMin, histogramSum } from "./snapshot.ts";
import type { StreamSnapshot } from "./snapshot.ts";
import { Store } from "./store.ts";
import type { CommonColumns, StoreOptions } from "./store.ts";

export interface HistogramOptions {
  /** Upper bounds, increasing and finite. */
  readonly boundaries: readonly number[];
  readonly hasSum: boolean;
  readonly hasMinMax: boolean;
}

/** Counts measurements in explicit buckets. */
export class HistogramStore extends Store {
  /** To be searched in. */
  readonly bounds: Float64Array;
  readonly #histogram: HistogramOptions;

  constructor(histogram: HistogramOptions, options: StoreOptions) {
    super(histogramCounts + histogram.boundaries.length + 1, options);
    this.bounds = paddedBounds(histogram.boundaries);
    this.#histogram = histogram;
  }

  override update(row: number, value: number, given: Attributes, from: Context | undefined): void {
    // A value that is no number belongs to no bucket.
    if (value !== value) return;
    const { shift, mask } = this;
    const at = this.tracking && this.touched[row >> shift]![row & mask] === 0 ? this.activate(row) : row;
    const bucket = bucketOf(this.bounds, value);
    count(this.values[at >> shift]!, (at & mask) * this.stride, bucket, value);
    const { exemplars } = this;
    if (exemplars !== undefined && exemplars.wants(from)) {
      exemplars.offer(at, bucket, value, from, this.removed(at, given));
    }
  }

  override bind(binding: Binding): BoundSeries {
    return new BoundHistogram(this, binding);
  }

  protected override copy(columns: CommonColumns): StreamSnapshot {
    return { ...columns, ...this.#histogram, kind: "histogram", stride: this.stride, values: this.copyValues() };
  }

  protected override reset(row: number): void {
    const page = this.values[row >> this.shift]!;
    const base = (row & this.mask) * this.stride;
    page.fill(0, base, base + this.stride);
    page[base + histogramMin] = Infinity;
    page[base + histogramMax] = -Infinity;
  }
}

class BoundHistogram extends PlacedSeries {
  declare protected readonly store: HistogramStore;

  override add(value: number, from?: Context, given?: Attributes): void {
    this.record(value, from, given);
  }

  override record(value: number, from?: Context, given?: Attributes): void {
    if (this.pending === closed || !isUsual(value)) {
      this.recordSlowly(value, from, given);
      return;
    }
    const bucket = bucketOf(this.store.bounds, value);
    count(this.values, this.base, bucket, value);
    if (mayBeSampled(from)) this.offer(bucket, value, from, given);
  }
}

/** Bounds to search in: filled up to one less than a power of two with bounds that no value is above, and at least 15. */
function paddedBounds(boundaries: readonly number[]): Float64Array {
  let length = 15;
  while (length < boundaries.length) length = 2 * length + 1;
  const bounds = new Float64Array(length).fill(Infinity);
  bounds.set(boundaries);
  return bounds;
}

/**
 * How many bounds are below the value: its bucket. A binary search whose steps are additions, since which way each goes is what a processor
 * cannot predict; it takes a quarter of the time of walking along the bounds.
 */
function bucketOf(bounds: Float64Array, value: number): number {
  let low = 0;
  for (let half = (bounds.length + 1) >> 1; half > 8; half >>= 1) {
    low += -Number(bounds[low + half - 1]! < value) & half;
  }
  low += Number(bounds[low + 7]! < value) << 3;
  low += Number(bounds[low + 3]! < value) << 2;
  low += Number(bounds[low + 1]! < value) << 1;
  return low + Number(bounds[low]! < value);
}

function count(page: Float64Array, base: number, bucket: number, value: number): void {
  page[base + histogramSum]! += value;
  if (value < page[base + histogramMin]!) page[base + histogramMin] = value;
  if (value > page[base + histogramMax]!) page[base + histogramMax] = value;
  page[base + histogramCounts + bucket]!++;
}
