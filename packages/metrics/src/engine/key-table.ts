import type { Attributes } from "@opentelemetry/api";
import { NestedRows } from "./nested-rows.ts";
import { PackedRows } from "./packed-rows.ts";

/**
 * The series with one set of keys. They start packed, which is the fastest and smallest while the values combine freely, and move to nested
 * Maps for good once too few of the combinations exist.
 */
export class KeyTable {
  readonly keys: readonly string[];
  /** A pinned table stays in its index when it is empty, so that it may be held. */
  pinned = false;
  size = 0;
  #rows: PackedRows | NestedRows;

  constructor(keys: readonly string[]) {
    this.keys = keys;
    this.#rows = new PackedRows(keys);
  }

  find(attributes: Attributes): number {
    return this.#rows.find(attributes);
  }

  findOrdered(attributes: Attributes): number {
    return this.#rows.findOrdered(attributes);
  }

  add(attributes: Attributes, row: number): void {
    if (!this.#rows.add(attributes, row)) {
      const nested = new NestedRows(this.keys);
      for (const [known, knownRow] of this.#rows.entries()) nested.add(known, knownRow);
      nested.add(attributes, row);
      this.#rows = nested;
    }
    this.size++;
  }

  delete(attributes: Attributes): void {
    this.#rows.delete(attributes);
    this.size--;
  }
}
