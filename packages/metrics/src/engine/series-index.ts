import type { Attributes } from "@opentelemetry/api";
import { encodeAttributes, encodeKeys } from "./attributes.ts";
import type { SettledAttributes } from "./attributes.ts";
import { KeyTable } from "./key-table.ts";
import { noRow } from "./rows.ts";

/** More orders of keys than any program has; beyond them the orders are learnt anew, so that made-up keys cost no memory. */
const mostShapes = 4096;

/** A position in the tree of key orders. Most have one child, which needs no Map. */
interface Shape {
  key: string | undefined;
  child: Shape | undefined;
  others: Map<string, Shape> | undefined;
  /** Where attributes with exactly the keys up to here are found; filtered keys are no keys of the table. */
  table: KeyTable | undefined;
}

function createShape(): Shape {
  return { key: undefined, child: undefined, others: undefined, table: undefined };
}

/**
 * From attributes to rows. Identity is the set of keys and the values, each with its type; the order of keys does not matter. The order
 * in which a program writes them leads to the table of the set without sorting.
 */
export class SeriesIndex {
  readonly #tables = new Map<string, KeyTable>();
  readonly #structured = new Map<string, number>();
  #recent = new KeyTable([]);
  #shapes = createShape();
  #shapeCount = 0;

  /**
   * The row of `attributes`, found in the way that is learnt for their order of keys; `noRow` means that only `findSettled` can say.
   * Allocates nothing.
   */
  find(attributes: Attributes): number {
    // Most instruments are recorded with the same keys in the same order again and again.
    const row = this.#recent.findOrdered(attributes);
    return row === noRow ? this.#findByShape(attributes) : row;
  }

  #findByShape(attributes: Attributes): number {
    // An inherited key is no attribute, but for-in would name it.
    const prototype: unknown = Object.getPrototypeOf(attributes);
    if (prototype !== Object.prototype && prototype !== null) return noRow;
    let shape = this.#shapes;
    for (const key in attributes) {
      const next = shape.key === key ? shape.child : shape.others?.get(key);
      if (next === undefined) return noRow;
      shape = next;
    }
    if (shape.table === undefined) return noRow;
    this.#recent = shape.table;
    return shape.table.find(attributes);
  }

  /** The row of settled attributes. */
  findSettled(settled: SettledAttributes): number {
    if (settled.structured) return this.#structured.get(encodeAttributes(settled.attributes)) ?? noRow;
    return this.#tables.get(encodeKeys(settled.keys))?.find(settled.attributes) ?? noRow;
  }

  add(settled: SettledAttributes, row: number): void {
    if (settled.structured) this.#structured.set(encodeAttributes(settled.attributes), row);
    else this.table(settled.keys).add(settled.attributes, row);
  }

  delete(settled: SettledAttributes): void {
    if (settled.structured) {
      this.#structured.delete(encodeAttributes(settled.attributes));
      return;
    }
    const set = encodeKeys(settled.keys);
    const table = this.#tables.get(set);
    table?.delete(settled.attributes);
    // A shape that leads to the old table finds nothing there and is led to the new one.
    if (table?.size === 0 && !table.pinned) this.#tables.delete(set);
  }

  /** Remembers that the key order of `given` leads to the table of `settled`, where these are the only keys that count. */
  learn(given: Attributes, settled: SettledAttributes, keep: ((key: string) => boolean) | undefined): void {
    if (settled.structured) return;
    const keys = Object.keys(given);
    const counting = keep === undefined ? keys.length : keys.filter(keep).length;
    // A value that was left out is another matter than a key that was filtered: the next object of this shape may have it.
    if (counting !== settled.keys.length) return;
    if (this.#shapeCount + keys.length > mostShapes) {
      this.#shapes = createShape();
      this.#shapeCount = 0;
    }
    let shape = this.#shapes;
    for (const key of keys) shape = this.#child(shape, key);
    shape.table = this.table(settled.keys);
  }

  /** The table of a set of keys, in the order of the first who asked. */
  table(keys: readonly string[]): KeyTable {
    const set = encodeKeys(keys);
    let table = this.#tables.get(set);
    if (table === undefined) this.#tables.set(set, (table = new KeyTable([...keys])));
    return table;
  }

  #child(shape: Shape, key: string): Shape {
    if (shape.key === key) return shape.child!;
    const known = shape.others?.get(key);
    if (known !== undefined) return known;
    const created = createShape();
    this.#shapeCount++;
    if (shape.key === undefined) {
      shape.key = key;
      shape.child = created;
    } else {
      (shape.others ??= new Map()).set(key, created);
    }
    return created;
  }
}
