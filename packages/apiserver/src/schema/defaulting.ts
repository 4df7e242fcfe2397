import type { Json, JsonObject } from "./json.ts";
import { deepCopy, getOwn, setOwn } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import { nodeOfAdditional, nodeOfField } from "./node.ts";

/**
 * `value` with the defaults of missing fields, top down, so that a default's own fields are defaulted as well; and without those nulls
 * that are neither allowed nor replaced by a default. Unchanged parts are shared with the argument.
 *
 * From apiextensions/v1: "Defaulting" and "Defaulting and Nullable".
 */
export function applyDefaults(value: Json, node: SchemaNode | undefined): Json {
  if (node === undefined || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return defaultItems(value, node);
  return defaultFields(value, node);
}

function defaultItems(list: Json[], node: SchemaNode): Json[] {
  const { items } = node;
  if (items === undefined) return list;
  let result = list;
  for (const [index, item] of list.entries()) {
    const replaced = item === null && !items.nullable && items.default !== undefined ? deepCopy(items.default) : item;
    const completed = applyDefaults(replaced, items);
    if (completed === item) continue;
    if (result === list) result = [...list];
    result[index] = completed;
  }
  return result;
}

function defaultFields(object: JsonObject, node: SchemaNode): JsonObject {
  let result = object;
  const copied = (): JsonObject => (result === object ? (result = { ...object }) : result);

  for (const name of Object.keys(object)) {
    const field = nodeOfField(node, name);
    if (object[name] !== null || field === undefined || field.nullable) continue;
    if (field.default === undefined) delete copied()[name];
    // Properties get theirs below, together with the missing ones.
    else if (!node.properties.has(name)) setOwn(copied(), name, deepCopy(field.default));
  }
  for (const [name, property] of node.properties) {
    if (property.default === undefined) continue;
    const current = getOwn(result, name);
    if (current === undefined || (current === null && !property.nullable)) {
      setOwn(copied(), name, deepCopy(property.default));
    }
  }
  if (node.properties.size === 0 && nodeOfAdditional(node) === undefined) return result;
  for (const [name, current] of Object.entries(result)) {
    const completed = applyDefaults(current, nodeOfField(node, name));
    if (completed !== current) setOwn(copied(), name, completed);
  }
  return result;
}
