import type { FieldError } from "./field-error.ts";
import { forbidden, invalid, notSupported, required } from "./field-error.ts";
import { getOwn } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import { nodeOfAdditional } from "./node.ts";

type Level = "root" | "item" | "field";

/** Keywords of JSON Schema that custom resources may not use anywhere. */
const unsupportedKeywords = [
  "id",
  "additionalItems",
  "patternProperties",
  "definitions",
  "dependencies",
  "$ref",
] as const;
const schemaTypes = ["array", "boolean", "integer", "number", "object", "string"];
const metaFields = new Set(["apiVersion", "kind", "metadata"]);

/**
 * The rules of structural schemas: every node has a type (or says why not), what allOf, anyOf, oneOf and not mention is also described
 * outside of them, and metadata can hardly be restricted. From apiextensions/v1: "Specifying a structural schema", and
 * `ValidateStructural` for the wording.
 */
export function checkStructural(root: SchemaNode, path: string): FieldError[] {
  const violations: FieldError[] = [];
  checkInvariants(root, "root", path, violations);
  checkCompleteness(root, root, path, path, violations);
  return violations;
}

/** What apiextensions/v1 demands of keywords besides being structural: none that are unsupported, and types that fit the extensions. */
export function checkKeywords(root: SchemaNode, path: string): FieldError[] {
  const violations: FieldError[] = [];
  visitKeywords(root, path, violations, { isRoot: true, insideMeta: false, defaultsForbidden: undefined });
  return violations;
}

function checkInvariants(node: SchemaNode, level: Level, path: string, violations: FieldError[]): void {
  if (node.type === "array" && node.items === undefined && !Array.isArray(getOwn(node.source, "items"))) {
    violations.push(required(`${path}.items`, "must be specified"));
  }
  if (node.items !== undefined) checkInvariants(node.items, "item", `${path}.items`, violations);
  for (const [name, property] of node.properties) {
    checkInvariants(property, "field", `${path}.properties[${name}]`, violations);
  }
  if (node.additionalProperties !== undefined) {
    if (level === "root") {
      violations.push(forbidden(`${path}.additionalProperties`, "must not be used at the root"));
    }
    const additional = nodeOfAdditional(node);
    if (additional !== undefined) checkInvariants(additional, "field", `${path}.additionalProperties`, violations);
  }
  if (node.intOrString && node.preserveUnknown) {
    const field = `${path}.x-kubernetes-preserve-unknown-fields`;
    violations.push(invalid(field, true, "must be false if x-kubernetes-int-or-string is true"));
  }
  if (node.intOrString && node.embeddedResource) {
    const field = `${path}.x-kubernetes-embedded-resource`;
    violations.push(invalid(field, true, "must be false if x-kubernetes-int-or-string is true"));
  }

  const isIntOrStringAnyOf = isIntOrStringChoice(node.anyOf);
  const isIntOrStringAllOf = isIntOrStringChoice(node.allOf[0]?.anyOf ?? []);
  checkJunctors(node, isIntOrStringAnyOf, isIntOrStringAllOf, path, violations);

  checkType(node, level, path, violations);
  if (node.embeddedResource && node.additionalProperties !== undefined) {
    const field = `${path}.additionalProperties`;
    violations.push(forbidden(field, "must not be used if x-kubernetes-embedded-resource is set"));
  }
  checkMetadata(node, level, path, violations);
  if (node.embeddedResource && !node.preserveUnknown && node.properties.size === 0) {
    const why =
      "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
    violations.push(required(`${path}.properties`, why));
  }
}

function checkType(node: SchemaNode, level: Level, path: string, violations: FieldError[]): void {
  const field = `${path}.type`;
  if (node.embeddedResource && node.type !== "object") {
    const why = "must be object if x-kubernetes-embedded-resource is true";
    violations.push(node.type === undefined ? required(field, why) : invalid(field, node.type, why));
  } else if (node.type === undefined && !node.intOrString && !node.preserveUnknown) {
    const where = {
      root: "at the root",
      item: "for specified array items",
      field: "for specified object fields",
    }[level];
    violations.push(required(field, `must not be empty ${where}`));
  }
  if (level === "root" && node.type !== undefined && node.type !== "object") {
    violations.push(invalid(field, node.type, "must be object at the root"));
  }
}

/** At the root and in embedded resources, apiVersion, kind and metadata are the API's own. */
function checkMetadata(node: SchemaNode, level: Level, path: string, violations: FieldError[]): void {
  const isResource = level === "root" || node.embeddedResource;
  for (const name of ["kind", "apiVersion"]) {
    const property = node.properties.get(name);
    if (isResource && property !== undefined && property.type !== "string") {
      violations.push(invalid(`${path}.properties[${name}].type`, property.type ?? "", "must be string"));
    }
  }
  const metadata = node.properties.get("metadata");
  if (metadata === undefined) return;
  const field = `${path}.properties[metadata]`;
  if (isResource && metadata.type !== "object") {
    violations.push(invalid(`${field}.type`, metadata.type ?? "", "must be object"));
  }
  if (level !== "root") return;
  const nameable = ["name", "generateName"];
  const keywords = Object.keys(metadata.source).filter(
    (keyword) => !["type", "properties", "default"].includes(keyword),
  );
  if (keywords.length > 0 || [...metadata.properties.keys()].some((name) => !nameable.includes(name))) {
    const why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
    violations.push(forbidden(field, why));
  }
}

function isIntOrStringChoice(anyOf: readonly SchemaNode[]): boolean {
  const isOnly = (node: SchemaNode | undefined, type: string): boolean =>
    node !== undefined && node.type === type && Object.keys(node.source).length === 1;
  return anyOf.length === 2 && isOnly(anyOf[0], "integer") && isOnly(anyOf[1], "string");
}

function checkJunctors(
  node: SchemaNode,
  skipAnyOf: boolean,
  skipFirstAllOfAnyOf: boolean,
  path: string,
  violations: FieldError[],
): void {
  if (!skipAnyOf) {
    node.anyOf.forEach((branch, index) => checkNested(branch, false, `${path}.anyOf[${index}]`, violations));
  }
  node.allOf.forEach((branch, index) => {
    checkNested(branch, skipFirstAllOfAnyOf && index === 0, `${path}.allOf[${index}]`, violations);
  });
  node.oneOf.forEach((branch, index) => checkNested(branch, false, `${path}.oneOf[${index}]`, violations));
  if (node.not !== undefined) checkNested(node.not, false, `${path}.not`, violations);
}

/** Inside junctors a schema may only restrict values, never describe structure. */
function checkNested(node: SchemaNode, skipAnyOf: boolean, path: string, violations: FieldError[]): void {
  checkJunctors(node, skipAnyOf, false, path, violations);
  if (node.items !== undefined) checkNested(node.items, false, `${path}.items`, violations);
  for (const [name, property] of node.properties) {
    checkNested(property, false, `${path}.properties[${name}]`, violations);
  }
  const forbid = (keyword: string, isSet: boolean, what: string): void => {
    if (isSet) violations.push(forbidden(`${path}.${keyword}`, `must be ${what} to be structural`));
  };
  const has = (keyword: string): boolean => Boolean(getOwn(node.source, keyword));
  forbid("type", node.type !== undefined, "empty");
  forbid("additionalProperties", node.additionalProperties !== undefined, "undefined");
  forbid("default", node.default !== undefined, "undefined");
  forbid("title", has("title"), "empty");
  forbid("description", has("description"), "empty");
  forbid("nullable", node.nullable, "false");
  forbid("x-kubernetes-preserve-unknown-fields", node.preserveUnknown, "false");
  forbid("x-kubernetes-embedded-resource", node.embeddedResource, "false");
  forbid("x-kubernetes-int-or-string", node.intOrString, "false");
  forbid("x-kubernetes-list-map-keys", node.listMapKeys.length > 0, "empty");
  forbid("x-kubernetes-list-type", node.listType !== undefined, "undefined");
  forbid("x-kubernetes-map-type", node.mapType !== undefined, "undefined");
  forbid("x-kubernetes-validations", has("x-kubernetes-validations"), "empty");
  // Restricting metadata in a junctor would be a way around its limits at the root.
  if (node.properties.has("metadata")) {
    violations.push(forbidden(`${path}.properties[metadata]`, "must not be specified in a nested context"));
  }
}

/** What a junctor mentions must be described by the structure, too. The server looks at the root's junctors alone. */
function checkCompleteness(
  restriction: SchemaNode,
  structure: SchemaNode,
  structurePath: string,
  path: string,
  violations: FieldError[],
): void {
  const visit = (branch: SchemaNode, at: string): void => {
    checkDescribed(branch, structure, structurePath, at, violations);
  };
  if (restriction.not !== undefined) visit(restriction.not, `${path}.not`);
  restriction.allOf.forEach((branch, index) => visit(branch, `${path}.allOf[${index}]`));
  restriction.anyOf.forEach((branch, index) => visit(branch, `${path}.anyOf[${index}]`));
  restriction.oneOf.forEach((branch, index) => visit(branch, `${path}.oneOf[${index}]`));
}

function checkDescribed(
  nested: SchemaNode,
  structure: SchemaNode | undefined,
  structurePath: string,
  path: string,
  violations: FieldError[],
): void {
  if (structure === undefined) {
    violations.push(required(structurePath, `because it is defined in ${path}`));
    return;
  }
  checkCompleteness(nested, structure, structurePath, path, violations);
  if (nested.items !== undefined) {
    checkDescribed(nested.items, structure.items, `${structurePath}.items`, `${path}.items`, violations);
  }
  for (const [name, property] of nested.properties) {
    const member = `properties[${name}]`;
    const described = structure.properties.get(name);
    checkDescribed(property, described, `${structurePath}.${member}`, `${path}.${member}`, violations);
  }
}

interface KeywordContext {
  readonly isRoot: boolean;
  readonly insideMeta: boolean;
  /** Why defaults are forbidden here, e.g. `in top-level metadata`. */
  readonly defaultsForbidden: string | undefined;
}

function visitKeywords(node: SchemaNode, path: string, violations: FieldError[], context: KeywordContext): void {
  checkSupported(node, path, violations, context);
  checkListAndMapTypes(node, path, violations);
  const nested: KeywordContext = { ...context, isRoot: false };

  const { additionalProperties } = node;
  if (additionalProperties !== undefined && additionalProperties !== true && node.properties.size > 0) {
    const field = `${path}.additionalProperties`;
    violations.push(forbidden(field, "additionalProperties and properties are mutual exclusive"));
  }
  const additional = nodeOfAdditional(node);
  if (additional !== undefined) {
    const why = "inside additionalProperties applying to object metadata";
    const inner = context.insideMeta ? { ...nested, defaultsForbidden: why } : nested;
    visitKeywords(additional, `${path}.additionalProperties`, violations, inner);
  }
  for (const [name, property] of node.properties) {
    const isMeta = (context.isRoot || node.embeddedResource) && metaFields.has(name);
    visitKeywords(property, `${path}.properties[${name}]`, violations, {
      isRoot: false,
      insideMeta: context.insideMeta || isMeta,
      defaultsForbidden: isMeta && context.isRoot ? `in top-level ${name}` : context.defaultsForbidden,
    });
  }
  if (node.items !== undefined) visitKeywords(node.items, `${path}.items`, violations, nested);
  if (node.not !== undefined) visitKeywords(node.not, `${path}.not`, violations, nested);
  for (const keyword of ["allOf", "anyOf", "oneOf"] as const) {
    node[keyword].forEach((branch, index) => visitKeywords(branch, `${path}.${keyword}[${index}]`, violations, nested));
  }
}

function checkSupported(node: SchemaNode, path: string, violations: FieldError[], context: KeywordContext): void {
  if (node.type === "null") {
    violations.push(forbidden(`${path}.type`, "type cannot be set to null, use nullable as an alternative"));
  }
  if (node.type !== undefined && !schemaTypes.includes(node.type)) {
    violations.push(notSupported(`${path}.type`, node.type, schemaTypes));
  }
  if (getOwn(node.source, "uniqueItems") === true) {
    const why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
    violations.push(forbidden(`${path}.uniqueItems`, why));
  }
  for (const keyword of unsupportedKeywords) {
    const value = getOwn(node.source, keyword);
    if (value !== undefined && value !== null)
      violations.push(forbidden(`${path}.${keyword}`, `${keyword} is not supported`));
  }
  if (Array.isArray(getOwn(node.source, "items"))) {
    violations.push(forbidden(`${path}.items`, "items must be a schema object and not an array"));
  }
  if (node.default !== undefined && context.defaultsForbidden !== undefined) {
    violations.push(forbidden(`${path}.default`, `must not be set ${context.defaultsForbidden}`));
  }
  if (context.insideMeta && node.embeddedResource) {
    const field = `${path}.x-kubernetes-embedded-resource`;
    violations.push(forbidden(field, "must not be used inside of resource meta"));
  }
  if (getOwn(node.source, "x-kubernetes-preserve-unknown-fields") === false) {
    violations.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, "must be true or undefined"));
  }
}

function checkListAndMapTypes(node: SchemaNode, path: string, violations: FieldError[]): void {
  const mustBe = (type: string, keyword: string): void => {
    const why = `must be ${type} if ${keyword} is specified`;
    const field = `${path}.type`;
    violations.push(node.type === undefined ? required(field, why) : invalid(field, node.type, why));
  };
  const { mapType, listType, listMapKeys, items } = node;
  if (mapType !== undefined) {
    if (node.type !== "object") mustBe("object", "x-kubernetes-map-type");
    if (!["atomic", "granular"].includes(mapType)) {
      violations.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ["atomic", "granular"]));
    }
  }
  if (listType !== undefined) {
    if (node.type !== "array") mustBe("array", "x-kubernetes-list-type");
    else if (listType === "set" && items !== undefined) checkSetItems(items, `${path}.items`, violations);
    if (!["atomic", "set", "map"].includes(listType)) {
      violations.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ["atomic", "set", "map"]));
    }
    if ((listType === "set" || listType === "map") && items?.nullable === true) {
      const why = `cannot be nullable when x-kubernetes-list-type is ${listType}`;
      violations.push(forbidden(`${path}.items.nullable`, why));
    }
  }
  if (listMapKeys.length > 0 && listType !== "map") {
    const field = `${path}.x-kubernetes-list-type`;
    const why = "must be map if x-kubernetes-list-map-keys is non-empty";
    violations.push(listType === undefined ? required(field, why) : invalid(field, listType, why));
  }
  if (listType === "map") checkListMap(node, path, violations);
}

function checkSetItems(items: SchemaNode, path: string, violations: FieldError[]): void {
  const why = "must be atomic as item of a list with x-kubernetes-list-type=set";
  if (items.type === "array" && items.listType !== undefined && items.listType !== "atomic") {
    violations.push(invalid(`${path}.x-kubernetes-list-type`, items.listType, why));
  }
  if (items.type === "object" && items.mapType !== "atomic") {
    // The server prints the list type here, which an object never has.
    violations.push(invalid(`${path}.x-kubernetes-map-type`, items.listType ?? null, why));
  }
}

function checkListMap(node: SchemaNode, path: string, violations: FieldError[]): void {
  const { items, listMapKeys } = node;
  const keysField = `${path}.x-kubernetes-list-map-keys`;
  if (listMapKeys.length === 0) {
    violations.push(required(keysField, "must not be empty if x-kubernetes-list-type is map"));
  }
  if (items === undefined) {
    violations.push(required(`${path}.items`, "must have a schema if x-kubernetes-list-type is map"));
    return;
  }
  if (items.type !== "object") {
    const why = "must be object if parent array's x-kubernetes-list-type is map";
    violations.push(invalid(`${path}.items.type`, items.type ?? "", why));
    return;
  }
  if (new Set(listMapKeys).size < listMapKeys.length) {
    violations.push(invalid(keysField, [...listMapKeys], "must not contain duplicate entries"));
  }
  for (const key of new Set(listMapKeys)) {
    const property = items.properties.get(key);
    const field = `${path}.items.properties[${key}]`;
    if (property === undefined) {
      violations.push(invalid(keysField, [...listMapKeys], "entries must all be names of item properties"));
      continue;
    }
    if (property.type === "array" || property.type === "object") {
      const why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      violations.push(invalid(`${field}.type`, property.type, why));
    }
    if (!items.required.includes(key) && property.default === undefined) {
      const why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
      violations.push(required(`${field}.default`, why));
    }
    if (property.nullable) {
      const why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
      violations.push(forbidden(`${field}.nullable`, why));
    }
  }
}
