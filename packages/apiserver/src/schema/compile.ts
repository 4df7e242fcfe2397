import { applyDefaults } from "./defaulting.ts";
import { checkEmbedded } from "./embedded.ts";
import { SchemaError } from "./error.ts";
import type { FieldError } from "./field-error.ts";
import { invalid } from "./field-error.ts";
import type { Json, JsonObject } from "./json.ts";
import { deepestNesting, isObject, nestsDeeperThan } from "./json.ts";
import { checkListTypes } from "./list-types.ts";
import type { SchemaNode } from "./node.ts";
import type { ParseReport } from "./parse.ts";
import { parseNode } from "./parse.ts";
import { pruneUnknown } from "./pruning.ts";
import { checkKeywords, checkStructural } from "./structural.ts";
import { checkValue } from "./validation.ts";

export interface CompileSchemaOptions {
  /** Where the schema stands, for the paths in a SchemaError, e.g. `spec.versions[0].schema.openAPIV3Schema`. Default: `openAPIV3Schema`. */
  readonly path?: string;
}

/**
 * A structural schema, ready for use. None of the methods throws, whatever JSON they are given, and none changes its argument; what
 * they return shares its unchanged parts with the argument.
 */
export interface CompiledSchema {
  /** `value` with the defaults of missing fields. */
  default(value: JsonObject): JsonObject;
  /** `value` without the fields that the schema does not specify, and the paths of those. */
  prune(value: JsonObject): { value: JsonObject; dropped: string[] };
  /**
   * All complaints about `value`; none when it is valid. With `old`, the stored object that `value` replaces, complaints about
   * unchanged parts are left out.
   */
  validate(value: Json, old?: Json): FieldError[];
  readonly root: SchemaNode;
  /** What the schema asks for and is not evaluated here: CEL rules, unknown formats. One sentence each, starting with the path. */
  readonly unsupported: readonly string[];
}

/**
 * Compiles the `openAPIV3Schema` of an apiextensions/v1 CustomResourceDefinition. A missing schema is refused as the server refuses it.
 *
 * Throws SchemaError with everything that keeps the schema from being structural, defaults that do not fit their own schema included.
 */
export function compileSchema(openAPIV3Schema: unknown, options: CompileSchemaOptions = {}): CompiledSchema {
  const { path = "openAPIV3Schema" } = options;
  const report: ParseReport = { violations: [], unsupported: [] };
  const root = parseNode((openAPIV3Schema ?? null) as Json, path, report);
  const violations = [...report.violations];
  if (isObject(openAPIV3Schema)) {
    violations.push(...checkStructural(root, path));
    if (violations.length === 0) checkDefaults(root, path, violations);
    violations.push(...checkKeywords(root, path));
  }
  if (violations.length > 0) {
    throw new SchemaError(violations.sort((left, right) => compareText(textOf(left), textOf(right))));
  }

  return {
    root,
    unsupported: report.unsupported,
    default: (value) => (nestsDeeperThan(value, deepestNesting) ? value : (applyDefaults(value, root) as JsonObject)),
    prune(value) {
      const dropped: string[] = [];
      // What nests too deep is refused by validate; until then it stays as it is.
      if (nestsDeeperThan(value, deepestNesting)) return { value, dropped };
      return { value: pruneUnknown(value, root, dropped), dropped };
    },
    validate: (value, old) => validate(value, old, root),
  };
}

function validate(value: Json, old: Json | undefined, root: SchemaNode): FieldError[] {
  if (nestsDeeperThan(value, deepestNesting)) {
    return [invalid("<nil>", "", `objects and lists may nest at most ${deepestNesting} levels deep`)];
  }
  const known = old === undefined || nestsDeeperThan(old, deepestNesting) ? undefined : old;
  const errors = checkValue(value, root, known);
  checkEmbedded(value, root, "", errors);
  const duplicates: FieldError[] = [];
  checkListTypes(value, root, "", duplicates);
  if (duplicates.length === 0 || known === undefined) return [...errors, ...duplicates];
  const oldDuplicates: FieldError[] = [];
  checkListTypes(known, root, "", oldDuplicates);
  return oldDuplicates.length > 0 ? errors : [...errors, ...duplicates];
}

/** A default must be valid and must survive pruning. Those in metadata are checked by the rules on metadata alone. */
function checkDefaults(node: SchemaNode, path: string, violations: FieldError[]): void {
  if (node.default !== undefined) {
    const field = `${path}.default`;
    const dropped: string[] = [];
    // Pruning starts at objects; wrapped in one, any default can be pruned.
    const properties = new Map([["default", node]]);
    pruneUnknown({ default: node.default }, { ...node, properties, preserveUnknown: false }, dropped);
    if (dropped.length > 0) violations.push(invalid(field, node.default, "must not have unknown fields"));
    const found = violations.length;
    checkEmbedded(node.default, node, field, violations);
    const isWellFormed = violations.length === found && !nestsDeeperThan(node.default, deepestNesting);
    for (const error of isWellFormed ? checkValue(node.default, node, undefined) : []) {
      violations.push({ ...error, field: error.field === "<nil>" ? field : `${field}.${error.field}` });
    }
  }
  if (node.items !== undefined) checkDefaults(node.items, `${path}.items`, violations);
  for (const [name, property] of node.properties) checkDefaults(property, `${path}.properties[${name}]`, violations);
}

function textOf(error: FieldError): string {
  return `${error.field}: ${error.message}`;
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
