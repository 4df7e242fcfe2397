/** Reads a value as a T; undefined when it is none. */
export type Decoder<T> = (value: unknown) => T | undefined;

/** Text that is not empty. */
export const text: Decoder<string> = (value) => (typeof value === "string" && value !== "" ? value : undefined);

export const anyText: Decoder<string> = (value) => (typeof value === "string" ? value : undefined);

/** `namespace/name` of an object. */
export const key: Decoder<string> = (value) =>
  typeof value === "string" && /^[^/]+\/[^/]+$/.test(value) ? value : undefined;

export const flag: Decoder<boolean> = (value) => (typeof value === "boolean" ? value : undefined);

export const onlyTrue: Decoder<true> = (value) => (value === true ? true : undefined);

// Source: ECMA-262, time values.
const latestMs = 8.64e15;

/** Milliseconds since the epoch. */
export const time: Decoder<number> = (value) =>
  typeof value === "number" && value >= 0 && value <= latestMs ? value : undefined;

export const count: Decoder<number> = (value) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

export function oneOf<const T extends string>(values: readonly T[]): Decoder<T> {
  return (value) => values.find((known) => known === value);
}

type Fields<T> = { readonly [K in keyof T]-?: Decoder<Exclude<T[K], undefined>> };

/**
 * An object of these fields, of which those in `optional` may be missing. It is read as a whole: one field that is there and cannot be
 * read makes it none. Fields that are not named are left out.
 */
export function whole<T extends object>(fields: Fields<T>, optional: readonly (keyof T)[] = []): Decoder<T> {
  return (value) => {
    if (!isRecord(value)) return undefined;
    const found: Partial<T> = {};
    for (const key of keysOf(fields)) {
      const given = Object.hasOwn(value, key) ? value[key as string] : undefined;
      if (given === undefined && optional.includes(key)) continue;
      const read = fields[key](given);
      if (read === undefined) return undefined;
      found[key] = read;
    }
    return found as T;
  };
}

/** An object all of whose fields are optional, read field by field: one that cannot be read counts as missing. */
export function each<T extends object>(fields: Fields<T>): (value: unknown) => Partial<T> {
  return (value) => {
    const found: Partial<T> = {};
    if (!isRecord(value)) return found;
    for (const key of keysOf(fields)) {
      if (!Object.hasOwn(value, key)) continue;
      const read = fields[key](value[key as string]);
      if (read !== undefined) found[key] = read;
    }
    return found;
  };
}

/** A map by keys that `isKey` takes; entries that cannot be read are left out, and one without any is none. */
export function mapOf<K extends string, V>(
  decoder: Decoder<V>,
  isKey: (key: string) => key is K,
): Decoder<Readonly<Record<K, V>>> {
  return (value) => {
    if (!isRecord(value)) return undefined;
    const entries = Object.entries(value).flatMap(([key, entry]) => {
      const read = isKey(key) ? decoder(entry) : undefined;
      return read === undefined ? [] : [[key, read] as const];
    });
    return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Record<K, V>);
  };
}

/** A map of texts, read as a whole; it may be empty. */
export const texts: Decoder<Readonly<Record<string, string>>> = (value) => {
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return entries.length === Object.keys(value).length ? Object.fromEntries(entries) : undefined;
};

function keysOf<T extends object>(fields: Fields<T>): (keyof T)[] {
  return Object.keys(fields) as (keyof T)[];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
