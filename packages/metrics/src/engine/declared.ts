import type { Attributes, Context } from "@opentelemetry/api";
import { noAttributes } from "./exemplar.ts";
import { SyncInstrument } from "./instrument.ts";
import { noRow } from "./rows.ts";
import { ObservableInstrument } from "./observable.ts";
import type { KeyTable } from "./key-table.ts";
import type { Store } from "./store.ts";

/** Records measurements whose attribute keys are known beforehand. */
export interface DeclaredRecorder {
  /**
   * Records when a series of exactly these attributes exists, and says whether it did. What the caller would check of attributes was
   * checked when the series was made, so nothing is checked here. The value must be one the instrument takes.
   */
  record(value: number, attributes: Attributes | null, from: Context | undefined): boolean;
}

/**
 * The fast way into an instrument of this engine, for attributes that have exactly one of the sets of keys; undefined for instruments of
 * other providers, and where views run code at every measurement.
 */
export function declareKeys(instrument: object, keySets: readonly (readonly string[])[]): DeclaredRecorder | undefined {
  if (!(instrument instanceof SyncInstrument)) return undefined;
  const [first, ...others] = instrument.stores;
  if (first === undefined) return undefined;
  for (const { options } of instrument.stores) {
    const filtering = keySets.some((keys) => options.keep !== undefined && !keys.every(options.keep));
    if (options.process !== undefined || filtering) return undefined;
  }
  let recorder: DeclaredRecorder | undefined;
  for (const keys of [...keySets].reverse()) {
    const table = first.index.table(keys);
    table.pinned = true;
    recorder = new TableRecorder(table, first, others, recorder);
  }
  return recorder;
}

class TableRecorder implements DeclaredRecorder {
  readonly #table: KeyTable;
  readonly #store: Store;
  readonly #others: readonly Store[];
  readonly #next: DeclaredRecorder | undefined;
  readonly #keyCount: number;

  constructor(table: KeyTable, store: Store, others: readonly Store[], next: DeclaredRecorder | undefined) {
    this.#table = table;
    this.#store = store;
    this.#others = others;
    this.#next = next;
    this.#keyCount = table.keys.length;
  }

  record(value: number, attributes: Attributes | null, from: Context | undefined): boolean {
    if (attributes === null) return false;
    let row = this.#table.findOrdered(attributes);
    if (row === noRow) {
      row = this.#findInAnyOrder(attributes);
      if (row === noRow) return this.#next !== undefined && this.#next.record(value, attributes, from);
    }
    const store = this.#store;
    // The series has all of the attributes, unless an interval is full and the measurement goes into the overflow.
    store.update(row, value, store.byInterval ? attributes : noAttributes, from);
    for (let index = 0; index < this.#others.length; index++) this.#others[index]!.record(value, attributes, from);
    return true;
  }

  #findInAnyOrder(attributes: Attributes): number {
    if (Object.getPrototypeOf(attributes) !== Object.prototype) return noRow;
    // for-in counts without building an array of keys.
    let rest = this.#keyCount;
    for (const _key in attributes) rest--;
    return rest === 0 ? this.#table.find(attributes) : noRow;
  }
}

/** Tells `listener` of every measurement that goes into an overflow series of the instrument, whoever recorded it. */
export function onOverflow(instrument: object, listener: () => void): void {
  if (!(instrument instanceof SyncInstrument || instrument instanceof ObservableInstrument)) return;
  // Once per measurement, though several stores may be full.
  const [first] = instrument.stores;
  if (first !== undefined) first.onOverflow = listener;
}
