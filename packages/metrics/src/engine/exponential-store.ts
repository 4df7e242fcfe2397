import type { Attributes, Context } from "@opentelemetry/api";
import { BoundSeries } from "./bound.ts";
import type { Binding } from "./bound.ts";
import { ExponentialState } from "./exponential.ts";
import type { StreamSnapshot } from "./snapshot.ts";
import { Store } from "./store.ts";
import type { CommonColumns, StoreOptions } from "./store.ts";

export interface ExponentialOptions {
  /** Most buckets for each sign. */
  readonly maxSize: number;
  readonly hasSum: boolean;
  readonly hasMinMax: boolean;
}

/** Counts measurements in exponential buckets. Rows have an object each, since their buckets differ. */
export class ExponentialStore extends Store {
  readonly #exponential: ExponentialOptions;
  readonly #states: ExponentialState[] = [];

  constructor(exponential: ExponentialOptions, options: StoreOptions) {
    super(0, options);
    this.#exponential = exponential;
  }

  override update(row: number, value: number, given: Attributes, from: Context | undefined): void {
    // Infinity and what is no number belong to no bucket (metrics SDK specification, base2 exponential bucket histogram).
    if (!Number.isFinite(value)) return;
    const at = this.isTouched(row) ? row : this.activate(row);
    this.#states[at]!.record(value);
    const { exemplars } = this;
    if (exemplars !== undefined && exemplars.wants(from)) {
      exemplars.offer(at, 0, value, from, this.removed(at, given));
    }
  }

  override bind(binding: Binding): BoundSeries {
    return new BoundExponential(this, binding);
  }

  protected override copy(columns: CommonColumns): StreamSnapshot {
    const { hasSum, hasMinMax } = this.#exponential;
    const points = columns.attributes.map((attributes, row) =>
      attributes === undefined ? undefined : this.#states[row]!.point(),
    );
    return { ...columns, kind: "exponential", points, hasSum, hasMinMax };
  }

  protected override reset(row: number): void {
    this.#states[row] = new ExponentialState(this.#exponential.maxSize);
  }
}

class BoundExponential extends BoundSeries {
  override add(value: number, from?: Context, given?: Attributes): void {
    this.recordSlowly(value, from, given);
  }
}
