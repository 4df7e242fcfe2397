import type { CompiledSchema } from "../schema/compile.ts";
import type { JsonObject } from "../schema/json.ts";
import type { BuiltinSchema } from "./builtin-schemas.ts";

export interface TrackUpdateOptions {
  readonly live: JsonObject | undefined;
  readonly updated: JsonObject;
  readonly manager: string;
  readonly apiVersion: string;
  readonly schema: CompiledSchema | BuiltinSchema;
  readonly time: string;
  readonly subresource?: string | undefined;
}

/** A copy of `updated` whose managedFields say who owns what after a write that is not an apply. */
export function trackUpdate(options: TrackUpdateOptions): JsonObject {
  return options.updated;
}
