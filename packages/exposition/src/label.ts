import type { Attributes } from "@opentelemetry/api";
import { sanitizeLabel } from "./name.ts";

/**
 * Label pairs as they stand between the braces in both formats. Keys that become the same label after their
 * illegal characters are replaced share it: values joined by `;` in the order of the original keys (OpenTelemetry specification,
 * "Metric Attributes"). On a histogram a key `le` becomes `exported_le`, because `le` is the bucket bound's. `order` lists keys that come
 * first.
 */
export function formatLabels(attributes: Attributes, histogram: boolean, order: readonly string[]): string {
  const keys = Object.keys(attributes);
  const sorted = [
    ...order.filter((key) => Object.hasOwn(attributes, key)),
    ...keys.filter((key) => !order.includes(key)),
  ];
  const labels = sorted.map((key) => (histogram && key === "le" ? "exported_le" : sanitizeLabel(key)));
  const pairs = new Map<string, string>();
  const collide = new Set(labels).size !== labels.length;
  for (const key of collide ? keys.toSorted() : sorted) {
    const value = attributeText(attributes[key]);
    const label = histogram && key === "le" ? "exported_le" : sanitizeLabel(key);
    const before = pairs.get(label);
    pairs.set(label, before === undefined ? value : `${before};${value}`);
  }
  let text = "";
  for (const [label, value] of pairs) text += `${text === "" ? "" : ","}${label}="${escapeLabel(value)}"`;
  return text;
}

/** Values that are not strings are written as JSON. */
function attributeText(value: Attributes[string]): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? String(item) : item)) ?? "";
}

/** Both formats escape the same three characters in a label value. */
function escapeLabel(value: string): string {
  if (!/[\\"\n\0]/.test(value)) return value;
  return withoutNul(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** OpenMetrics escapes the quote in help texts too, text 0.0.4 does not. */
export function escapeHelp(help: string, openMetrics: boolean): string {
  const text = withoutNul(help).replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return openMetrics ? text.replaceAll('"', '\\"') : text;
}

// Prometheus' lexers take a NUL for the end of the page and reject all of it.
function withoutNul(text: string): string {
  return text.replaceAll("\0", "\uFFFD");
}
