import type { CompiledSchema } from "../schema/compile.ts";
import type { JsonObject } from "../schema/json.ts";
import type { BuiltinSchema } from "./builtin-schemas.ts";

export interface ApplyOptions {
  /** The stored object; undefined when there is none yet. */
  readonly live: JsonObject | undefined;
  /** What the manager wants, with apiVersion, kind and metadata. */
  readonly applied: JsonObject;
  readonly manager: string;
  /** Take over fields that other managers own with another value. */
  readonly force: boolean;
  readonly apiVersion: string;
  readonly schema: CompiledSchema | BuiltinSchema;
  /** RFC 3339, second precision. */
  readonly time: string;
  readonly subresource?: string | undefined;
}

/** A field whose value another manager owns. */
export interface ApplyConflict {
  readonly manager: string;
  readonly subresource?: string;
  readonly apiVersion: string;
  readonly time?: string;
  /** E.g. `.spec.template.spec.containers[name="x"].image`. */
  readonly field: string;
}

export type ApplyResult = { readonly object: JsonObject } | { readonly conflicts: readonly ApplyConflict[] };

export function applyServerSide(options: ApplyOptions): ApplyResult {
  return { object: options.applied };
}
