import type { Attributes, Context } from "@opentelemetry/api";
import { BoundSeries, isUsual } from "./bound.ts";
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
    const at = this.touched[row >> shift]![row & mask] === 0 ? this.activate(row) : row;
    this.values[at >> shift]![at & mask]! += value;
    const { exemplars } = this;
    if (exemplars !== undefined && exemplars.wants(from)) {
      exemplars.offer(at, 0, value, from, this.removed(at, given));
    }
  }

  override bind(binding: Binding): BoundSeries {
    return new BoundSum(this, binding);
  }

  protected override copy(columns: CommonColumns): StreamSnapshot {
    return { ...columns, kind: "sum", monotonic: this.#monotonic, values: this.copyValues() };
  }

  protected override reset(row: number): void {
    this.values[row >> this.shift]![row & this.mask] = 0;
  }
}

class BoundSum extends BoundSeries {
  override add(value: number, from?: Context): void {
    if (!this.live || !isUsual(value)) {
      this.recordSlowly(value, from);
      return;
    }
    this.values[this.base]! += value;
    const { exemplars } = this.store;
    if (exemplars !== undefined && exemplars.wants(from)) this.offer(exemplars, 0, value, from);
  }
}

/** Keeps the last measurement. */
export class LastValueStore extends Store {
  constructor(options: StoreOptions) {
    super(1, options);
  }

  override update(row: number, value: number, given: Attributes, from: Context | undefined): void {
    const { shift, mask } = this;
    const at = this.touched[row >> shift]![row & mask] === 0 ? this.activate(row) : row;
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

class BoundLastValue extends BoundSeries {
  override add(value: number, from?: Context): void {
    if (!this.live || !isUsual(value)) {
      this.recordSlowly(value, from);
      return;
    }
    this.values[this.base] = value;
    const { exemplars } = this.store;
    if (exemplars !== undefined && exemplars.wants(from)) this.offer(exemplars, 0, value, from);
  }
}
