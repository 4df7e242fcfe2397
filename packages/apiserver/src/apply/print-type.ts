import type { JsonObject } from "../schema/json.ts";
import { getOwn } from "../schema/json.ts";

/** The type of an object as Go prints a GroupVersionKind; what is no text or no group and version counts as empty. */
export function printType(object: JsonObject): string {
  const [apiVersion, kind] = [getOwn(object, "apiVersion"), getOwn(object, "kind")].map((value) =>
    typeof value === "string" ? value : "",
  ) as [string, string];
  const slashes = apiVersion.split("/").length - 1;
  if (slashes > 1) return "/, Kind=";
  return `${slashes === 0 ? "/" : ""}${apiVersion}, Kind=${kind}`;
}
