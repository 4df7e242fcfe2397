import type { AnyValue, Attributes } from "@opentelemetry/api";
import { noRow } from "./rows.ts";
import type { Rows } from "./rows.ts";

/** Places that may be there for each series, and for tables that are still small. */
const placesPerSeries = 8;
const fewPlaces = 1024;

// In a for-in loop this costs nothing, unlike Object.hasOwn.
// eslint-disable-next-line @typescript-eslint/unbound-method -- it is only ever called with a receiver
const hasOwn = Object.prototype.hasOwnProperty;

/** The values of one key, numbered. The number of a value takes `bits` bits from `shift` on of a series' place. */
interface Column {
  readonly key: string;
  readonly ids: Map<AnyValue, number>;
  /** By number; undefined where a number is free. */
  readonly values: AnyValue[];
  /** Series per number. */
  readonly uses: number[];
  readonly free: number[];
  bits: number;
  shift: number;
}

/**
 * An array with a place for each combination of the values that the keys have had: the place is put together from the values' numbers.
 * Looking a series up takes a small Map per key, none of which has to wait for another, and one read of a flat array. Values are compared
 * by Maps and places belong to one combination each, so the lookup is exact.
 */
export class PackedRows implements Rows {
  readonly #columns: readonly Column[];
  #places = new Int32Array(1).fill(noRow);
  #size = 0;

  constructor(keys: readonly string[]) {
    this.#columns = keys.map((key) => ({ key, ids: new Map(), values: [], uses: [], free: [], bits: 0, shift: 0 }));
  }

  find(attributes: Attributes): number {
    const columns = this.#columns;
    let place = 0;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]!;
      const id = column.ids.get(attributes[column.key]);
      if (id === undefined) return noRow;
      place |= id << column.shift;
    }
    return this.#places[place]!;
  }

  findOrdered(attributes: Attributes): number {
    const columns = this.#columns;
    let place = 0;
    let index = 0;
    for (const key in attributes) {
      if (index === columns.length) return noRow;
      const column = columns[index]!;
      if (key !== column.key || !hasOwn.call(attributes, key)) return noRow;
      const id = column.ids.get(attributes[key]);
      if (id === undefined) return noRow;
      place |= id << column.shift;
      index++;
    }
    return index === columns.length ? this.#places[place]! : noRow;
  }

  add(attributes: Attributes, row: number): boolean {
    if (!this.#makeRoom(attributes)) return false;
    let place = 0;
    for (const column of this.#columns) {
      const value = attributes[column.key];
      let id = column.ids.get(value);
      if (id === undefined) {
        id = column.free.pop() ?? column.values.length;
        column.ids.set(value, id);
        column.values[id] = value;
        column.uses[id] = 0;
      }
      column.uses[id]!++;
      place |= id << column.shift;
    }
    this.#places[place] = row;
    this.#size++;
    return true;
  }

  delete(attributes: Attributes): void {
    let place = 0;
    for (const column of this.#columns) {
      const value = attributes[column.key];
      const id = column.ids.get(value)!;
      place |= id << column.shift;
      if (--column.uses[id]! > 0) continue;
      // A value that no series has is forgotten, so that values that come and go take no room.
      column.ids.delete(value);
      column.values[id] = undefined;
      column.free.push(id);
    }
    this.#places[place] = noRow;
    this.#size--;
  }

  *entries(): Iterable<readonly [Attributes, number]> {
    for (let place = 0; place < this.#places.length; place++) {
      const row = this.#places[place]!;
      if (row === noRow) continue;
      const entries = this.#columns.map((column) => [column.key, column.values[idAt(column, place)]] as const);
      yield [Object.fromEntries(entries), row];
    }
  }

  /** Widens the columns for values they do not know yet. False when most places would stay empty. */
  #makeRoom(attributes: Attributes): boolean {
    const wider = this.#columns.map((column) => {
      const fits =
        column.ids.has(attributes[column.key]) || column.free.length > 0 || column.values.length < 2 ** column.bits;
      return fits ? column.bits : column.bits + 1;
    });
    const total = wider.reduce((sum, bits) => sum + bits, 0);
    if (2 ** total > Math.max(fewPlaces, placesPerSeries * (this.#size + 1))) return false;
    if (this.#columns.every((column, index) => column.bits === wider[index])) return true;
    const before = this.#columns.map((column) => ({ ...column }));
    let shift = total;
    this.#columns.forEach((column, index) => {
      column.bits = wider[index]!;
      shift -= column.bits;
      column.shift = shift;
    });
    const places = new Int32Array(2 ** total).fill(noRow);
    this.#places.forEach((row, place) => {
      if (row === noRow) return;
      let moved = 0;
      before.forEach((column, index) => (moved |= idAt(column, place) << this.#columns[index]!.shift));
      places[moved] = row;
    });
    this.#places = places;
    return true;
  }
}

function idAt({ shift, bits }: Pick<Column, "shift" | "bits">, place: number): number {
  return (place >> shift) & (2 ** bits - 1);
}
