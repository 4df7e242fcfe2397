import type { Attributes, Context } from "@opentelemetry/api";
import { settleAttributes } from "./attributes.ts";
import type { SettledAttributes } from "./attributes.ts";
import { noAttributes } from "./exemplar.ts";
import { noRow } from "./rows.ts";
import type { Store, ValueRule } from "./store.ts";

/** What a handle is made from. */
export interface Binding {
  /** Attributes of the series. */
  readonly settled: SettledAttributes;
  readonly rule: ValueRule;
}

/** Value of `BoundSeries.pending` while a recording has to go through the store. A small integer that nothing may be added to. */
export const closed = 2 ** 30 - 1;

/**
 * One series of one store. A recording costs a test and a write, and allocates nothing. The handle stays good when its series is removed or
 * expires: the next recording starts the series anew.
 */
export abstract class BoundSeries {
  // What every recording reads comes first, to be in one line of the processor's cache.
  /**
   * `closed` where a recording has to go through the store: no row yet or any more, the first recording of an interval, a rule that wants to
   * see every value. Otherwise what was added and is not in the row yet, which only sums make use of.
   */
  protected pending = closed;
  protected readonly store: Store;
  protected row = noRow;
  readonly rule: ValueRule;
  /** Another handle of the same row. */
  sibling: BoundSeries | undefined = undefined;
  #attributes: Attributes;

  constructor(store: Store, { settled, rule }: Binding) {
    this.store = store;
    this.rule = rule;
    this.#attributes = settled.attributes;
  }

  /** `given` is what the measurement came with, where that is more than the attributes of the series. */
  abstract add(value: number, from?: Context, given?: Attributes): void;

  record(value: number, from?: Context, given?: Attributes): void {
    this.add(value, from, given);
  }

  /** Removes the series. */
  remove(): void {
    this.store.removeSettled(settleAttributes(this.#attributes, undefined));
  }

  /** Moves what is pending to the row. */
  drain(): void {
    // Nothing is, unless a kind of handle says otherwise.
  }

  /** Goes through the store the next time. */
  pause(): void {
    this.drain();
    this.pending = closed;
  }

  /** Forgets the row, and says which other handle has to. */
  detach(): BoundSeries | undefined {
    const { sibling } = this;
    this.pending = closed;
    this.row = noRow;
    this.sibling = undefined;
    return sibling;
  }

  /** Records what `add` could not take: a value to be repaired, or the first since the row was made or an interval began. */
  protected recordSlowly(given: number, from: Context | undefined, attributes: Attributes | undefined): void {
    const value = settleValue(this.rule, given);
    if (value === undefined) return;
    const { store } = this;
    const recorded = attributes ?? this.#attributes;
    if (this.row === noRow) {
      const row = store.locateSettled(settleAttributes(this.#attributes, undefined));
      if (store.isOverflow(row)) {
        store.update(row, value, recorded, from);
        return;
      }
      this.row = row;
      // One copy is enough.
      this.#attributes = store.attributes[row]!;
      this.attached(row);
      store.attach(row, this);
    }
    store.update(this.row, value, recorded, from);
    // In an interval that is full the measurement went into the overflow, and so does the next.
    if (store.isTouched(this.row)) this.open();
    else this.pending = closed;
  }

  /** The handle has a row now. */
  protected attached(_row: number): void {
    // The row's number is enough, unless a kind of handle keeps more.
  }

  /** From now on recordings need not go through the store, unless it wants to see every value. */
  protected open(): void {
    this.pending = this.rule.integer || this.store.exemplars?.always === true ? closed : 0;
  }

  /** Shows a measurement that was recorded to the exemplars. */
  protected offer(bucket: number, value: number, from: Context | undefined, given: Attributes | undefined): void {
    const { exemplars } = this.store;
    if (exemplars === undefined || !exemplars.wants(from)) return;
    const removed = given === undefined ? noAttributes : this.store.removed(this.row, given);
    exemplars.offer(this.row, bucket, value, from, removed);
  }
}

const noValues = new Float64Array(0);

/** A handle with its place in the store's pages, which never move. */
export abstract class PlacedSeries extends BoundSeries {
  protected values: Float64Array = noValues;
  protected base = 0;

  override detach(): BoundSeries | undefined {
    this.values = noValues;
    return super.detach();
  }

  protected override attached(row: number): void {
    const { store } = this;
    this.values = store.values[row >> store.shift]!;
    this.base = (row & store.mask) * store.stride;
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

/** What `bind` gives where it is not the handle of a series itself. */
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

/**
 * A handle whose measurements have attributes that their series has not, for exemplars to tell. Series know their own handle only, so that
 * binding with ever new attributes of that kind keeps none of them alive.
 */
export function bindFiltered(handle: BoundSeries, given: Attributes): Bound {
  return {
    add: (value, from) => handle.add(value, from, given),
    record: (value, from) => handle.record(value, from, given),
    remove: () => handle.remove(),
  };
}

/** A handle that looks its series up each time, since a view may lead elsewhere in another context. */
export function bindUnsettled(store: Store, given: Attributes, rule: ValueRule): Bound {
  const add = (value: number, from?: Context): void => {
    const settled = settleValue(rule, value);
    if (settled !== undefined) store.record(settled, given, from);
  };
  return { add, record: add, remove: () => void store.removeGiven(given) };
}
