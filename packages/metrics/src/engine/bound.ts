import type { Attributes, Context } from "@opentelemetry/api";
import type { SettledAttributes } from "./attributes.ts";
import { withoutKept } from "./exemplar.ts";
import type { ExemplarStore } from "./exemplar.ts";
import type { Store, ValueRule } from "./store.ts";

// A handle without a row reads here that nobody touched it.
const untouched = new Uint8Array(1);
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
  readonly rule: ValueRule;
  /** Another handle of the same row. */
  sibling: BoundSeries | undefined;
  protected readonly store: Store;
  protected readonly lowest: number;
  protected readonly highest: number;
  protected readonly integer: boolean;
  protected readonly settled: SettledAttributes;
  /** The attributes it was bound with; views may have left some of them out of `settled`. */
  protected readonly given: Attributes;
  /** What exemplars tell besides. */
  protected readonly removed: Attributes;
  protected row = -1;
  protected slot = 0;
  protected base = 0;
  protected values: Float64Array = noValues;
  protected touched: Uint8Array = untouched;

  constructor(store: Store, { settled, given, rule }: Binding) {
    this.store = store;
    this.settled = settled;
    this.given = given;
    this.removed = withoutKept(given, settled.attributes);
    this.rule = rule;
    this.lowest = rule.lowest;
    this.highest = rule.highest;
    this.integer = rule.integer;
  }

  abstract add(value: number, from?: Context): void;

  record(value: number, from?: Context): void {
    this.add(value, from);
  }

  /** Removes the series. */
  remove(): void {
    this.store.removeSettled(this.settled);
  }

  /** Forgets the row, and says which other handle has to. */
  detach(): BoundSeries | undefined {
    const { sibling } = this;
    this.row = -1;
    this.slot = 0;
    this.values = noValues;
    this.touched = untouched;
    this.sibling = undefined;
    return sibling;
  }

  /** Records what `add` could not take: a value to be repaired, or the first since the row was made or an interval began. */
  protected recordSlowly(given: number, from: Context | undefined): void {
    const value = settleValue(this.rule, given);
    if (value === undefined) return;
    const { store, settled } = this;
    if (this.row === -1) {
      const row = store.locateSettled(settled);
      if (!store.isOverflow(row)) this.#attach(row);
      store.update(row, value, this.given, from);
    } else {
      store.update(this.row, value, this.given, from);
    }
  }

  protected offer(exemplars: ExemplarStore, bucket: number, value: number, from: Context | undefined): void {
    exemplars.offer(this.row, bucket, value, from, this.removed);
  }

  #attach(row: number): void {
    const { store } = this;
    const page = row >> store.shift;
    this.row = row;
    this.slot = row & store.mask;
    this.base = this.slot * store.stride;
    this.values = store.values[page]!;
    this.touched = store.touched[page]!;
    store.attach(row, this);
  }
}

/** A value that a rule accepts, as it is or repaired. */
export function settleValue(rule: ValueRule, value: number): number | undefined {
  const fits =
    typeof value === "number" &&
    value >= rule.lowest &&
    value <= rule.highest &&
    (!rule.integer || Number.isInteger(value));
  return fits ? value : rule.repair(value);
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
