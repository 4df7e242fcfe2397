import type { Json, JsonObject } from "../schema/json.ts";
import { deepestNesting, deepEqual, getOwn, isObject, nestsDeeperThan, setOwn } from "../schema/json.ts";
import { PatchError } from "./error.ts";
import { enforceOrder, orderAs, partition } from "./list-order.ts";
import type { StrategicField, StrategicFields, StrategicSchema } from "./strategic-schemas.ts";

const directive = "$patch";
const retainKeys = "$retainKeys";
const deletePrefix = "$deleteFromPrimitiveList/";
const orderPrefix = "$setElementOrder/";

/**
 * `target` changed as a strategic merge patch says: a JSON merge patch in which lists merge by key where the type says so, with the
 * directives `$patch` (replace, merge, delete), `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>` and `$retainKeys`.
 * Neither argument is changed.
 *
 * Throws PatchError `invalid` with the path. From the Kubernetes API conventions' "Strategic Merge Patch" and
 * k8s.io/apimachinery/pkg/util/strategicpatch.
 */
export function strategicMergePatch(target: JsonObject, patch: JsonObject, schema: StrategicSchema): JsonObject {
  if (nestsDeeperThan(patch, deepestNesting) || nestsDeeperThan(target, deepestNesting)) {
    throw new PatchError("invalid", `objects and lists may nest at most ${deepestNesting} levels deep`);
  }
  return mergeObject(target, patch, schema.fields, "");
}

function mergeObject(
  original: JsonObject,
  patch: JsonObject,
  fields: StrategicFields | undefined,
  path: string,
): JsonObject {
  const whole = getOwn(patch, directive);
  if (whole === "replace") {
    const { [directive]: _replaced, ...replacement } = patch;
    return dropDirectives(replacement) as JsonObject;
  }
  if (whole === "delete") return {};
  if (whole !== undefined && whole !== "merge") {
    throw new PatchError(
      "invalid",
      `${path}.${directive}: must be replace, merge or delete, got ${JSON.stringify(whole)}`,
    );
  }

  const result: JsonObject = { ...original };
  applyRetainKeys(result, patch, path);
  // What a patch deletes and adds at once is there afterwards.
  for (const [key, value] of Object.entries(patch)) {
    if (!key.startsWith(deletePrefix)) continue;
    deletePrimitives(result, key.slice(deletePrefix.length), value, `${path}.${key}`);
  }
  const handled = applyElementOrders(result, patch, fields, path);
  for (const [key, value] of Object.entries(patch)) {
    if (isDirective(key) || handled.has(key)) continue;
    if (value === null) {
      delete result[key];
      continue;
    }
    const current = getOwn(result, key);
    if (!isObject(current) && isObject(value) && Object.hasOwn(value, directive)) {
      delete result[key];
      continue;
    }
    setOwn(result, key, mergeValue(current, value, fieldOf(fields, key), `${path}.${key}`));
  }
  return result;
}

function mergeValue(current: Json | undefined, patch: Json, field: StrategicField | undefined, path: string): Json {
  if (isObject(current) && isObject(patch)) {
    if (field?.strategy?.includes("replace") === true) return dropDirectives(patch);
    return mergeObject(current, patch, field?.fields, path);
  }
  if (Array.isArray(current) && Array.isArray(patch)) {
    if (field?.strategy?.includes("merge") === true) return mergeList(current, patch, field, path);
    return dropDirectives(patch);
  }
  return dropDirectives(patch);
}

/** $retainKeys lists what may remain of a union: every other field of the original goes. */
function applyRetainKeys(result: JsonObject, patch: JsonObject, path: string): void {
  const retained = getOwn(patch, retainKeys);
  if (retained === undefined) return;
  if (!Array.isArray(retained)) throw new PatchError("invalid", `${path}.${retainKeys}: must be a list of field names`);
  const names = new Set(retained);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$") || value === null || names.has(key)) continue;
    throw new PatchError("invalid", `${path}.${retainKeys}: must name ${key}, which the patch sets`);
  }
  for (const key of Object.keys(result)) {
    if (!names.has(key)) delete result[key];
  }
}

/** Merges and orders the lists that have a $setElementOrder. Returns the fields that are done with it. */
function applyElementOrders(
  result: JsonObject,
  patch: JsonObject,
  fields: StrategicFields | undefined,
  path: string,
): ReadonlySet<string> {
  const handled = new Set<string>();
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(orderPrefix)) continue;
    const name = key.slice(orderPrefix.length);
    const at = `${path}.${name}`;
    if (!Array.isArray(order)) throw new PatchError("invalid", `${path}.${key}: must be a list`);
    const field = fieldOf(fields, name);
    const mergeKey = field?.mergeKey;
    const current = getOwn(result, name);
    const change = getOwn(patch, name);
    if (current === undefined && change === undefined) continue;
    if ((change !== undefined && !Array.isArray(change)) || (current !== undefined && !Array.isArray(current))) {
      throw new PatchError("invalid", `${path}.${key}: ${name} is no list`);
    }
    if (change !== undefined) checkOrderFits(order, change, mergeKey, `${path}.${key}`);
    const original = current ?? [];
    const merged =
      change === undefined
        ? original
        : field?.strategy?.includes("merge") === true
          ? mergeList(original, change, field, at)
          : (dropDirectives(change) as Json[]);
    const parts = partition(merged, order, mergeKey);
    setOwn(result, name, enforceOrder(parts.inPatch, parts.others, order, original, mergeKey));
    handled.add(name);
  }
  return handled;
}

/** The items that the patch sets must stand in the order list, in the same order. */
function checkOrderFits(order: Json[], change: Json[], mergeKey: string | undefined, path: string): void {
  const set = change.filter((item) => !(isObject(item) && Object.hasOwn(item, directive)));
  const { inPatch } = partition(order, set, mergeKey);
  const isSame = (item: Json, other: Json | undefined): boolean =>
    other !== undefined && partition([item], [other], mergeKey).inPatch.length === 1;
  const misfit = set.findIndex((item, index) => !isSame(item, inPatch[index]));
  if (misfit < 0) return;
  const item = JSON.stringify(set[misfit]);
  throw new PatchError("invalid", `${path}: the order in the patch's list doesn't match it at ${item}`);
}

function deletePrimitives(result: JsonObject, name: string, values: Json | undefined, path: string): void {
  if (values === undefined) return;
  if (!Array.isArray(values)) throw new PatchError("invalid", `${path}: must be a list of primitives`);
  const current = getOwn(result, name);
  if (!Array.isArray(current)) return;
  const remaining = current.filter((item) => !values.some((value) => deepEqual(item, value)));
  setOwn(result, name, remaining);
}

function mergeList(original: Json[], patch: Json[], field: StrategicField, path: string): Json[] {
  if (original.length === 0 && patch.length === 0) return original;
  const { mergeKey } = field;
  if (mergeKey === undefined) {
    const merged: Json[] = [];
    for (const item of [...original, ...patch]) {
      if (!merged.some((known) => deepEqual(known, item))) merged.push(item);
    }
    const parts = partition(merged, patch, undefined);
    return enforceOrder(parts.inPatch, parts.others, patch, original, undefined);
  }
  let merged = [...original];
  const plain: JsonObject[] = [];
  let replaces = false;
  for (const [index, item] of patch.entries()) {
    const at = `${path}[${index}]`;
    if (!isObject(item)) throw new PatchError("invalid", `${at}: must be an object with ${mergeKey}`);
    const special = getOwn(item, directive);
    if (special === undefined) plain.push(item);
    else if (special === "replace") replaces = true;
    else if (special === "delete") {
      const key = getOwn(item, mergeKey);
      if (key === undefined) throw new PatchError("invalid", `${at}: ${directive} delete needs ${mergeKey}`);
      merged = merged.filter((candidate) => !hasKey(candidate, mergeKey, key));
    } else {
      throw new PatchError("invalid", `${at}.${directive}: must be replace or delete in a list`);
    }
  }
  if (replaces) return plain.map(dropDirectives);
  const remaining = merged;
  merged = [...remaining];
  for (const [index, item] of plain.entries()) {
    const at = `${path}[${index}]`;
    const key = getOwn(item, mergeKey);
    if (key === undefined) throw new PatchError("invalid", `${at}: ${mergeKey} is missing`);
    const position = merged.findIndex((candidate) => hasKey(candidate, mergeKey, key));
    const current = merged[position];
    if (isObject(current)) merged[position] = mergeObject(current, item, field.fields, at);
    else merged.push(dropDirectives(item));
  }
  const parts = partition(merged, plain, mergeKey);
  return enforceOrder(orderAs(parts.inPatch, plain, mergeKey), parts.others, plain, remaining, mergeKey);
}

function isDirective(key: string): boolean {
  return key === directive || key === retainKeys || key.startsWith(deletePrefix) || key.startsWith(orderPrefix);
}

function hasKey(item: Json, mergeKey: string, key: Json): boolean {
  return isObject(item) && deepEqual(getOwn(item, mergeKey), key);
}

function fieldOf(fields: StrategicFields | undefined, name: string): StrategicField | undefined {
  return fields !== undefined && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/**
 * A patch that meets nothing to merge with is the value, minus its directives and its nulls. Objects inside that carry a $patch are
 * gone with it: there is nothing that it could apply to.
 */
function dropDirectives(value: Json): Json {
  const hasPatch = (member: Json): boolean => isObject(member) && Object.hasOwn(member, directive);
  if (Array.isArray(value)) return value.filter((item) => !hasPatch(item)).map(dropDirectives);
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, member] of Object.entries(value)) {
    if (!isDirective(key) && member !== null && !hasPatch(member)) setOwn(result, key, dropDirectives(member));
  }
  return result;
}
