import type { Json, JsonObject } from "../schema/json.ts";
import { deepestNesting, deepEqual, getOwn, isObject, nestsDeeperThan } from "../schema/json.ts";
import { ApplyError } from "./error.ts";
import type { FieldSet } from "./field-set.ts";
import {
  difference,
  emptySet,
  equalSets,
  intersection,
  printPaths,
  union,
  withNamedFields,
  withoutFields,
} from "./field-set.ts";
import type { ManagerEntry, Managers } from "./managed-fields.ts";
import {
  decodeManagers,
  encodeManagers,
  identityOf,
  managedFieldsOf,
  ownable,
  withManagedFields,
} from "./managed-fields.ts";
import type { MergeType } from "./merge-type.ts";
import { mergeTypeOf } from "./merge-type.ts";
import type { WriteOptions } from "./ownership.ts";
import { compareForWrite, contested, emptyObject, releaseOthers, resetElements, updateManagers } from "./ownership.ts";
import { printType } from "./print-type.ts";
import type { Emptied } from "./typed-value.ts";
import { fieldSetOf, mergeValues, problemsOf, removePaths } from "./typed-value.ts";

export interface ApplyOptions extends WriteOptions {
  /** The stored object; undefined when there is none yet. Neither it nor `applied` is changed. */
  readonly live: JsonObject | undefined;
  /** What the manager wants, with apiVersion, kind and metadata. */
  readonly applied: JsonObject;
  /** Take over fields that other managers own with another value. Without it, each of them is a conflict. */
  readonly force: boolean;
}

/** A field that the applied configuration sets to another value than its owner did. */
export interface ApplyConflict {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly subresource?: string;
  readonly apiVersion: string;
  readonly time?: string;
  /** E.g. `.spec.template.spec.containers[name="x"].image`. */
  readonly field: string;
}

export type ApplyResult = { readonly object: JsonObject } | { readonly conflicts: readonly ApplyConflict[] };

/** Who owned the fields of an object that nobody had applied to before. */
const firstManager = "before-first-apply";

/**
 * Server-side apply: `live` with everything that `applied` says, without what this manager had applied before, applies no longer and
 * owns alone; with the managedFields that follow. Defaulting, pruning and validation come after it and are the caller's.
 *
 * Returns the conflicts instead when others own fields with other values and `force` is off. Throws ApplyError for a configuration
 * that cannot be merged, whatever the owners.
 *
 * From Kubernetes' "Server-Side Apply", KEP-555 and sigs.k8s.io/structured-merge-diff. Managers of several API versions are compared
 * as they are: versions that differ in their fields need conversion, which is not done here.
 */
export function applyServerSide(options: ApplyOptions): ApplyResult {
  const { applied, manager, force, apiVersion, subresource = "", time } = options;
  const type = mergeTypeOf(options.schema);
  checkMergeable(options, type);
  const stored = options.live === undefined ? undefined : withManagedFields(options.live, []);
  const live = stored ?? {};
  const managers = managersBefore(options, stored);

  const identity = { manager, operation: "Apply", apiVersion, subresource } as const;
  const id = identityOf(identity);
  const last = managers.get(id);
  const set = withoutFields(fieldSetOf(applied, type), resetElements(options));
  const claimed = new Map(managers).set(id, { ...identity, time, set });

  const merged = (mergeValues(live, applied, type) ?? {}) as JsonObject;
  const dropped = droppedBy(merged, claimed, last?.set ?? emptySet, type);
  const comparison = compareForWrite(options, live, without(merged, dropped, type, nullForEmptied));
  if (!force) {
    const conflicts = conflictsOf(managers, comparison, id);
    if (conflicts.length > 0) return { conflicts };
  }

  const result = releaseOthers(claimed, comparison, id);
  const object = without(merged, dropped, type, {
    owned: set,
    // What loses its last field is gone, unless it is applied empty.
    leave: (value, isOwned) => (!isOwned ? undefined : Array.isArray(value) ? [] : {}),
  });
  const owned = ownable(set);
  if (owned.size === 0) result.delete(id);
  else {
    // A request that changes nothing leaves no trace, so that it need not be stored. One that changes owners alone has no time, as in
    // the real server.
    const isNoop = last !== undefined && equalSets(last.set, owned) && last.apiVersion === apiVersion;
    const isSame = options.live !== undefined && deepEqual(live, object);
    result.set(id, { ...identity, set: owned, time: !isSame ? time : isNoop ? last.time : undefined });
  }
  return { object: withManagedFields(object, encodeManagers(result)) };
}

/** What makes a request to apply unacceptable, for an answer of 400; undefined when it can be tried. */
export function checkApplied(applied: JsonObject): string | undefined {
  const managedFields = managedFieldsOf(applied);
  return managedFields !== undefined && managedFields !== null ? "metadata.managedFields must be nil" : undefined;
}

function checkMergeable({ applied, live }: ApplyOptions, type: MergeType): void {
  if (nestsDeeperThan(applied, deepestNesting) || nestsDeeperThan(live, deepestNesting)) {
    throw new ApplyError("invalid", `objects and lists may nest at most ${deepestNesting} levels deep`);
  }
  const problems = problemsOf(applied, type);
  if (problems.length === 0) return;
  const metadata = getOwn(applied, "metadata");
  const name = isObject(metadata) ? textOf(metadata, "name") : "";
  const namespace = isObject(metadata) ? textOf(metadata, "namespace") : "";
  const list = problems.length === 1 ? problems[0] : `errors:\n  ${problems.join("\n  ")}`;
  const subject = `${namespace}/${name}; ${printType(applied)}`;
  throw new ApplyError("invalid", `failed to create typed patch object (${subject}): ${list}`);
}

/** An object that was never applied to gets an owner for the fields it has, so that the first apply can conflict with it. */
function managersBefore(options: ApplyOptions, stored: JsonObject | undefined): Managers {
  const managers = decodeManagers(managedFieldsOf(options.live)) ?? new Map<string, ManagerEntry>();
  if (stored === undefined || managers.size > 0) return managers;
  const first = { ...options, manager: firstManager };
  return updateManagers(first, managers, emptyObject(options, stored), stored);
}

/**
 * The paths of `merged` that the manager applied last and nobody claims now. What it had applied is taken away at first, then
 * everything comes back that somebody owns, or that was never the manager's.
 */
function droppedBy(merged: JsonObject, claimed: Managers, last: FieldSet, type: MergeType): FieldSet {
  if (last.size === 0) return emptySet;
  const named = (set: FieldSet): FieldSet => withNamedFields(set, type);
  const setOf = (value: Json): FieldSet => named(fieldSetOf(value, type));
  const setWithout = (set: FieldSet): FieldSet => setOf(without(merged, set, type, nullForEmptied));

  let managed: FieldSet = emptySet;
  for (const entry of claimed.values()) managed = union(managed, entry.set);
  const mergedSet = setOf(merged);
  const formerly = named(last);
  const kept = union(setWithout(formerly), named(managed));
  const keptAfterAll = setWithout(difference(mergedSet, kept));
  return intersection(difference(mergedSet, union(keptAfterAll, kept)), formerly);
}

/** As the server has it until the nulls are dropped: other owners of what was emptied stay its owners. */
const nullForEmptied: Emptied = { owned: emptySet, leave: () => null };

function without(value: JsonObject, set: FieldSet, type: MergeType, emptied: Emptied): JsonObject {
  return (removePaths(value, set, type, emptied) ?? {}) as JsonObject;
}

function conflictsOf(
  managers: Managers,
  comparison: ReturnType<typeof compareForWrite>,
  self: string,
): ApplyConflict[] {
  return [...managers]
    .filter(([id]) => id !== self)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([, entry]) =>
      printPaths(contested(entry, comparison)).map((field) => ({
        manager: entry.manager,
        operation: entry.operation,
        apiVersion: entry.apiVersion,
        ...(entry.subresource === "" ? {} : { subresource: entry.subresource }),
        ...(entry.time === undefined ? {} : { time: entry.time }),
        field,
      })),
    );
}

function textOf(object: JsonObject, name: string): string {
  const value = getOwn(object, name);
  return typeof value === "string" ? value : "";
}
