import type { Json, JsonObject } from "../schema/json.ts";
import { isObject } from "../schema/json.ts";

/** RFC 7386: a copy of `target` changed as `patch` says. Neither argument is changed. */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key] ?? null, value);
  }
  return result;
}
