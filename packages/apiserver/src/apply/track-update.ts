import type { Json, JsonObject } from "../schema/json.ts";
import { deepestNesting, isObject, nestsDeeperThan } from "../schema/json.ts";
import type { Managers } from "./managed-fields.ts";
import { decodeManagers, encodeManagers, managedFieldsOf, withManagedFields } from "./managed-fields.ts";
import type { WriteOptions } from "./ownership.ts";
import { emptyObject, updateManagers } from "./ownership.ts";

export interface TrackUpdateOptions extends WriteOptions {
  /** The stored object; undefined for a create. */
  readonly live: JsonObject | undefined;
  /** The object about to be stored. Neither is changed. */
  readonly updated: JsonObject;
}

/**
 * `updated` with managedFields that say who owns what after a create, update or patch: the writer owns every field it changed, and
 * loses none that it owned. A write that changes nothing changes no entry and no time.
 *
 * managedFields in `updated` are taken as the client's wish (a list of one empty entry resets them), except through a subresource. An object
 * without any is tracked from its creation or from its first apply on, not from an update in between.
 *
 * From Kubernetes' "Server-Side Apply" and k8s.io/apimachinery/pkg/util/managedfields.
 */
export function trackUpdate(options: TrackUpdateOptions): JsonObject {
  const { live, updated } = options;
  const managers = currentManagers(options);
  const plainUpdated = withManagedFields(updated, []);
  const isUntracked = live !== undefined && managers.size === 0;
  if (isUntracked || nestsDeeperThan(updated, deepestNesting) || nestsDeeperThan(live, deepestNesting)) {
    return withManagedFields(updated, encodeManagers(managers));
  }
  const before = live === undefined ? emptyObject(options, updated) : withManagedFields(live, []);
  const after = updateManagers(options, managers, before, plainUpdated);
  return withManagedFields(updated, encodeManagers(after));
}

function currentManagers({ live, updated, subresource }: TrackUpdateOptions): Managers {
  const stored = (): Managers => decodeManagers(managedFieldsOf(live)) ?? new Map();
  if (subresource !== undefined && subresource !== "") return stored();
  const wanted = managedFieldsOf(updated);
  if (isReset(wanted)) return new Map();
  const decoded = decodeManagers(wanted);
  return decoded === undefined || decoded.size === 0 ? stored() : decoded;
}

/** One empty entry asks for a fresh start; an empty list, which many clients send without meaning it, does not. */
function isReset(wanted: Json | undefined): boolean {
  if (!Array.isArray(wanted)) return false;
  const [first] = wanted;
  return wanted.length === 1 && isObject(first) && Object.keys(first).length === 0;
}
