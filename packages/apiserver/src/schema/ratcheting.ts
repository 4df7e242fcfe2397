import type { Json } from "./json.ts";
import { canonicalJson, deepEqual, getOwn, isObject } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import { nodeOfField } from "./node.ts";

/** The stored value that a new one replaces, and the structural node that describes both. */
export interface Correlation {
  readonly old: Json;
  readonly node: SchemaNode;
}

/** Finds what the parts of a new value replace. */
export interface Correlated {
  field(name: string): Correlation | undefined;
  item(item: Json): Correlation | undefined;
}

/** Fields correspond by name when the schema describes them, items by key in lists of type map; nothing else corresponds. */
export function correlate(was: Correlation | undefined): Correlated {
  let byKey: Map<string | undefined, Json> | undefined;
  return {
    field(name) {
      if (was === undefined || !isObject(was.old)) return undefined;
      const node = nodeOfField(was.node, name);
      const old = getOwn(was.old, name);
      return node === undefined || old === undefined ? undefined : { old, node };
    },
    item(item) {
      if (was === undefined || was.node.listType !== "map" || !Array.isArray(was.old)) return undefined;
      const { node } = was;
      // Of several old items with one key, the first one counts.
      byKey ??= new Map(was.old.toReversed().map((candidate) => [keyOf(candidate, node), candidate]));
      const key = keyOf(item, node);
      const old = key === undefined ? undefined : byKey.get(key);
      return node.items === undefined || old === undefined || old === null ? undefined : { old, node: node.items };
    },
  };
}

/**
 * True when `value` is what it was, as far as parts correspond: an object with a field that the schema does not describe never is, and
 * the order of a list of type map does not count.
 */
export function isUnchanged(value: Json, was: Correlation): boolean {
  const { old, node } = was;
  const correlated = correlate(was);
  const isSame = (part: Json, partWas: Correlation | undefined): boolean =>
    partWas !== undefined && isUnchanged(part, partWas);
  if (Array.isArray(value)) {
    if (!Array.isArray(old) || old.length !== value.length) return false;
    if (node.listType !== "map") return deepEqual(value, old);
    return value.every((item) => isSame(item, correlated.item(item)));
  }
  if (isObject(value)) {
    if (!isObject(old) || Object.keys(old).length !== Object.keys(value).length) return false;
    return Object.entries(value).every(([name, member]) => isSame(member, correlated.field(name)));
  }
  return value === old;
}

function keyOf(item: Json, { listMapKeys }: SchemaNode): string | undefined {
  if (!isObject(item)) return undefined;
  const keys = listMapKeys.map((key) => getOwn(item, key));
  const isKeyed = (key: Json | undefined): key is Json => key !== undefined && typeof key !== "object";
  return keys.every(isKeyed) ? canonicalJson(keys) : undefined;
}
