import type { Attributes } from "@opentelemetry/api";

/** What lookups answer for attributes without a row. */
export const noRow = -1;

/** The rows of the series with one set of keys. Both kinds compare values, so nothing can make two series one. */
export interface Rows {
  /** The row of the values that `attributes` has for the keys, whatever else it has. */
  find(attributes: Attributes): number;
  /** As `find`, but for attributes that have exactly the keys, as own ones, in the table's order; `noRow` says nothing about others. */
  findOrdered(attributes: Attributes): number;
  /** False when there is no room: nothing was added. */
  add(attributes: Attributes, row: number): boolean;
  delete(attributes: Attributes): void;
  entries(): Iterable<readonly [attributes: Attributes, row: number]>;
}
