import type { Attributes, Context } from "@opentelemetry/api";
import { BoundSeries } from "./bound.ts";
import type { Binding } from "./bound.ts";
import { noRow } from "./rows.ts";
import { SeriesIndex } from "./series-index.ts";
import { settleAttributes } from "./attributes.ts";
import type { StreamSnapshot } from "./snapshot.ts";
import { Store } from "./store.ts";
import type { CommonColumns, StoreOptions } from "./store.ts";

/**
 * Values that callbacks read at each collection, for one reader. A series that is not observed is not shown, and starts anew when it
 * comes back. Where a view takes attributes off, the observations that become one series are added up (sums).
 */
export class ObservedStore extends Store {
  readonly #kind: "sum" | "gauge";
  readonly #monotonic: boolean;
  /** What the collection before observed, by row; undefined in new rows. */
  readonly #previous: (number | undefined)[] = [];

  constructor(kind: "sum" | "gauge", monotonic: boolean, options: StoreOptions) {
    super(1, options, true);
    this.#kind = kind;
    this.#monotonic = monotonic;
  }

  /** Takes what one callback observed: of several values for the same attributes the last. */
  observeAll(observations: readonly Observation[]): void {
    const { keep, process } = this.options;
    const merging = keep !== undefined || process !== undefined;
    for (const { value, attributes } of merging ? lastOfEach(observations) : observations) {
      const located = this.locate(attributes, undefined);
      const again = this.isTouched(located) && merging;
      const row = this.isTouched(located) ? located : this.activate(located);
      const add = this.#kind === "sum" && (again || this.isOverflow(row));
      const page = this.values[row >> this.shift]!;
      page[row & this.mask] = add ? page[row & this.mask]! + value : value;
    }
  }

  override update(_row: number, value: number, given: Attributes): void {
    this.observeAll([{ value, attributes: given }]);
  }

  override bind(binding: Binding): BoundSeries {
    return new BoundObserved(this, binding);
  }

  protected override copy(columns: CommonColumns): StreamSnapshot {
    const values = this.copyValues();
    const starts = Array.from(columns.startTimesMs);
    for (let row = 0; row < columns.rows; row++) {
      const previous = this.#previous[row];
      if (this.#kind === "gauge" || previous === undefined || columns.attributes[row] === undefined) continue;
      const restarted = this.#monotonic && values[row]! < previous;
      if (this.delta) {
        if (!restarted) values[row]! -= previous;
      } else if (restarted) {
        starts[row] = this.since;
        this.setStart(row, this.since);
      }
    }
    return { ...columns, startTimesMs: starts, kind: this.#kind, monotonic: this.#monotonic, values };
  }

  protected override reset(row: number): void {
    this.values[row >> this.shift]![row & this.mask] = 0;
    this.#previous[row] = undefined;
    // The first value may have come about at any time since the last look.
    this.setStart(row, this.since);
  }

  protected override rewind(row: number): void {
    const page = this.values[row >> this.shift]!;
    this.#previous[row] = page[row & this.mask]!;
    page[row & this.mask] = 0;
  }
}

/** One value a callback reported. */
export interface Observation {
  readonly value: number;
  /** Nobody else's. */
  readonly attributes: Attributes;
}

function lastOfEach(observations: readonly Observation[]): readonly Observation[] {
  const index = new SeriesIndex();
  const last: Observation[] = [];
  for (const observation of observations) {
    const settled = settleAttributes(observation.attributes, undefined);
    const at = index.findSettled(settled);
    if (at !== noRow) {
      last[at] = observation;
      continue;
    }
    index.add(settled, last.length);
    last.push(observation);
  }
  return last;
}

/** Nobody binds what only callbacks report; the shape of a store asks for it. */
class BoundObserved extends BoundSeries {
  override add(value: number, from?: Context, given?: Attributes): void {
    this.recordSlowly(value, from, given);
  }
}
