import type { Attributes } from "@opentelemetry/api";
import { Column } from "./column.ts";
import { noRow } from "./rows.ts";
import type { Rows } from "./rows.ts";

/** Places that may be there for each series, and for tables that are still small. */
const placesPerSeries = 8;
const fewPlaces = 1024;

// In a for-in loop this costs nothing, unlike Object.hasOwn.
// eslint-disable-next-line @typescript-eslint/unbound-method -- it is only ever called with a receiver
const hasOwn = Object.prototype.hasOwnProperty;

/**
 * An array with a place for each combination of the values that the keys have had: the place is put together from the values' numbers.
 * Looking a series up takes a look at each value, none of which has to wait for another, and one read of a flat array. Values are compared
 * and places belong to one combination each, so the lookup is exact.
 */
export class PackedRows implements Rows {
  readonly #columns: readonly Column[];
  /** The first of a chain, which is followed faster than an array. */
  readonly #first: Column | undefined;
  #places = new Int32Array(1).fill(noRow);
  #size = 0;

  constructor(keys: readonly string[]) {
    let next: Column | undefined;
    this.#columns = keys
      .toReversed()
      .map((key) => (next = new Column(key, next)))
      .reverse();
    this.#first = next;
  }

  find(attributes: Attributes): number {
    let place = 0;
    for (let column = this.#first; column !== undefined; column = column.next) {
      place |= column.part(attributes[column.key]);
    }
    // The part of a value that no series has is negative, and so is what it is in.
    return place < 0 ? noRow : this.#places[place]!;
  }

  findOrdered(attributes: Attributes): number {
    let column = this.#first;
    let place = 0;
    for (const key in attributes) {
      if (column === undefined || key !== column.key || !hasOwn.call(attributes, key)) return noRow;
      place |= column.part(attributes[key]);
      column = column.next;
    }
    return column === undefined && place >= 0 ? this.#places[place]! : noRow;
  }

  add(attributes: Attributes, row: number): boolean {
    if (!this.#makeRoom(attributes)) return false;
    let place = 0;
    for (const column of this.#columns) place |= column.add(attributes[column.key]);
    this.#places[place] = row;
    this.#size++;
    return true;
  }

  delete(attributes: Attributes): void {
    let place = 0;
    for (const column of this.#columns) place |= column.delete(attributes[column.key]);
    this.#places[place] = noRow;
    this.#size--;
  }

  *entries(): Iterable<readonly [Attributes, number]> {
    for (let place = 0; place < this.#places.length; place++) {
      const row = this.#places[place]!;
      if (row === noRow) continue;
      yield [Object.fromEntries(this.#columns.map((column) => [column.key, column.valueAt(place)] as const)), row];
    }
  }

  /** Widens the columns for values they do not know yet. False when most places would stay empty. */
  #makeRoom(attributes: Attributes): boolean {
    const wider = this.#columns.map((column) =>
      column.hasRoom(attributes[column.key]) ? column.bits : column.bits + 1,
    );
    const total = wider.reduce((sum, bits) => sum + bits, 0);
    if (2 ** total > Math.max(fewPlaces, placesPerSeries * (this.#size + 1))) return false;
    if (this.#columns.every(({ bits }, index) => bits === wider[index])) return true;
    let rest = total;
    const shifts = wider.map((bits) => (rest -= bits));
    const places = new Int32Array(2 ** total).fill(noRow);
    this.#places.forEach((row, place) => {
      if (row === noRow) return;
      let moved = 0;
      this.#columns.forEach((column, index) => (moved |= column.moved(place, shifts[index]!)));
      places[moved] = row;
    });
    this.#columns.forEach((column, index) => column.place(wider[index]!, shifts[index]!));
    this.#places = places;
    return true;
  }
}
