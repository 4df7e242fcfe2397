import type { Attributes, Context } from "@opentelemetry/api";
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
  readonly bounds: Float64Array;
  readonly #histogram: HistogramOptions;

  constructor(histogram: HistogramOptions, options: StoreOptions) {
    super(histogramCounts + histogram.boundaries.length + 1, options);
    this.bounds = Float64Array.from(histogram.boundaries);
    this.#histogram = histogram;
  }

  override update(row: number, value: number, given: Attributes, from: Context | undefined): void {
    // A value that is no number belongs to no bucket.
    if (value !== value) return;
    const { shift, mask } = this;
    const at = this.touched[row >> shift]![row & mask] === 0 ? this.activate(row) : row;
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
    const { bounds, exemplars } = this.store;
    const bucket = bucketOf(bounds, value);
    count(this.values, this.base, bucket, value);
    if (exemplars !== undefined && exemplars.wants(from)) this.offer(exemplars, bucket, value, from, given);
  }
}

/** Index of the first bound that is not below the value. */
function bucketOf(bounds: Float64Array, value: number): number {
  let low = 0;
  let high = bounds.length;
  // Few bounds are walked faster than they are halved.
  while (high - low > 16) {
    const middle = (low + high) >> 1;
    if (bounds[middle]! < value) low = middle + 1;
    else high = middle;
  }
  while (low < high && bounds[low]! < value) low++;
  return low;
}

function count(page: Float64Array, base: number, bucket: number, value: number): void {
  page[base + histogramSum]! += value;
  if (value < page[base + histogramMin]!) page[base + histogramMin] = value;
  if (value > page[base + histogramMax]!) page[base + histogramMax] = value;
  page[base + histogramCounts + bucket]!++;
}
