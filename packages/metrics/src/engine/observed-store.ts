import { diag } from "@opentelemetry/api";
import type { Attributes, Context } from "@opentelemetry/api";
import { describeError } from "@almanac/core";
import { BoundSeries } from "./bound.ts";
import type { Binding } from "./bound.ts";
import type { SettledAttributes } from "./attributes.ts";
import { noRow } from "./rows.ts";
import { SeriesIndex } from "./series-index.ts";
import type { StreamSnapshot } from "./snapshot.ts";
import { Store } from "./store.ts";
import type { CommonColumns, StoreOptions } from "./store.ts";

/** One value a callback reported. */
export interface Observation {
  readonly value: number;
  readonly settled: SettledAttributes;
}

/**
 * Values that callbacks read at each collection, for one reader. A series that is not observed is not shown, and starts anew when it
 * comes back. Observations that become one series, because a view takes attributes off or the limit is reached, are added up (sums).
 */
export class ObservedStore extends Store {
  readonly #kind: "sum" | "gauge";
  readonly #monotonic: boolean;
  /** Of several values for the same attributes the last counts, also where that has to be looked for. */
  readonly #merging: boolean;
  /** What the collection before showed, by row; undefined in new rows. */
  readonly #previous: (number | undefined)[] = [];
  #observed: Observation[] = [];
  /** For deltas: what the collection before observed, before views and limits made series one. */
  #before = new Readings();

  constructor(kind: "sum" | "gauge", monotonic: boolean, options: StoreOptions) {
    super(1, options, true);
    this.#kind = kind;
    this.#monotonic = monotonic;
    this.#merging = options.keep !== undefined || options.process !== undefined;
  }

  /** Takes what one callback observed, for the collection that runs. */
  observe(observations: readonly Observation[]): void {
    for (const observation of observations) this.#observed.push(observation);
  }

  override collect(reader: object, timeMs: number): StreamSnapshot | undefined {
    const observed = this.#observed;
    this.#observed = [];
    const sum = this.#kind === "sum";
    if (sum && this.delta) this.#placeDeltas(new Readings(observed));
    else if (this.#merging || observed.length >= this.options.limit) {
      for (const { value, settled } of new Readings(observed).all) this.#place(value, settled, sum);
    } else {
      for (const { value, settled } of observed) this.#place(value, settled, false);
    }
    return super.collect(reader, timeMs);
  }

  override update(row: number, value: number, _given: Attributes, _from: Context | undefined): void {
    this.values[row >> this.shift]![row & this.mask] = value;
  }

  override bind(binding: Binding): BoundSeries {
    return new BoundObserved(this, binding);
  }

  protected override copy(columns: CommonColumns): StreamSnapshot {
    const values = this.copyValues();
    const starts = Array.from(columns.startTimesMs);
    if (this.#monotonic && !this.delta) {
      for (let row = 0; row < columns.rows; row++) {
        const previous = this.#previous[row];
        if (previous === undefined || columns.attributes[row] === undefined || values[row]! >= previous) continue;
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

  /**
   * What each observation has grown by. Differences are taken before series become one: otherwise one that is not observed any more, or is in
   * the overflow one time and not the next, would look like the rest of its sum falling or growing.
   */
  #placeDeltas(readings: Readings): void {
    for (const { value, settled } of readings.all) {
      const before = this.#before.valueOf(settled);
      const restarted = before === undefined || (this.#monotonic && value < before);
      this.#place(restarted ? value : value - before, settled, true);
    }
    this.#before = readings;
  }

  #place(value: number, { attributes }: SettledAttributes, adding: boolean): void {
    try {
      const located = this.locate(attributes, undefined);
      const again = this.isTouched(located);
      const row = again ? located : this.activate(located);
      const page = this.values[row >> this.shift]!;
      const at = row & this.mask;
      page[at] = adding ? page[at]! + value : value;
    } catch (error) {
      // A view's processor threw.
      diag.error(`an observation of ${this.getDescriptor().name} is lost: ${describeError(error)}`);
    }
  }
}

/** Values by attributes; of several for the same the last. */
class Readings {
  readonly all: Observation[] = [];
  readonly #index = new SeriesIndex();

  constructor(observations: readonly Observation[] = []) {
    for (const observation of observations) {
      const at = this.#index.findSettled(observation.settled);
      if (at === noRow) this.#index.add(observation.settled, this.all.push(observation) - 1);
      else this.all[at] = observation;
    }
  }

  valueOf(settled: SettledAttributes): number | undefined {
    const at = this.#index.findSettled(settled);
    return at === noRow ? undefined : this.all[at]!.value;
  }
}

/** Nobody binds what only callbacks report; the shape of a store asks for it. */
class BoundObserved extends BoundSeries {
  override add(value: number, from?: Context, given?: Attributes): void {
    this.recordSlowly(value, from, given);
  }
}
