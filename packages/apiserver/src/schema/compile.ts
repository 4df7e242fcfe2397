import type { FieldError } from "./field-error.ts";
import type { Json, JsonObject } from "./json.ts";
import { isObject } from "./json.ts";
import type { SchemaNode } from "./node.ts";

export interface CompileSchemaOptions {
  /** Prefix of the paths in a SchemaError, e.g. `spec.versions[0].schema.openAPIV3Schema`. Default: `openAPIV3Schema`. */
  readonly path?: string;
}

/** A structural schema, ready for use. None of the methods throws or changes its argument. */
export interface CompiledSchema {
  /** A copy of `value` with the defaults of missing fields. */
  default(value: JsonObject): JsonObject;
  /** A copy of `value` without the fields that the schema does not specify, and the paths of those. */
  prune(value: JsonObject): { value: JsonObject; dropped: string[] };
  /** All complaints about `value`. */
  validate(value: Json, old?: Json): FieldError[];
  readonly root: SchemaNode;
  /** Constructs that are accepted but not evaluated (x-kubernetes-validations), as `<path>: <what>`. */
  readonly unsupported: readonly string[];
}

/** Compiles an apiextensions/v1 structural schema. */
export function compileSchema(openAPIV3Schema: unknown, _options: CompileSchemaOptions = {}): CompiledSchema {
  return {
    default: (value) => value,
    prune: (value) => ({ value, dropped: [] }),
    validate: () => [],
    root: { schema: isObject(openAPIV3Schema) ? openAPIV3Schema : {} },
    unsupported: [],
  };
}
