import type { FieldError } from "./field-error.ts";
import { duplicate, invalid } from "./field-error.ts";
import type { Json, JsonObject } from "./json.ts";
import { canonicalJson, getOwn, isObject, setOwn } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import { nodeOfAdditional } from "./node.ts";

/** Complaints about lists of type set with equal items, and about lists of type map with equal keys. */
export function checkListTypes(value: Json, node: SchemaNode, path: string, errors: FieldError[]): void {
  if (Array.isArray(value)) {
    if (node.listType === "set") checkUnique(value, path, errors);
    if (node.listType === "map") checkListMap(value, node, path, errors);
    if (node.items !== undefined) {
      for (const [index, item] of value.entries()) checkListTypes(item, node.items, `${path}[${index}]`, errors);
    }
    return;
  }
  if (!isObject(value)) return;
  const additional = nodeOfAdditional(node);
  for (const [name, member] of Object.entries(value)) {
    const property = node.properties.get(name);
    if (property !== undefined) checkListTypes(member, property, path === "" ? name : `${path}.${name}`, errors);
    else if (additional !== undefined) checkListTypes(member, additional, `${path}[${name}]`, errors);
  }
}

function checkListMap(list: readonly Json[], node: SchemaNode, path: string, errors: FieldError[]): void {
  const misfit = list.findIndex((item) => item !== null && !isObject(item));
  if (misfit >= 0) {
    errors.push(invalid(`${path}[${misfit}]`, list[misfit] ?? null, "must be an object for an array of list-type map"));
    return;
  }
  const keys = list.map((item) => {
    const key: JsonObject = {};
    for (const name of node.listMapKeys) {
      const part = isObject(item) ? getOwn(item, name) : undefined;
      if (part !== undefined) setOwn(key, name, part);
    }
    return key;
  });
  checkUnique(keys, path, errors);
}

/** Only the second of several equal items is complained about, as the API server does. */
function checkUnique(identities: readonly Json[], path: string, errors: FieldError[]): void {
  if (identities.length < 2) return;
  const seen = new Map<string, number>();
  for (const [index, identity] of identities.entries()) {
    const key = canonicalJson(identity);
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    if (times === 1) errors.push(duplicate(`${path}[${index}]`, identity));
  }
}
