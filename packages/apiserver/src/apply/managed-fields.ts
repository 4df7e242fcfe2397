import type { Json, JsonObject } from "../schema/json.ts";
import { deepestNesting, getOwn, isObject, nestsDeeperThan } from "../schema/json.ts";
import type { FieldSet } from "./field-set.ts";
import { createFieldSetBuilder, decodeFieldsV1, difference, encodeFieldsV1, union } from "./field-set.ts";
import { fieldElement } from "./path-element.ts";

/** What one manager owns through one operation. */
export interface ManagerEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  /** Empty for the resource itself. */
  readonly subresource: string;
  readonly time: string | undefined;
  readonly set: FieldSet;
}

/** The entries of an object by their identity. */
export type Managers = ReadonlyMap<string, ManagerEntry>;

/** As the API server has it: older entries of updates are merged into one. */
const mostUpdateManagers = 10;
const ancientManager = "ancient-changes";

// Everybody sets these, or only the server does: nobody owns them.
const unowned: FieldSet = (() => {
  const builder = createFieldSetBuilder();
  const metadata = fieldElement("metadata");
  for (const name of ["apiVersion", "kind", "metadata"]) builder.add([fieldElement(name)]);
  for (const name of [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
  ]) {
    builder.add([metadata, fieldElement(name)]);
  }
  return builder.build();
})();

/** What makes an entry the same entry at the next request. An applier stays itself when it moves to another version. */
export function identityOf(entry: Pick<ManagerEntry, "manager" | "operation" | "apiVersion" | "subresource">): string {
  const version = entry.operation === "Apply" ? "" : entry.apiVersion;
  return JSON.stringify([entry.manager, entry.operation, version, entry.subresource]);
}

/** `set` without what nobody owns. */
export function ownable(set: FieldSet): FieldSet {
  return difference(set, unowned);
}

/** The object's managers; undefined when its managedFields make no sense. */
export function decodeManagers(managedFields: Json | undefined): Managers | undefined {
  const managers = new Map<string, ManagerEntry>();
  if (managedFields === undefined || managedFields === null) return managers;
  if (!Array.isArray(managedFields) || nestsDeeperThan(managedFields, deepestNesting)) return undefined;
  for (const item of managedFields) {
    if (!isObject(item)) return undefined;
    const text = (name: string): string => {
      const value = getOwn(item, name);
      return typeof value === "string" ? value : "";
    };
    const operation = text("operation");
    if (operation !== "Apply" && operation !== "Update") return undefined;
    if (text("apiVersion") === "" || text("fieldsType") !== "FieldsV1") return undefined;
    const entry: ManagerEntry = {
      manager: text("manager"),
      operation,
      apiVersion: text("apiVersion"),
      subresource: text("subresource"),
      time: text("time") === "" ? undefined : text("time"),
      set: decodeFieldsV1(getOwn(item, "fieldsV1") ?? {}),
    };
    managers.set(identityOf(entry), entry);
  }
  return managers;
}

/** The managers as managedFields, in the server's order: appliers first, then by time, name, version and subresource. */
export function encodeManagers(managers: Managers): Json[] {
  const entries = [...managers.values()].sort(
    (left, right) =>
      compare(left.operation, right.operation) ||
      secondsOf(left) - secondsOf(right) ||
      compare(left.manager, right.manager) ||
      compare(left.apiVersion, right.apiVersion) ||
      compare(left.subresource, right.subresource),
  );
  return entries.map((entry) => ({
    ...(entry.manager === "" ? {} : { manager: entry.manager }),
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    ...(entry.time === undefined ? {} : { time: entry.time }),
    fieldsType: "FieldsV1",
    fieldsV1: encodeFieldsV1(entry.set),
    ...(entry.subresource === "" ? {} : { subresource: entry.subresource }),
  }));
}

/** The managers with the oldest entries of updates merged, so that an object's managedFields stay bounded. */
export function capUpdateManagers(managers: Managers): Managers {
  const updates = [...managers].filter(([, entry]) => entry.operation === "Update");
  let count = updates.length;
  if (count <= mostUpdateManagers) return managers;
  updates.sort(([leftId, left], [rightId, right]) => secondsOf(left) - secondsOf(right) || compare(leftId, rightId));
  const result = new Map(managers);
  const firstOfVersion = new Map<string, string>();
  for (const [id, entry] of updates) {
    if (count <= mostUpdateManagers) break;
    const bucket: ManagerEntry = { ...entry, manager: ancientManager, subresource: "" };
    const bucketId = identityOf(bucket);
    const firstId = firstOfVersion.get(entry.apiVersion);
    if (firstId === undefined) {
      firstOfVersion.set(entry.apiVersion, id);
      continue;
    }
    const known = result.get(bucketId) ?? result.get(firstId);
    result.delete(firstId);
    result.delete(id);
    result.set(bucketId, { ...bucket, set: union(entry.set, known?.set ?? entry.set) });
    count--;
  }
  return result;
}

/** The object's metadata.managedFields. */
export function managedFieldsOf(object: JsonObject | undefined): Json | undefined {
  const metadata = object === undefined ? undefined : getOwn(object, "metadata");
  return isObject(metadata) ? getOwn(metadata, "managedFields") : undefined;
}

/** A shallow copy of the object with other managedFields, or with none. */
export function withManagedFields(object: JsonObject, managedFields: Json[]): JsonObject {
  const metadata = getOwn(object, "metadata");
  if (!isObject(metadata)) return managedFields.length === 0 ? object : { ...object, metadata: { managedFields } };
  const { managedFields: _former, ...rest } = metadata;
  return { ...object, metadata: managedFields.length === 0 ? rest : { ...rest, managedFields } };
}

function secondsOf(entry: ManagerEntry): number {
  const millis = entry.time === undefined ? Number.NaN : Date.parse(entry.time);
  return Number.isNaN(millis) ? 0 : Math.floor(millis / 1000);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
