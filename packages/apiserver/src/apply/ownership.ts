import type { CompiledSchema } from "../schema/compile.ts";
import type { JsonObject } from "../schema/json.ts";
import type { FieldSet } from "./field-set.ts";
import { difference, emptySet, intersection, union, withoutFields } from "./field-set.ts";
import type { ManagerEntry, Managers } from "./managed-fields.ts";
import { capUpdateManagers, identityOf, ownable } from "./managed-fields.ts";
import type { BuiltinSchema } from "./merge-type.ts";
import { mergeTypeOf } from "./merge-type.ts";
import { fieldElement } from "./path-element.ts";
import type { Comparison } from "./typed-value.ts";
import { compareValues } from "./typed-value.ts";

/** Who writes, and how; common to applying and updating. */
export interface WriteOptions {
  /** The field manager: a name of up to 128 printable characters. */
  readonly manager: string;
  /** Of the request: `group/version`, or `v1`. */
  readonly apiVersion: string;
  readonly schema: CompiledSchema | BuiltinSchema;
  /** Now, as managedFields print it: RFC 3339 in UTC with seconds. */
  readonly time: string;
  /** E.g. `status`; missing for the resource itself. */
  readonly subresource?: string | undefined;
  /**
   * Top-level fields that a request of this kind cannot change and therefore never owns. Default: `["spec"]` for the status
   * subresource, none otherwise; pass `["status"]` for the resource itself when it has a status subresource.
   */
  readonly resetFields?: readonly string[] | undefined;
}

/** Path elements of the fields that the request cannot change. */
export function resetElements(options: WriteOptions): string[] {
  return (options.resetFields ?? (options.subresource === "status" ? ["spec"] : [])).map(fieldElement);
}

/** What an object is before it is created. */
export function emptyObject(options: WriteOptions, kind: JsonObject): JsonObject {
  if ("empty" in options.schema) return { ...options.schema.empty };
  const { apiVersion = options.apiVersion, kind: kindName = "" } = kind;
  return { apiVersion, kind: kindName };
}

/** Where the objects differ, not counting what the request cannot change. */
export function compareForWrite(options: WriteOptions, before: JsonObject, after: JsonObject): Comparison {
  const { added, modified, removed } = compareValues(before, after, mergeTypeOf(options.schema));
  const reset = resetElements(options);
  return {
    added: withoutFields(added, reset),
    modified: withoutFields(modified, reset),
    removed: withoutFields(removed, reset),
  };
}

/** The fields of `entry` that the write sets to another value. */
export function contested(entry: ManagerEntry, { added, modified }: Comparison): FieldSet {
  return intersection(entry.set, union(modified, added));
}

/** The managers other than `except`, without what the write took from them or removed. Those left with nothing are gone. */
export function releaseOthers(managers: Managers, comparison: Comparison, except: string): Map<string, ManagerEntry> {
  const result = new Map<string, ManagerEntry>();
  for (const [id, entry] of managers) {
    const set =
      id === except ? entry.set : difference(difference(entry.set, contested(entry, comparison)), comparison.removed);
    if (set.size > 0) result.set(id, { ...entry, set });
  }
  return result;
}

/** The managers after a write that is not an apply: the writer owns what it changed, together with what it owned before. */
export function updateManagers(
  options: WriteOptions,
  managers: Managers,
  before: JsonObject,
  after: JsonObject,
): Managers {
  const comparison = compareForWrite(options, before, after);
  const result = releaseOthers(managers, comparison, "");
  const changed = difference(union(comparison.modified, comparison.added), comparison.removed);
  const taken = ownable(changed);
  if (taken.size > 0) {
    const { manager, apiVersion, subresource = "", time } = options;
    const entry: ManagerEntry = { manager, operation: "Update", apiVersion, subresource, time, set: taken };
    const id = identityOf(entry);
    result.set(id, { ...entry, set: union(taken, result.get(id)?.set ?? emptySet) });
  }
  return capUpdateManagers(result);
}
