import type { Attributes, Context } from "@opentelemetry/api";
import { settleAttributes } from "./attributes.ts";
import type { SettledAttributes } from "./attributes.ts";
import { noRow } from "./rows.ts";
import type { ExemplarStore } from "./exemplar.ts";
import type { Store, ValueRule } from "./store.ts";

const noValues = new Float64Array(0);

/** What a handle is made from. */
export interface Binding {
  /** Attributes of the series. */
  readonly settled: SettledAttributes;
  /** A frozen copy of what was given, before views. */
  readonly given: Attributes;
  readonly rule: ValueRule;
}

/**
 * One series of one store, with its place in the pages. A recording costs a test and a write, and allocates nothing. The handle stays
 * good when its series is removed or expires: the next recording starts the series anew.
 */
export abstract class BoundSeries {
  // What every recording reads comes first, to be in one line of the processor's cache.
  /**
   * False where a recording has to go through the store: no row yet or any more, the first recording of an interval, or a rule that takes
   * integers only.
   */
  protected live = false;
  protected base = 0;
  protected values: Float64Array = noValues;
  readonly rule: ValueRule;
  protected readonly store: Store;
  protected row = noRow;
  /** Another handle of the same row. */
  sibling: BoundSeries | undefined = undefined;
  readonly #attributes: Attributes;
  /** What it was bound with, views aside. */
  readonly #given: Attributes;

  constructor(store: Store, { settled, given, rule }: Binding) {
    this.rule = rule;
    this.store = store;
    this.#attributes = settled.attributes;
    this.#given = given;
  }

  abstract add(value: number, from?: Context): void;

  record(value: number, from?: Context): void {
    this.add(value, from);
  }

  /** Removes the series. */
  remove(): void {
    this.store.removeSettled(settleAttributes(this.#attributes, undefined));
  }

  /** Goes through the store the next time. */
  pause(): void {
    this.live = false;
  }

  /** Forgets the row, and says which other handle has to. */
  detach(): BoundSeries | undefined {
    const { sibling } = this;
    this.live = false;
    this.row = noRow;
    this.values = noValues;
    this.sibling = undefined;
    return sibling;
  }

  /** Records what `add` could not take: a value to be repaired, or the first since the row was made or an interval began. */
  protected recordSlowly(given: number, from: Context | undefined): void {
    const value = settleValue(this.rule, given);
    if (value === undefined) return;
    const { store } = this;
    if (this.row === noRow) {
      const row = store.locateSettled(settleAttributes(this.#attributes, undefined));
      if (store.isOverflow(row)) {
        store.update(row, value, this.#given, from);
        return;
      }
      this.#attach(row);
    }
    store.update(this.row, value, this.#given, from);
    // In an interval that is full the measurement went into the overflow, and so does the next.
    this.live = !this.rule.integer && store.isTouched(this.row);
  }

  protected offer(exemplars: ExemplarStore, bucket: number, value: number, from: Context | undefined): void {
    exemplars.offer(this.row, bucket, value, from, this.store.removed(this.row, this.#given));
  }

  #attach(row: number): void {
    const { store } = this;
    this.row = row;
    this.base = (row & store.mask) * store.stride;
    this.values = store.values[row >> store.shift]!;
    store.attach(row, this);
  }
}

/** Values that every rule takes, unless it wants integers: told without reading the rule. */
export function isUsual(value: number): boolean {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_VALUE;
}

/** Whether a rule takes a value as it is. */
export function accepts({ lowest, highest, integer }: ValueRule, value: number): boolean {
  return typeof value === "number" && value >= lowest && value <= highest && (!integer || Number.isInteger(value));
}

/** A value that a rule accepts, as it is or repaired. */
export function settleValue(rule: ValueRule, value: number): number | undefined {
  return accepts(rule, value) ? value : rule.repair(value);
}

/** What `bind` gives where an instrument feeds several stores, or one whose views run at every measurement. */
export interface Bound {
  add(value: number, from?: Context): void;
  record(value: number, from?: Context): void;
  remove(): void;
}

/** One handle for several. */
export function bindAll(handles: readonly Bound[]): Bound {
  return {
    add(value, from) {
      for (const handle of handles) handle.add(value, from);
    },
    record(value, from) {
      for (const handle of handles) handle.add(value, from);
    },
    remove() {
      for (const handle of handles) handle.remove();
    },
  };
}

/** A handle that looks its series up each time, since a view may lead elsewhere in another context. */
export function bindUnsettled(store: Store, given: Attributes, rule: ValueRule): Bound {
  const add = (value: number, from?: Context): void => {
    const settled = settleValue(rule, value);
    if (settled !== undefined) store.record(settled, given, from);
  };
  return { add, record: add, remove: () => void store.removeMatching(given) };
}
