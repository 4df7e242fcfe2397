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

/** Values that are not strings are written as JSON. */
export function attributeText(value: Attributes[string]): string {
  if (typeof value === "string") return withoutNul(value).toWellFormed();
  return withoutNul(
    JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? String(item) : item)) ?? "",
  );
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
