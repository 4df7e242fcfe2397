import type { CompiledSchema } from "../schema/compile.ts";
import type { Json } from "../schema/json.ts";
import { isObject } from "../schema/json.ts";
import type { SchemaNode } from "../schema/node.ts";

/** How values of one type merge: structured-merge-diff's "atom". A type may be several things; the value then decides which. */
export interface MergeType {
  readonly isScalar: boolean;
  /** The only kind of scalar that it takes; without it, any. */
  readonly only?: "string" | "number" | "boolean" | undefined;
  readonly map?: MapType | undefined;
  readonly list?: ListType | undefined;
  /** The value of a list's key that an item leaves out. */
  readonly default?: Json | undefined;
}

export interface MapType {
  readonly fields: ReadonlyMap<string, MergeType>;
  /** The type of fields that are not declared; without it there are none. */
  readonly element?: MergeType | undefined;
  /** Owned and replaced as a whole. */
  readonly isAtomic: boolean;
}

export interface ListType {
  readonly element: MergeType;
  /** Owned and replaced as a whole; otherwise a set of scalars, or with keys a list of objects that merge by them. */
  readonly isAtomic: boolean;
  readonly keys: readonly string[];
}

/** The schemas of built-in kinds, which need no validation here. */
export interface BuiltinSchema {
  readonly kind: string;
  readonly type: MergeType;
  /** What an object of this kind has before anything was set: Go structs that are never absent. */
  readonly empty: { readonly [field: string]: Json };
}

export const scalar: MergeType = { isScalar: true };

const untypedAtomic: MergeType = {
  isScalar: true,
  get map(): MapType {
    return { fields: new Map(), element: untypedAtomic, isAtomic: true };
  },
  get list(): ListType {
    return { element: untypedAtomic, isAtomic: true, keys: [] };
  },
};

const deducedMap: { fields: Map<string, MergeType>; element: MergeType | undefined; isAtomic: boolean } = {
  fields: new Map(),
  element: undefined,
  isAtomic: false,
};

/** For values without a schema: objects merge field by field, lists are atomic. */
export const deduced: MergeType = {
  isScalar: true,
  map: deducedMap,
  list: { element: untypedAtomic, isAtomic: true, keys: [] },
};
deducedMap.element = deduced;

/** A Go struct of a built-in kind. Fields left out are scalars, or behave as values without a schema. */
export function struct(fields: Readonly<Record<string, MergeType>> = {}): MergeType {
  return { isScalar: false, map: { fields: new Map(Object.entries(fields)), element: deduced, isAtomic: false } };
}

/** A map whose values are scalars. */
export const mapOfScalars: MergeType = {
  isScalar: false,
  map: { fields: new Map(), element: { isScalar: true, only: "string" }, isAtomic: false },
};

/** An object that is owned and replaced as a whole. */
export const atomicMap: MergeType = { isScalar: false, map: { fields: new Map(), element: deduced, isAtomic: true } };

/** A list that is owned and replaced as a whole. */
export const atomicList: MergeType = { isScalar: false, list: { element: deduced, isAtomic: true, keys: [] } };

/** A list of distinct scalars, each owned by itself. */
export const setOfScalars: MergeType = { isScalar: false, list: { element: scalar, isAtomic: false, keys: [] } };

/** A list of objects that merge by their keys. */
export function listBy(keys: readonly string[], element: MergeType = struct()): MergeType {
  return { isScalar: false, list: { element, isAtomic: false, keys } };
}

/** Common to all kinds. */
export const objectMeta: MergeType = struct({
  annotations: mapOfScalars,
  finalizers: setOfScalars,
  labels: mapOfScalars,
  managedFields: atomicList,
  ownerReferences: listBy(["uid"], atomicMap),
});

const compiledTypes = new WeakMap<SchemaNode, MergeType>();

/** The merge type of a schema; that of a custom resource is derived once. */
export function mergeTypeOf(schema: CompiledSchema | BuiltinSchema): MergeType {
  if ("type" in schema) return schema.type;
  let type = compiledTypes.get(schema.root);
  if (type === undefined) {
    type = typeOfNode(schema.root, false, true);
    compiledTypes.set(schema.root, type);
  }
  return type;
}

const scalarKinds: ReadonlyMap<string, NonNullable<MergeType["only"]>> = new Map([
  ["string", "string"],
  ["integer", "number"],
  ["number", "number"],
  ["boolean", "boolean"],
]);

function typeOfNode(node: SchemaNode, preservesUnknown: boolean, isRoot: boolean): MergeType {
  const preserves = preservesUnknown || node.preserveUnknown;
  if (node.type === "object") {
    const fields = new Map<string, MergeType>();
    for (const [name, property] of node.properties) fields.set(name, withDefault(property, preserves));
    if (isRoot || node.embeddedResource) {
      fields.set("apiVersion", scalar).set("kind", scalar).set("metadata", objectMeta);
    }
    const { additionalProperties } = node;
    const element =
      typeof additionalProperties === "object"
        ? withDefault(additionalProperties, preserves)
        : preserves || additionalProperties === true || node.properties.size === 0
          ? deduced
          : undefined;
    return { isScalar: false, map: { fields, element, isAtomic: node.mapType === "atomic" } };
  }
  if (node.type === "array") {
    const element = node.items === undefined ? deduced : withDefault(node.items, preserves);
    const isAtomic = node.listType !== "set" && node.listType !== "map";
    return { isScalar: false, list: { element, isAtomic, keys: node.listType === "map" ? node.listMapKeys : [] } };
  }
  if (node.type === undefined) return node.intOrString ? scalar : deduced;
  return { isScalar: true, only: scalarKinds.get(node.type) };
}

function withDefault(node: SchemaNode, preservesUnknown: boolean): MergeType {
  const type = typeOfNode(node, preservesUnknown, false);
  return node.default === undefined ? type : { ...type, default: node.default };
}

/** What one value is, seen as a type: exactly one of the two members, or none for scalars. */
export interface Shape {
  readonly map?: MapType | undefined;
  readonly list?: ListType | undefined;
}

const scalarShape: Shape = {};

/**
 * The part of `type` that applies to `value`. A value of another kind than the type declares is treated as one without a schema;
 * validation will complain about it in better words.
 */
export function shapeOf(type: MergeType, value: Json): Shape {
  if (Array.isArray(value)) return { list: type.list ?? deduced.list };
  if (isObject(value)) return { map: type.map ?? deduced.map };
  // null is whatever the type can be: a map rather than a scalar, a scalar rather than a list.
  if (value === null && type.map !== undefined) return { map: type.map };
  return value === null && !type.isScalar ? { list: type.list } : scalarShape;
}
