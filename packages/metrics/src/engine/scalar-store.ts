import type { Attributes, Context } from "@opentelemetry/api";
import { mayBeSampled } from "./active-context.ts";
import { accepts, BoundSeries, closed, isUsual, PlacedSeries } from "./bound.ts";
import type { Binding } from "./bound.ts";
import type { StreamSnapshot } from "./snapshot.ts";
import { Store } from "./store.ts";
import type { CommonColumns, StoreOptions } from "./store.ts";

/** Adds measurements up. */
export class SumStore extends Store {
  readonly #monotonic: boolean;

  constructor(monotonic: boolean, options: StoreOptions) {
    super(1, options);
    this.#monotonic = monotonic;
  }

  override update(row: number, value: number, given: Attributes, from: Context | undefined): void {
    const { shift, mask } = this;
    const at = this.tracking && this.touched[row >> shift]![row & mask] === 0 ? this.activate(row) : row;
    this.values[at >> shift]![at & mask]! += value;
    const { exemplars } = this;
    if (exemplars !== undefined && exemplars.wants(from)) {
      exemplars.offer(at, 0, value, from, this.removed(at, given));
    }
  }

  override bind(binding: Binding): BoundSeries {
    return new BoundSum(this, binding);
  }

  /** As `update` of a row that is touched. */
  add(row: number, value: number): void {
    this.values[row >> this.shift]![row & this.mask]! += value;
  }

  protected override copy(columns: CommonColumns): StreamSnapshot {
    for (const handle of this.handles()) handle.drain();
    return { ...columns, kind: "sum", monotonic: this.#monotonic, values: this.copyValues() };
  }

  protected override reset(row: number): void {
    this.values[row >> this.shift]![row & this.mask] = 0;
  }
}

/**
 * Small integers, which is what most counters count, are kept in the handle: a recording then touches nothing else that is the series' own,
 * and processors wait for memory more than for anything. Snapshots collect them.
 */
class BoundSum extends BoundSeries {
  declare protected readonly store: SumStore;

  override add(value: number, from?: Context, given?: Attributes): void {
    // Added to `closed` nothing is below it any more. The type is asked for first, since adding to a bigint throws.
    const sum = typeof value === "number" && value >= 0 ? this.pending + value : closed;
    if (sum < closed && sum === (sum | 0)) {
      this.pending = sum;
    } else if (this.pending !== closed && !this.rule.integer && accepts(this.rule, value)) {
      this.store.add(this.row, value);
    } else {
      this.recordSlowly(value, from, given);
      return;
    }
    if (mayBeSampled(from)) this.offer(0, value, from, given);
  }

  override drain(): void {
    if (this.pending === 0 || this.pending === closed) return;
    this.store.add(this.row, this.pending);
    this.pending = 0;
  }

  // A sum that is a small integer is made of integers, so this serves rules that want them as well.
  protected override open(): void {
    this.drain();
    this.pending = this.store.exemplars?.always === true ? closed : 0;
  }
}

/** Keeps the last measurement. */
export class LastValueStore extends Store {
  constructor(options: StoreOptions) {
    super(1, options);
  }

  override update(row: number, value: number, given: Attributes, from: Context | undefined): void {
    const { shift, mask } = this;
    const at = this.tracking && this.touched[row >> shift]![row & mask] === 0 ? this.activate(row) : row;
    this.values[at >> shift]![at & mask] = value;
    const { exemplars } = this;
    if (exemplars !== undefined && exemplars.wants(from)) {
      exemplars.offer(at, 0, value, from, this.removed(at, given));
    }
  }

  override bind(binding: Binding): BoundSeries {
    return new BoundLastValue(this, binding);
  }

  protected override copy(columns: CommonColumns): StreamSnapshot {
    return { ...columns, kind: "gauge", monotonic: false, values: this.copyValues() };
  }

  protected override reset(row: number): void {
    this.values[row >> this.shift]![row & this.mask] = 0;
  }
}

class BoundLastValue extends PlacedSeries {
  override add(value: number, from?: Context, given?: Attributes): void {
    if (this.pending === closed || !isUsual(value)) {
      this.recordSlowly(value, from, given);
      return;
    }
    this.values[this.base] = value;
    if (mayBeSampled(from)) this.offer(0, value, from, given);
  }
}
