import type { Attributes } from "@opentelemetry/api";
import { isClassicName } from "./naming.ts";

export interface LabelRules {
  /** On a histogram a key `le` becomes `exported_le`, because `le` is the bucket bound's. */
  readonly histogram: boolean;
  /** Keys that come first. */
  readonly order: readonly string[];
  /** The label's name for a key. */
  readonly label: (key: string) => string;
}

/**
 * Labels of a series, names as the page has them, values as they are. Keys that become the same label share it: values joined by `;` in
 * the order of the original keys (OpenTelemetry specification, "Metric Attributes").
 */
export function labelPairs(attributes: Attributes, rules: LabelRules): ReadonlyMap<string, string> {
  const keys = Object.keys(attributes);
  const { order, histogram } = rules;
  const sorted =
    order.length === 0
      ? keys
      : [...order.filter((key) => Object.hasOwn(attributes, key)), ...keys.filter((key) => !order.includes(key))];
  const name = (key: string): string => {
    const label = rules.label(key);
    return histogram && label === "le" ? "exported_le" : label;
  };
  const pairs = new Map<string, string>();
  for (const key of sorted) pairs.set(name(key), attributeText(attributes[key]));
  if (pairs.size === sorted.length) return pairs;
  pairs.clear();
  for (const key of keys.toSorted()) {
    const label = name(key);
    const value = attributeText(attributes[key]);
    const before = pairs.get(label);
    pairs.set(label, before === undefined ? value : `${before};${value}`);
  }
  return pairs;
}

/** Label pairs as they stand between the braces in the text formats; names that the classic alphabet cannot write in quotes. */
export function labelText(pairs: ReadonlyMap<string, string>): string {
  let text = "";
  for (const [label, value] of pairs) {
    const name = isClassicName(label, false) ? label : `"${escapeLabel(label)}"`;
    text += `${text === "" ? "" : ","}${name}="${escapeLabel(value)}"`;
  }
  return text;
}

/**
 * A value as text (OpenTelemetry specification, "String representation" of AnyValue): structured ones as JSON, numbers that JSON lacks as
 * `NaN`, `Infinity` and `-Infinity`, bytes in Base64, and no value as the empty text.
 */
export function attributeText(value: Attributes[string]): string {
  if (typeof value === "string") return withoutNul(value).toWellFormed();
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return withoutNul(JSON.stringify(value, nestedValue) ?? "");
}

function nestedValue(this: Readonly<Record<string, unknown>>, key: string, item: unknown): unknown {
  // A Buffer has become a list of numbers by now.
  const given = this[key];
  if (given instanceof Uint8Array) return Buffer.from(given).toString("base64");
  return typeof item === "bigint" || (typeof item === "number" && !Number.isFinite(item)) ? String(item) : item;
}

/**
 * What tells a series from others of its name, from its labels' text: to Prometheus a label with an empty value is one that is not there.
 */
export function seriesKey(text: string): string {
  if (!text.includes('=""')) return text;
  const pairs = text.match(/(?:"(?:[^"\\]|\\.)*"|[^",=]+)="(?:[^"\\]|\\.)*"/g) ?? [];
  return pairs.filter((pair) => !pair.endsWith('=""')).join(",");
}

/** All text formats escape the same three characters between quotes. */
export function escapeLabel(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** OpenMetrics escapes the quote in help texts too, text 0.0.4 does not. */
export function escapeHelp(help: string, openMetrics: boolean): string {
  const text = plainHelp(help).replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return openMetrics ? text.replaceAll('"', '\\"') : text;
}

/** A help text that every format can hold. */
export function plainHelp(help: string): string {
  return withoutNul(help).toWellFormed();
}

// Prometheus' lexers take a NUL for the end of the page and reject all of it.
function withoutNul(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text;
}
