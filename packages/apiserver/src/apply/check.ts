import type { JsonObject } from "../schema/json.ts";
import { isObject } from "../schema/json.ts";

/** What makes an applied configuration unacceptable (the caller answers 400 with it), or undefined. */
export function checkApplied(applied: JsonObject): string | undefined {
  const metadata = applied["metadata"];
  if (isObject(metadata) && Array.isArray(metadata["managedFields"]) && metadata["managedFields"].length > 0) {
    return "metadata.managedFields must be nil";
  }
  return undefined;
}
