import type { Attributes } from "@opentelemetry/api";
import { encodeAttributes, encodeKeys } from "./attributes.ts";
import type { SettledAttributes } from "./attributes.ts";

/** What `find` and the tables answer for attributes without a row. */
export const noRow = -1;

/** More orders of keys than any program has; beyond them the orders are learnt anew, so that made-up keys cost no memory. */
const mostShapes = 4096;

type Level = Map<unknown, Level | number>;

/**
 * The series with one set of keys: a Map per key, nested in a fixed order, from value to row. Maps compare values, so nothing is hashed
 * or joined here that could make two series one.
 */
export class KeyTable {
  readonly keys: readonly string[];
  /** A pinned table stays in its index when it is empty, so that it may be held. */
  pinned = false;
  size = 0;
  #root: Level | number | undefined;

  constructor(keys: readonly string[]) {
    this.keys = keys;
  }

  /** The row of the values that `attributes` has for the table's keys, whatever else it has. */
  find(attributes: Attributes): number {
    const { keys } = this;
    let level = this.#root;
    for (let index = 0; index < keys.length; index++) {
      if (level === undefined) return noRow;
      level = (level as Level).get(attributes[keys[index]!]);
    }
    return level === undefined ? noRow : (level as number);
  }

  set(attributes: Attributes, row: number): void {
    const { keys } = this;
    this.size++;
    if (keys.length === 0) {
      this.#root = row;
      return;
    }
    let level = (this.#root ??= new Map()) as Level;
    for (let index = 0; index < keys.length - 1; index++) {
      const value = attributes[keys[index]!];
      let next = level.get(value) as Level | undefined;
      if (next === undefined) level.set(value, (next = new Map()));
      level = next;
    }
    level.set(attributes[keys[keys.length - 1]!], row);
  }

  delete(attributes: Attributes): void {
    const { keys } = this;
    this.size--;
    if (this.size === 0) {
      this.#root = undefined;
      return;
    }
    const path: Level[] = [];
    let level = this.#root as Level;
    for (let index = 0; index < keys.length - 1; index++) {
      path.push(level);
      level = level.get(attributes[keys[index]!]) as Level;
    }
    level.delete(attributes[keys[keys.length - 1]!]);
    for (let index = path.length - 1; index >= 0 && level.size === 0; index--) {
      level = path[index]!;
      level.delete(attributes[keys[index]!]);
    }
  }
}

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
  #shapes = createShape();
  #shapeCount = 0;

  /**
   * The row of `attributes`, found in the way that is learnt for their order of keys; `noRow` means that only `findSettled` can say.
   * Allocates nothing.
   */
  find(attributes: Attributes): number {
    // An inherited key is no attribute, but for-in would name it.
    const prototype: unknown = Object.getPrototypeOf(attributes);
    if (prototype !== Object.prototype && prototype !== null) return noRow;
    let shape = this.#shapes;
    for (const key in attributes) {
      const next = shape.key === key ? shape.child : shape.others?.get(key);
      if (next === undefined) return noRow;
      shape = next;
    }
    return shape.table === undefined ? noRow : shape.table.find(attributes);
  }

  /** The row of settled attributes. */
  findSettled(settled: SettledAttributes): number {
    if (settled.structured) return this.#structured.get(encodeAttributes(settled.attributes)) ?? noRow;
    return this.#tables.get(encodeKeys(settled.keys))?.find(settled.attributes) ?? noRow;
  }

  add(settled: SettledAttributes, row: number): void {
    if (settled.structured) this.#structured.set(encodeAttributes(settled.attributes), row);
    else this.table(settled.keys).set(settled.attributes, row);
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
