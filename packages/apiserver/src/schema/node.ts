import type { JsonObject } from "./json.ts";

/** One node of a compiled structural schema. */
export interface SchemaNode {
  readonly schema: JsonObject;
}
