import type { Json, JsonObject } from "../schema/json.ts";
import { deepEqual, getOwn, isObject, setOwn } from "../schema/json.ts";
import type { FieldSet } from "./field-set.ts";
import { createFieldSetBuilder, emptySet } from "./field-set.ts";
import type { ListType, MapType, MergeType, Shape } from "./merge-type.ts";
import { deduced, shapeOf } from "./merge-type.ts";
import { fieldElement, itemElement, printElement } from "./path-element.ts";

/** The paths at which two objects differ. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** What becomes of a map or list that loses its last part. */
export interface Emptied {
  readonly owned: FieldSet;
  /** What takes the place of `value`; undefined for nothing. `isOwned`: the map or list itself is in `owned`. */
  leave(value: Json, isOwned: boolean): Json | undefined;
}

type Path = readonly string[];

function fieldType(map: MapType, name: string): MergeType {
  return map.fields.get(name) ?? map.element ?? deduced;
}

/**
 * The items of an associative list by their path elements, in order; several under one element only in stored lists that were written
 * before keys were checked. Undefined when some item has no element: the list is then treated as a whole.
 */
function itemsByElement(list: readonly Json[], type: ListType): Map<string, Json[]> | undefined {
  const items = new Map<string, Json[]>();
  for (const item of list) {
    const identity = itemElement(item, type);
    if ("problem" in identity) return undefined;
    const known = items.get(identity.element);
    if (known === undefined) items.set(identity.element, [item]);
    else known.push(item);
  }
  return items;
}

/** The paths that an applied configuration owns: its leaves, the items of its lists, the keys of its maps. */
export function fieldSetOf(value: Json, type: MergeType): FieldSet {
  const builder = createFieldSetBuilder();
  collect(value, type, []);
  return builder.build();

  function collect(current: Json, currentType: MergeType, path: Path): void {
    const { map, list } = shapeOf(currentType, current);
    if (map !== undefined && isObject(current)) {
      if (map.isAtomic) return builder.add(path);
      for (const [name, member] of Object.entries(current)) {
        const at = [...path, fieldElement(name)];
        collect(member, fieldType(map, name), at);
        const isEmpty = member === null || (isObject(member) && Object.keys(member).length === 0);
        if (isEmpty || !map.fields.has(name)) builder.add(at);
      }
    } else if (list !== undefined && Array.isArray(current)) {
      const items = list.isAtomic ? undefined : itemsByElement(current, list);
      if (items === undefined) return builder.add(path);
      for (const [element, [first = null, ...more]] of items) {
        const at = [...path, element];
        if (more.length === 0) collect(first, list.element, at);
        builder.add(at);
      }
    } else if (map?.isAtomic !== false && list?.isAtomic !== false) {
      builder.add(path);
    }
  }
}

/** Where `right` differs from `left`. */
export function compareValues(left: Json, right: Json, type: MergeType): Comparison {
  const added = createFieldSetBuilder();
  const modified = createFieldSetBuilder();
  const removed = createFieldSetBuilder();
  compare(left, right, type, []);
  return { added: added.build(), modified: modified.build(), removed: removed.build() };

  function compare(before: Json | undefined, after: Json | undefined, currentType: MergeType, path: Path): void {
    const beforeShape = before === undefined ? undefined : shapeOf(currentType, before);
    const afterShape = after === undefined ? undefined : shapeOf(currentType, after);
    const isOtherKind = beforeShape !== undefined && afterShape !== undefined && !sameKind(beforeShape, afterShape);
    if (isOtherKind) visit(before, after, beforeShape, path);
    const isLeaf = visit(before, after, afterShape ?? beforeShape ?? {}, path);
    if (isLeaf) return;
    if (before === undefined) added.add(path);
    else if (after === undefined) removed.add(path);
  }

  /** Returns whether the value was compared as a whole. */
  function visit(before: Json | undefined, after: Json | undefined, { map, list }: Shape, path: Path): boolean {
    if (map !== undefined) {
      const beforeMap = isObject(before) ? before : {};
      const afterMap = isObject(after) ? after : {};
      const names = new Set([...Object.keys(beforeMap), ...Object.keys(afterMap)]);
      // Two empty maps are compared as a whole, which keeps empty and null apart.
      if (map.isAtomic || names.size === 0) return compareLeaf(before, after, path);
      for (const name of names) {
        const at = [...path, fieldElement(name)];
        compare(getOwn(beforeMap, name), getOwn(afterMap, name), fieldType(map, name), at);
      }
      return false;
    }
    if (list !== undefined) {
      const beforeItems = list.isAtomic ? undefined : itemsByElement(Array.isArray(before) ? before : [], list);
      const afterItems = list.isAtomic ? undefined : itemsByElement(Array.isArray(after) ? after : [], list);
      if (beforeItems === undefined || afterItems === undefined || beforeItems.size + afterItems.size === 0) {
        return compareLeaf(before, after, path);
      }
      for (const element of new Set([...beforeItems.keys(), ...afterItems.keys()])) {
        compareItems(beforeItems.get(element), afterItems.get(element), list.element, [...path, element]);
      }
      return false;
    }
    return compareLeaf(before, after, path);
  }

  function compareItems(before: Json[] | undefined, after: Json[] | undefined, element: MergeType, path: Path): void {
    if ((before?.length ?? 0) > 1 || (after?.length ?? 0) > 1) compareLeaf(before, after, path);
    else compare(before?.[0], after?.[0], element, path);
  }

  function compareLeaf(before: Json | undefined, after: Json | undefined, path: Path): true {
    if (before === undefined) added.add(path);
    else if (after === undefined) removed.add(path);
    else if (!deepEqual(before, after)) modified.add(path);
    return true;
  }
}

function sameKind(left: Shape, right: Shape): boolean {
  return (
    (left.map === undefined) === (right.map === undefined) && (left.list === undefined) === (right.list === undefined)
  );
}

/** `live` with everything that `applied` says. */
export function mergeValues(live: Json | undefined, applied: Json | undefined, type: MergeType): Json | undefined {
  if (applied === undefined) return live;
  if (live === undefined) return applied;
  const shape = shapeOf(type, applied);
  if (!sameKind(shapeOf(type, live), shape)) return applied;
  const { map, list } = shape;
  if (map !== undefined && !map.isAtomic && isObject(live)) {
    if (applied === null) return live;
    return mergeMaps(live, applied as JsonObject, map);
  }
  if (list !== undefined && !list.isAtomic && Array.isArray(live)) {
    if (applied === null) return live.length === 0 ? applied : live;
    return mergeLists(live, applied as Json[], list);
  }
  return applied;
}

function mergeMaps(live: JsonObject, applied: JsonObject, map: MapType): JsonObject {
  const result: JsonObject = {};
  for (const name of new Set([...Object.keys(live), ...Object.keys(applied)])) {
    const merged = mergeValues(getOwn(live, name), getOwn(applied, name), fieldType(map, name));
    if (merged !== undefined) setOwn(result, name, merged);
  }
  return result;
}

function mergeLists(live: Json[], applied: Json[], list: ListType): Json[] {
  const liveItems = itemsByElement(live, list);
  const appliedItems = itemsByElement(applied, list);
  if (liveItems === undefined || appliedItems === undefined) return applied;
  const result: Json[] = [];
  for (const element of mergeOrders([...liveItems.keys()], [...appliedItems.keys()])) {
    const stored = liveItems.get(element) ?? [];
    const [wanted] = appliedItems.get(element) ?? [];
    if (wanted === undefined) result.push(...stored);
    else {
      const merged = stored.length > 1 ? wanted : mergeValues(stored[0], wanted, list.element);
      if (merged !== undefined) result.push(merged);
    }
  }
  return result;
}

/**
 * The order of a merged list: the applied items keep their order, and those that only the server has stay where they were relative to
 * the items that both have.
 */
function mergeOrders(live: readonly string[], applied: readonly string[]): string[] {
  const inLive = new Set(live);
  const inApplied = new Set(applied);
  const shared = applied.filter((element) => inLive.has(element));
  const merged = new Set<string>();
  let nextShared = 0;
  let left = 0;
  let right = 0;
  while (left < live.length || right < applied.length) {
    const fromLive = live[left];
    const fromApplied = applied[right];
    if (fromLive !== undefined && fromLive !== fromApplied) {
      if (!inApplied.has(fromLive)) {
        merged.add(fromLive);
        left++;
        continue;
      }
      // A shared item that has had its turn, or whose turn comes after that of another: go on to what follows it on the server.
      const isOutOfTurn = fromApplied !== undefined && nextShared < shared.length && shared[nextShared] !== fromLive;
      if (merged.has(fromLive) || isOutOfTurn) {
        left++;
        continue;
      }
    }
    if (fromApplied === undefined) continue;
    merged.add(fromApplied);
    right++;
    if (fromLive === fromApplied) left++;
    if (shared[nextShared] === fromApplied) nextShared++;
  }
  return [...merged];
}

/**
 * `value` without the paths of `set`; undefined when nothing is left. Of a map or list inside that loses everything, `emptied` says
 * what is left, and what is around it does not count as emptied by that.
 */
export function removePaths(value: Json, set: FieldSet, type: MergeType, emptied: Emptied): Json | undefined {
  return remove(value, set, type, emptied.owned);

  function remove(current: Json, paths: FieldSet, currentType: MergeType, owned: FieldSet): Json | undefined {
    if (paths.size === 0) return current;
    const { map, list } = shapeOf(currentType, current);
    let isEmptied = true;
    const keep = (member: Json, element: string | undefined, memberType: MergeType): Json | undefined => {
      const entry = element === undefined ? undefined : paths.get(element);
      if (entry?.isMember === true) return undefined;
      isEmptied = false;
      const owner = element === undefined ? undefined : owned.get(element);
      const kept = remove(member, entry?.children ?? emptySet, memberType, owner?.children ?? emptySet);
      return kept === undefined ? emptied.leave(member, owner?.isMember === true) : kept;
    };
    if (map !== undefined && !map.isAtomic && isObject(current)) {
      const result: JsonObject = {};
      for (const [name, member] of Object.entries(current)) {
        const kept = keep(member, fieldElement(name), fieldType(map, name));
        if (kept !== undefined) setOwn(result, name, kept);
      }
      return isEmptied && Object.keys(current).length > 0 ? undefined : result;
    }
    if (list !== undefined && !list.isAtomic && Array.isArray(current)) {
      const result: Json[] = [];
      for (const item of current) {
        const identity = itemElement(item, list);
        const kept = keep(item, "element" in identity ? identity.element : undefined, list.element);
        if (kept !== undefined) result.push(kept);
      }
      return isEmptied && current.length > 0 ? undefined : result;
    }
    return current;
  }
}

/** Why `applied` cannot be merged: values of another type, undeclared fields, items without keys, items with the same key. */
export function problemsOf(applied: Json, type: MergeType, path = ""): string[] {
  const mismatch = mismatchOf(applied, type);
  if (mismatch !== undefined) return [`${path}: ${mismatch}`];
  const { map, list } = shapeOf(type, applied);
  if (map !== undefined && isObject(applied)) {
    return Object.entries(applied).flatMap(([name, member]) => {
      const at = `${path}.${name}`;
      if (map.element === undefined && !map.fields.has(name)) return [`${at}: field not declared in schema`];
      return problemsOf(member, fieldType(map, name), at);
    });
  }
  if (list === undefined || !Array.isArray(applied)) return [];
  const seen = new Set<string>();
  return applied.flatMap((item, index) => {
    if (list.isAtomic) return problemsOf(item, list.element, `${path}[${index}]`);
    const identity = itemElement(item, list);
    if ("problem" in identity) return [`${path}: element ${index}: ${identity.problem}`];
    const at = `${path}${printElement(identity.element)}`;
    if (seen.has(identity.element)) return [`${path}: duplicate entries for key ${printElement(identity.element)}`];
    seen.add(identity.element);
    return problemsOf(item, list.element, at);
  });
}

/** What is wrong with the type of `value`, printed as Go prints the values that it wraps. */
function mismatchOf(value: Json, type: MergeType): string | undefined {
  if (value === null) return undefined;
  if (type.isScalar) {
    const { only } = type;
    if (only === undefined || typeof value === only) return undefined;
    if (only === "number") return `expected numeric (int or float), got ${goTypeOf(value)}`;
    return only === "string"
      ? `expected string, got &value.valueUnstructured{Value:${goValue(value)}}`
      : `expected boolean, got &{${goPlain(value)}}`;
  }
  if (type.map !== undefined && type.list === undefined && !isObject(value))
    return `expected map, got &{${goPlain(value)}}`;
  if (type.list !== undefined && type.map === undefined && !Array.isArray(value))
    return `expected list, got &{${goPlain(value)}}`;
  return undefined;
}

function goTypeOf(value: Json): string {
  if (Array.isArray(value)) return "[]interface {}";
  if (isObject(value)) return "map[string]interface {}";
  return typeof value === "boolean" ? "bool" : "string";
}

/** Go's `%v`. */
function goPlain(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(goPlain).join(" ")}]`;
  if (!isObject(value)) return value === null ? "<nil>" : String(value);
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `map[${members.map(([key, member]) => `${key}:${goPlain(member)}`).join(" ")}]`;
}

/** Go's `%#v`. */
function goValue(value: Json): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(goValue).join(", ")}}`;
  if (!isObject(value)) return typeof value === "string" ? JSON.stringify(value) : String(value);
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `map[string]interface {}{${members.map(([key, member]) => `${JSON.stringify(key)}:${goValue(member)}`).join(", ")}}`;
}
