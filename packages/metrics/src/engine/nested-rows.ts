import type { Attributes } from "@opentelemetry/api";
import { noRow } from "./rows.ts";
import type { Rows } from "./rows.ts";

type Level = Map<unknown, Level | number>;

// In a for-in loop this costs nothing, unlike Object.hasOwn.
// eslint-disable-next-line @typescript-eslint/unbound-method -- it is only ever called with a receiver
const hasOwn = Object.prototype.hasOwnProperty;

/** A Map per key, nested in their order, from value to row. Grows with the series alone, however few of the combinations exist. */
export class NestedRows implements Rows {
  readonly #keys: readonly string[];
  readonly #root: Level = new Map();

  /** `keys` must not be empty. */
  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  find(attributes: Attributes): number {
    let level: Level | number | undefined = this.#root;
    for (const key of this.#keys) {
      if (level === undefined) return noRow;
      level = (level as Level).get(attributes[key]);
    }
    return level === undefined ? noRow : (level as number);
  }

  findOrdered(attributes: Attributes): number {
    const keys = this.#keys;
    let level: Level | number | undefined = this.#root;
    let index = 0;
    for (const key in attributes) {
      if (key !== keys[index] || level === undefined || !hasOwn.call(attributes, key)) return noRow;
      level = (level as Level).get(attributes[key]);
      index++;
    }
    return index !== keys.length || level === undefined ? noRow : (level as number);
  }

  add(attributes: Attributes, row: number): true {
    const last = this.#keys.length - 1;
    let level = this.#root;
    for (let index = 0; index < last; index++) {
      const value = attributes[this.#keys[index]!];
      let next = level.get(value) as Level | undefined;
      if (next === undefined) level.set(value, (next = new Map()));
      level = next;
    }
    level.set(attributes[this.#keys[last]!], row);
    return true;
  }

  delete(attributes: Attributes): void {
    const keys = this.#keys;
    const path: Level[] = [];
    let level = this.#root;
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

  *entries(): Iterable<readonly [Attributes, number]> {
    yield* walk(this.#root, this.#keys, []);
  }
}

function* walk(
  level: Level,
  keys: readonly string[],
  path: readonly (readonly [string, unknown])[],
): Iterable<readonly [Attributes, number]> {
  for (const [value, next] of level) {
    const entries = [...path, [keys[path.length]!, value] as const];
    if (typeof next === "number") yield [Object.fromEntries<unknown>(entries), next];
    else yield* walk(next, keys, entries);
  }
}
