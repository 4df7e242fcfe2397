import type { Json, JsonObject } from "./schema/index.ts";

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** What the server reads of `metadata`. Stored objects always have it in this shape. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly generateName?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** Objects that are neither null nor arrays. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The metadata of an object that has passed decoding. */
export function metaOf(object: JsonObject): ObjectMeta {
  return object.metadata as unknown as ObjectMeta;
}

/** The value at `path`, undefined when a step is missing. */
export function at(object: Json | undefined, ...path: readonly string[]): Json | undefined {
  let current: Json | undefined = object;
  for (const key of path) {
    // Names like `constructor` come from clients and must not reach the prototype.
    if (!isObject(current) || !Object.hasOwn(current, key)) return undefined;
    current = current[key];
  }
  return current;
}

/** The string at `path`, empty when it is missing or something else. */
export function textAt(object: Json | undefined, ...path: readonly string[]): string {
  const value = at(object, ...path);
  return typeof value === "string" ? value : "";
}

/** What Go's encoding/json calls a value's type in its errors. */
export function goType(value: Json): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return value === null ? "null" : typeof value;
}

/** A JSON value as people would write it: strings bare, the rest as JSON. */
export function show(value: Json | undefined): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** The list at `path`, empty when it is missing or something else. */
export function listAt(object: Json | undefined, ...path: readonly string[]): readonly Json[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? value : [];
}

/** A copy of `object` whose metadata has the fields of `changes`; `undefined` removes a field. */
export function withMeta(object: JsonObject, changes: Readonly<Record<string, unknown>>): JsonObject {
  const metadata: JsonObject = { ...(isObject(object.metadata) ? object.metadata : {}) };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete metadata[key];
    else metadata[key] = value as Json;
  }
  return { ...object, metadata };
}

/** Equality of JSON values; a member that is undefined counts as missing. */
export function sameJson(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    for (let index = 0; index < left.length; index++) if (!sameJson(left[index], right[index])) return false;
    return true;
  }
  if (!isObject(left) || !isObject(right)) return false;
  for (const key of Object.keys(left)) if (!sameJson(left[key], right[key])) return false;
  for (const key of Object.keys(right)) if (left[key] === undefined && right[key] !== undefined) return false;
  return true;
}

/** RFC 3339 in whole seconds, as metav1.Time prints. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
