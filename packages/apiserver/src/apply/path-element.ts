import type { Json } from "../schema/json.ts";
import { canonicalJson, getOwn, isObject, setOwn } from "../schema/json.ts";
import type { JsonObject } from "../schema/json.ts";
import type { ListType } from "./merge-type.ts";

// Path elements are kept as FieldsV1 writes them: f:<name>, k:<keys as JSON>, v:<value as JSON>, i:<index>.

/** The element of an object's field. */
export function fieldElement(name: string): string {
  return `f:${name}`;
}

/** The element of a list's item, or the reason why it has none. */
export function itemElement(item: Json, type: ListType): { element: string } | { problem: string } {
  if (type.keys.length === 0) {
    if (item === null) return { problem: "associative list without keys has an element that's an explicit null" };
    if (typeof item === "object") return { element: `v:${canonicalJson(item)}` };
    return { element: `v:${JSON.stringify(item)}` };
  }
  if (!isObject(item)) {
    const what = item === null ? "a null element" : "non-map elements";
    return { problem: `associative list with keys may not have ${what}` };
  }
  const keys: JsonObject = {};
  for (const name of type.keys) {
    const value = getOwn(item, name) ?? type.element.map?.fields.get(name)?.default;
    if (value !== undefined) setOwn(keys, name, value);
  }
  if (Object.keys(keys).length === 0) {
    const why = `has an element that omits all key fields [${type.keys.map((name) => JSON.stringify(name)).join(" ")}]`;
    return { problem: `associative list with keys ${why} (and doesn't have default values for any key fields)` };
  }
  return { element: `k:${canonicalJson(keys)}` };
}

/** The element with its JSON in the one form that is compared here; undefined for what is no element. */
export function normalizeElement(text: string): string | undefined {
  const kind = text.slice(0, 2);
  if (kind === "f:") return text;
  if (kind === "i:") return /^i:\d+$/.test(text) ? text : undefined;
  if (kind !== "k:" && kind !== "v:") return undefined;
  try {
    const value = JSON.parse(text.slice(2)) as Json;
    return kind === "k:" && !isObject(value) ? undefined : `${kind}${canonicalJson(value)}`;
  } catch {
    return undefined;
  }
}

/** As conflicts print it: `.name`, `[name="x",port=80]`, `[="value"]`, `[0]`. */
export function printElement(element: string): string {
  const rest = element.slice(2);
  switch (element.slice(0, 2)) {
    case "f:":
      return `.${rest}`;
    case "k:": {
      const keys = JSON.parse(rest) as JsonObject;
      return `[${Object.entries(keys)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(",")}]`;
    }
    case "v:":
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}

const rank: Readonly<Record<string, number>> = { "f:": 0, "k:": 1, "v:": 2, "i:": 3 };

/** The order of elements within a set: names, keys, values, indices. */
export function compareElements(left: string, right: string): number {
  const byKind = (rank[left.slice(0, 2)] ?? 4) - (rank[right.slice(0, 2)] ?? 4);
  if (byKind !== 0) return byKind;
  if (left.startsWith("i:")) return Number(left.slice(2)) - Number(right.slice(2));
  return left < right ? -1 : left > right ? 1 : 0;
}
