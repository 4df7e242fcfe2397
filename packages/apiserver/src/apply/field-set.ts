import type { Json, JsonObject } from "../schema/json.ts";
import { isObject, setOwn } from "../schema/json.ts";
import type { MergeType } from "./merge-type.ts";
import { compareElements, normalizeElement, printElement } from "./path-element.ts";

/** What is known about one path element: whether it belongs to the set itself, and what below it does. */
interface FieldEntry {
  readonly isMember: boolean;
  readonly children: FieldSet;
}

/** A set of paths into an object, as a tree. Never changed once it is built. */
export type FieldSet = ReadonlyMap<string, FieldEntry>;

/** No path at all. */
export const emptySet: FieldSet = new Map();

/** A set under construction. */
export interface FieldSetBuilder {
  add(path: readonly string[]): void;
  build(): FieldSet;
}

interface MutableEntry {
  isMember: boolean;
  readonly children: Map<string, MutableEntry>;
}

/** Collects paths; the empty path stands for the object itself and is in no set. */
export function createFieldSetBuilder(): FieldSetBuilder {
  const root = new Map<string, MutableEntry>();
  return {
    add(path) {
      let level = root;
      for (const [index, element] of path.entries()) {
        let entry = level.get(element);
        if (entry === undefined) {
          entry = { isMember: false, children: new Map() };
          level.set(element, entry);
        }
        if (index === path.length - 1) entry.isMember = true;
        level = entry.children;
      }
    },
    build: () => root,
  };
}

/** Paths that are in either set. */
export function union(left: FieldSet, right: FieldSet): FieldSet {
  if (left.size === 0) return right;
  if (right.size === 0) return left;
  const result = new Map(left);
  for (const [element, entry] of right) {
    const known = result.get(element);
    if (known === undefined) result.set(element, entry);
    else {
      result.set(element, {
        isMember: known.isMember || entry.isMember,
        children: union(known.children, entry.children),
      });
    }
  }
  return result;
}

/** Paths of `left` that are not in `right`. */
export function difference(left: FieldSet, right: FieldSet): FieldSet {
  if (left.size === 0 || right.size === 0) return left;
  const result = new Map<string, FieldEntry>();
  for (const [element, entry] of left) {
    const other = right.get(element);
    const kept = {
      isMember: entry.isMember && other?.isMember !== true,
      children: other === undefined ? entry.children : difference(entry.children, other.children),
    };
    if (kept.isMember || kept.children.size > 0) result.set(element, kept);
  }
  return result;
}

/** Paths that are in both sets. */
export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  const result = new Map<string, FieldEntry>();
  for (const [element, entry] of left) {
    const other = right.get(element);
    if (other === undefined) continue;
    const kept = {
      isMember: entry.isMember && other.isMember,
      children: intersection(entry.children, other.children),
    };
    if (kept.isMember || kept.children.size > 0) result.set(element, kept);
  }
  return result;
}

/** True when both sets have the same paths. */
export function equalSets(left: FieldSet, right: FieldSet): boolean {
  if (left.size !== right.size) return false;
  for (const [element, entry] of left) {
    const other = right.get(element);
    if (other === undefined || other.isMember !== entry.isMember) return false;
    if (!equalSets(entry.children, other.children)) return false;
  }
  return true;
}

/** `set` without the given fields of the object itself and everything below them. */
export function withoutFields(set: FieldSet, elements: readonly string[]): FieldSet {
  if (!elements.some((element) => set.has(element))) return set;
  const result = new Map(set);
  for (const element of elements) result.delete(element);
  return result;
}

/** `set` together with the declared fields on the way to its paths, which are owned only by way of what is in them. */
export function withNamedFields(set: FieldSet, type: MergeType): FieldSet {
  const result = new Map<string, FieldEntry>();
  for (const [element, entry] of set) {
    let childType: MergeType | undefined;
    let isNamed = false;
    if (element.startsWith("f:")) {
      const declared = type.map?.fields.get(element.slice(2));
      isNamed = declared !== undefined;
      childType = declared ?? type.map?.element;
    } else if (element.startsWith("k:")) {
      childType = type.list?.element;
    }
    result.set(element, {
      isMember: entry.isMember || (isNamed && entry.children.size > 0),
      children: childType === undefined ? entry.children : withNamedFields(entry.children, childType),
    });
  }
  return result;
}

/** All paths, printed (`.spec.ports[port=80].name`), in order. */
export function printPaths(set: FieldSet, prefix = ""): string[] {
  const entries = sorted(set).map(([element, entry]) => [prefix + printElement(element), entry] as const);
  // The server prints what ends at a level before what goes on below it.
  const paths = entries.filter(([, { isMember }]) => isMember).map(([path]) => path);
  for (const [path, { children }] of entries) paths.push(...printPaths(children, path));
  return paths;
}

/** The set as `fieldsV1` of a managedFields entry. */
export function encodeFieldsV1(set: FieldSet): JsonObject {
  const fields: JsonObject = {};
  for (const [element, entry] of sorted(set)) {
    const children = encodeFieldsV1(entry.children);
    // A path that ends here and goes on as well says so with a dot.
    const isBoth = entry.isMember && entry.children.size > 0;
    setOwn(fields, element, isBoth ? { ".": {}, ...children } : children);
  }
  return fields;
}

/** The set behind a `fieldsV1`. Elements of unknown kinds are left out, so that newer writers can be read. */
export function decodeFieldsV1(fields: Json): FieldSet {
  const result = new Map<string, FieldEntry>();
  if (!isObject(fields)) return result;
  for (const [text, below] of Object.entries(fields)) {
    const element = text === "." ? undefined : normalizeElement(text);
    if (element === undefined || !isObject(below)) continue;
    const isMember = Object.keys(below).length === 0 || Object.hasOwn(below, ".");
    const children = decodeFieldsV1(below);
    if (isMember || children.size > 0) result.set(element, { isMember, children });
  }
  return result;
}

function sorted(set: FieldSet): [string, FieldEntry][] {
  return [...set].sort(([left], [right]) => compareElements(left, right));
}
