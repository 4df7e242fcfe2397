import type { Json, JsonObject } from "./json.ts";
import type { Pattern } from "./pattern.ts";

/**
 * One node of a compiled structural schema. Nodes under allOf, anyOf, oneOf and not have the same shape, without type and the other
 * keywords that structural schemas forbid there.
 */
export interface SchemaNode {
  /** The node as it was written. */
  readonly source: JsonObject;
  readonly type: string | undefined;
  /** `type`, or both types of an int-or-string. Empty: anything goes. */
  readonly types: readonly string[];
  readonly nullable: boolean;
  readonly intOrString: boolean;
  readonly preserveUnknown: boolean;
  readonly embeddedResource: boolean;
  readonly default: Json | undefined;

  readonly properties: ReadonlyMap<string, SchemaNode>;
  /** Undefined when the keyword is missing. */
  readonly additionalProperties: SchemaNode | boolean | undefined;
  readonly required: readonly string[];
  readonly minProperties: number | undefined;
  readonly maxProperties: number | undefined;
  readonly mapType: string | undefined;

  readonly items: SchemaNode | undefined;
  readonly minItems: number | undefined;
  readonly maxItems: number | undefined;
  readonly listType: string | undefined;
  readonly listMapKeys: readonly string[];

  /** Undefined, too, when the API server ignores the format. */
  readonly format: string | undefined;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
  readonly pattern: Pattern | undefined;

  readonly minimum: number | undefined;
  readonly exclusiveMinimum: boolean;
  readonly maximum: number | undefined;
  readonly exclusiveMaximum: boolean;
  readonly multipleOf: number | undefined;

  readonly enum: readonly Json[] | undefined;
  readonly allOf: readonly SchemaNode[];
  readonly anyOf: readonly SchemaNode[];
  readonly oneOf: readonly SchemaNode[];
  readonly not: SchemaNode | undefined;
}

/** The node that describes an object's field: its property's, or else that of additionalProperties. */
export function nodeOfField(node: SchemaNode, field: string): SchemaNode | undefined {
  return node.properties.get(field) ?? nodeOfAdditional(node);
}

/** The node of additionalProperties, unless that is a boolean. */
export function nodeOfAdditional(node: SchemaNode): SchemaNode | undefined {
  return typeof node.additionalProperties === "object" ? node.additionalProperties : undefined;
}
