import type { Json, JsonObject } from "../schema/json.ts";
import { deepestNesting, getOwn, isObject, nestsDeeperThan, setOwn } from "../schema/json.ts";
import { PatchError } from "./error.ts";

/**
 * `target` changed as a JSON merge patch says (RFC 7386): null removes a member, objects merge, everything else replaces. Neither
 * argument is changed; unchanged parts are shared with `target`.
 *
 * Throws PatchError `invalid` for a patch that nests too deeply.
 */
export function mergePatch(target: Json, patch: Json): Json {
  if (nestsDeeperThan(patch, deepestNesting)) {
    throw new PatchError("invalid", `objects and lists may nest at most ${deepestNesting} levels deep`);
  }
  return merge(target, patch);
}

function merge(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else setOwn(result, key, merge(getOwn(result, key), value));
  }
  return result;
}
