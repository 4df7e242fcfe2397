import type { FieldError } from "./field-error.ts";
import { forbidden, invalid } from "./field-error.ts";
import { stringFormats } from "./formats.ts";
import type { Json, JsonObject } from "./json.ts";
import { getOwn, isObject } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import type { Pattern } from "./pattern.ts";
import { compilePattern } from "./pattern.ts";
import { PatternSyntaxError } from "./pattern-parse.ts";

/** What parsing found out besides the tree. */
export interface ParseReport {
  readonly violations: FieldError[];
  /** Constructs that are accepted and not evaluated. */
  readonly unsupported: string[];
}

const deepestSchema = 100;

/** Reads one schema node and everything below it. Members of the wrong JSON type become violations and count as missing. */
export function parseNode(source: Json, path: string, report: ParseReport, depth = 0): SchemaNode {
  const { violations, unsupported } = report;
  let object: JsonObject = {};
  if (!isObject(source)) violations.push(invalid(path, source, "must be a schema object"));
  else if (depth > deepestSchema) violations.push(forbidden(path, `schemas nest at most ${deepestSchema} levels deep`));
  else object = source;

  const mistyped = (keyword: string, value: Json, expected: string): undefined => {
    violations.push(invalid(`${path}.${keyword}`, value, `must be ${expected}`));
  };
  const text = (keyword: string): string | undefined => {
    const value = getOwn(object, keyword);
    if (value === undefined || value === null || value === "") return undefined;
    return typeof value === "string" ? value : mistyped(keyword, value, "a string");
  };
  const number = (keyword: string): number | undefined => {
    const value = getOwn(object, keyword);
    if (value === undefined || value === null) return undefined;
    return typeof value === "number" ? value : mistyped(keyword, value, "a number");
  };
  const flag = (keyword: string): boolean => {
    const value = getOwn(object, keyword);
    if (value === undefined || value === null) return false;
    return typeof value === "boolean" ? value : (mistyped(keyword, value, "a boolean") ?? false);
  };
  const list = (keyword: string): readonly Json[] | undefined => {
    const value = getOwn(object, keyword);
    if (value === undefined || value === null) return undefined;
    return Array.isArray(value) ? value : mistyped(keyword, value, "a list");
  };
  const texts = (keyword: string): readonly string[] => {
    const values = list(keyword) ?? [];
    if (values.every((value) => typeof value === "string")) return values;
    return mistyped(keyword, [...values], "a list of strings") ?? [];
  };
  const child = (value: Json, at: string): SchemaNode => parseNode(value, `${path}.${at}`, report, depth + 1);
  const node = (keyword: string): SchemaNode | undefined => {
    const value = getOwn(object, keyword);
    return value === undefined || value === null ? undefined : child(value, keyword);
  };
  const nodes = (keyword: string): readonly SchemaNode[] =>
    (list(keyword) ?? []).map((value, index) => child(value, `${keyword}[${index}]`));

  const properties = new Map<string, SchemaNode>();
  const propertySources = getOwn(object, "properties");
  if (isObject(propertySources)) {
    for (const [name, value] of Object.entries(propertySources))
      properties.set(name, child(value, `properties[${name}]`));
  } else if (propertySources !== undefined && propertySources !== null) {
    mistyped("properties", propertySources, "an object of schemas");
  }
  const additional = getOwn(object, "additionalProperties");
  const items = getOwn(object, "items");

  const type = text("type");
  const intOrString = flag("x-kubernetes-int-or-string");
  const format = text("format");
  const supportedFormat = format !== undefined && isSupportedFormat(type, intOrString, format) ? format : undefined;
  if (format !== undefined && supportedFormat === undefined) {
    unsupported.push(`${path}.format: unrecognized format ${JSON.stringify(format)} is ignored`);
  }
  const rules = list("x-kubernetes-validations") ?? [];
  rules.forEach((rule, index) => {
    const expression = isObject(rule) && typeof rule["rule"] === "string" ? rule["rule"] : "";
    unsupported.push(
      `${path}.x-kubernetes-validations[${index}]: the CEL rule ${JSON.stringify(expression)} is not evaluated`,
    );
  });

  return {
    source: object,
    type,
    types: intOrString ? ["integer", "string"] : type === undefined ? [] : [type],
    nullable: flag("nullable"),
    intOrString,
    preserveUnknown: flag("x-kubernetes-preserve-unknown-fields"),
    embeddedResource: flag("x-kubernetes-embedded-resource"),
    // A default of null is no default: the API's type cannot tell the two apart.
    default: getOwn(object, "default") ?? undefined,
    properties,
    additionalProperties:
      additional === undefined || additional === null
        ? undefined
        : typeof additional === "boolean"
          ? additional
          : child(additional, "additionalProperties"),
    required: texts("required"),
    minProperties: number("minProperties"),
    maxProperties: number("maxProperties"),
    mapType: text("x-kubernetes-map-type"),
    // A list of schemas is refused by a rule of its own.
    items: items === undefined || items === null || Array.isArray(items) ? undefined : child(items, "items"),
    minItems: number("minItems"),
    maxItems: number("maxItems"),
    listType: text("x-kubernetes-list-type"),
    listMapKeys: texts("x-kubernetes-list-map-keys"),
    format: supportedFormat,
    minLength: number("minLength"),
    maxLength: number("maxLength"),
    pattern: parsePatternKeyword(text("pattern"), path, report),
    minimum: number("minimum"),
    exclusiveMinimum: flag("exclusiveMinimum"),
    maximum: number("maximum"),
    exclusiveMaximum: flag("exclusiveMaximum"),
    multipleOf: number("multipleOf"),
    enum: list("enum"),
    allOf: nodes("allOf"),
    anyOf: nodes("anyOf"),
    oneOf: nodes("oneOf"),
    not: node("not"),
  };
}

function parsePatternKeyword(source: string | undefined, path: string, report: ParseReport): Pattern | undefined {
  if (source === undefined) return undefined;
  try {
    return compilePattern(source);
  } catch (error) {
    if (!(error instanceof PatternSyntaxError)) throw error;
    report.violations.push(
      invalid(`${path}.pattern`, source, `must be a valid regular expression, but isn't: ${error.message}`),
    );
    return undefined;
  }
}

function isSupportedFormat(type: string | undefined, intOrString: boolean, format: string): boolean {
  if (intOrString) return false;
  if (type === "integer") return format === "int32" || format === "int64";
  if (type === "number") return format === "float" || format === "double";
  return (type === undefined || type === "string") && Object.hasOwn(stringFormats, format.replaceAll("-", ""));
}
