import type { AnyValue, Attributes } from "@opentelemetry/api";

/** Deeper values are left out, so that a cycle ends. */
const deepest = 16;

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
 * integers) are left out.
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
      const value = copyValue(given[key], 0);
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

function copyValue(value: unknown, depth: number): AnyValue {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
      return value;
    case "object":
      break;
    case "undefined":
    case "function":
    case "symbol":
    case "bigint":
      return undefined;
  }
  if (value === null) return null;
  if (depth >= deepest) return undefined;
  // Bytes cannot be frozen; the copy is nobody else's.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) {
    return Object.freeze(value.map((item) => copyValue(item, depth + 1) ?? null));
  }
  const entries = Object.entries(value).map(([key, item]) => [key, copyValue(item, depth + 1)] as const);
  return Object.freeze(Object.fromEntries(entries.filter(([, item]) => item !== undefined)));
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
