import type { AnyValue, Attributes } from "@opentelemetry/api";

/** Values within values that are deeper are left out. */
const deepest = 16;
/** A value made of more than that many is left out: it would be copied at each measurement. */
const mostParts = 1_000;

/** A measurement's attributes as a series keeps them. */
export interface SettledAttributes {
  /** A frozen copy: what the caller does to its object later changes nothing. */
  readonly attributes: Attributes;
  /** In insertion order. */
  readonly keys: readonly string[];
  /** Whether a value is an array, a map or bytes, which a Map would tell apart by identity. */
  readonly structured: boolean;
}

/**
 * Copies what counts: own enumerable keys that `keep` accepts. Values that are no attribute values (undefined, functions, symbols, big
 * integers, objects of a class, what contains itself, more than 1,000 values in one) are left out.
 */
export function settleAttributes(
  given: Attributes | null | undefined,
  keep: ((key: string) => boolean) | undefined,
): SettledAttributes {
  const entries: [string, AnyValue][] = [];
  let structured = false;
  if (typeof given === "object" && given !== null) {
    for (const key of Object.keys(given)) {
      if (keep !== undefined && !keep(key)) continue;
      const value = copyValue(given[key]);
      if (value === undefined) continue;
      structured ||= typeof value === "object" && value !== null;
      entries.push([key, value]);
    }
  }
  // fromEntries defines properties, so that "__proto__" is a key like any other.
  return {
    attributes: Object.freeze(Object.fromEntries(entries)),
    keys: entries.map(([key]) => key),
    structured,
  };
}

function copyValue(value: unknown): AnyValue {
  if (typeof value !== "object" || value === null) return isSimple(value) ? value : undefined;
  const copying: Copying = { partsLeft: mostParts, around: [] };
  const copy = copyPart(value, copying);
  return copying.partsLeft < 0 ? undefined : copy;
}

/** How far the copy of one value has come. */
interface Copying {
  /** Negative once the value cannot be copied. */
  partsLeft: number;
  /** The values that the one which is being copied is in. */
  readonly around: object[];
}

function copyPart(value: unknown, copying: Copying): AnyValue {
  if (--copying.partsLeft < 0) return undefined;
  if (typeof value !== "object" || value === null) return isSimple(value) ? value : undefined;
  // Bytes cannot be frozen; the copy is nobody else's.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  const { around } = copying;
  if (around.includes(value)) {
    copying.partsLeft = -1;
    return undefined;
  }
  if (around.length >= deepest) return undefined;
  around.push(value);
  const copy = Array.isArray(value) ? copyItems(value, copying) : copyMap(value, copying);
  around.pop();
  return copy;
}

function copyItems(items: readonly unknown[], copying: Copying): AnyValue {
  const copies: AnyValue[] = [];
  for (const item of items) {
    copies.push(copyPart(item, copying) ?? null);
    if (copying.partsLeft < 0) break;
  }
  return Object.freeze(copies);
}

/** Undefined for objects of a class, which are no data. */
function copyMap(map: object, copying: Copying): AnyValue {
  const prototype: unknown = Object.getPrototypeOf(map);
  // An object of another realm has another Object.prototype, which has no prototype either.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return undefined;
  const copies: [string, AnyValue][] = [];
  for (const key of Object.keys(map)) {
    const copy = copyPart((map as Readonly<Record<string, unknown>>)[key], copying);
    if (copying.partsLeft < 0) break;
    if (copy !== undefined) copies.push([key, copy]);
  }
  return Object.freeze(Object.fromEntries(copies));
}

function isSimple(value: unknown): value is string | number | boolean | null {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === null;
}

/** A text per set of keys. Lengths make it injective whatever the keys hold. */
export function encodeKeys(keys: readonly string[]): string {
  return [...keys].sort(byCodeUnits).map(encodeString).join("");
}

/** A text per set of attributes, in any order: different attributes never have the same. */
export function encodeAttributes(attributes: Attributes): string {
  return encodeMap(attributes);
}

function encodeMap(map: Readonly<Record<string, unknown>>): string {
  const keys = Object.keys(map).sort(byCodeUnits);
  return `m${keys.length}:${keys.map((key) => encodeString(key) + encodeValue(map[key])).join("")}`;
}

function encodeValue(value: unknown): string {
  if (value === null || value === undefined) return "z";
  if (typeof value === "string") return `s${encodeString(value)}`;
  if (typeof value === "number") return `n${value};`;
  if (typeof value === "boolean") return value ? "t" : "f";
  if (value instanceof Uint8Array) return `y${encodeString(Buffer.from(value).toString("hex"))}`;
  if (Array.isArray(value)) return `a${value.length}:${value.map(encodeValue).join("")}`;
  return encodeMap(value as Record<string, unknown>);
}

function encodeString(text: string): string {
  return `${text.length}:${text}`;
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
