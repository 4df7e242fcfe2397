import type { FieldError } from "./field-error.ts";
import { invalid, notSupported, required, tooLong, tooMany, typeInvalid } from "./field-error.ts";
import { stringFormats } from "./formats.ts";
import { goNumber, goQuote } from "./go-format.ts";
import type { Json, JsonObject } from "./json.ts";
import { deepEqual, isObject } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import { nodeOfAdditional } from "./node.ts";
import type { Correlation } from "./ratcheting.ts";
import { correlate, isUnchanged } from "./ratcheting.ts";

/** Complaints, and how many checks were made: where no branch of oneOf or anyOf fits, the one that got furthest is reported. */
interface Outcome {
  readonly errors: FieldError[];
  checks: number;
}

const exactLimit = 2 ** 53;
const int64Limit = 2 ** 63;
const int32Limit = 2 ** 31;

/**
 * Complaints about `value`, in the words of kube-openapi's validator behind the real API server.
 *
 * With `old`, complaints about parts that did not change are left out, so that a schema can become stricter without locking its
 * objects (CRD validation ratcheting, KEP-4008).
 */
export function checkValue(value: Json, node: SchemaNode, old: Json | undefined): FieldError[] {
  const outcome: Outcome = { errors: [], checks: 0 };
  check(value, node, "", old === undefined ? undefined : { old, node }, outcome);
  const seen = new Set<string>();
  return outcome.errors.filter((error) => {
    const text = `${error.field}\n${error.message}`;
    return !seen.has(text) && seen.add(text);
  });
}

function check(value: Json, node: SchemaNode, path: string, was: Correlation | undefined, outcome: Outcome): void {
  const before = outcome.errors.length;
  checkRules(value, node, path, was, outcome);
  if (outcome.errors.length > before && was !== undefined && isUnchanged(value, was)) outcome.errors.length = before;
}

function checkRules(value: Json, node: SchemaNode, path: string, was: Correlation | undefined, outcome: Outcome): void {
  checkType(value, node, path, outcome);
  if (value === null) {
    checkEnum(value, node, path, outcome);
    return;
  }
  checkJunctors(value, node, path, outcome);
  if (typeof value === "string") {
    checkString(value, node, path, outcome);
    checkFormat(value, node, path, outcome);
  } else if (typeof value === "number") {
    checkNumber(value, node, path, outcome);
  } else if (Array.isArray(value)) {
    checkList(value, node, path, was, outcome);
  }
  checkEnum(value, node, path, outcome);
  if (isObject(value)) checkObject(value, node, path, was, outcome);
  outcome.checks++;
}

function typeName(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) <= int64Limit ? "integer" : "number";
  return typeof value;
}

function checkType(value: Json, node: SchemaNode, path: string, outcome: Outcome): void {
  const { types, format } = node;
  if (types.length === 0 && format === undefined) return;
  outcome.checks++;
  const wrong = (expected: string, actual: string): void => {
    outcome.errors.push(
      typeInvalid(name(path), actual, `${path} in body must be of type ${expected}: ${goQuote(actual)}`),
    );
  };
  if (value === null) {
    if (types.length > 0 && !node.nullable) wrong(types.join(","), "null");
    return;
  }
  const actual = typeName(value);
  const fits = types.includes(actual) || (actual === "integer" && types.includes("number"));
  if (fits || (types.length === 0 && (typeof value === "string" || Array.isArray(value)))) {
    outcome.checks++;
  } else if (format !== undefined && typeof value !== "string" && !Array.isArray(value)) {
    // The server names the format here, and a Go type in place of the value.
    wrong(format, typeof value === "number" ? (Number.isInteger(value) ? "int64" : "float64") : "");
  } else {
    wrong(types.length === 0 ? (format ?? "") : types.join(","), actual);
  }
}

function checkJunctors(value: Json, node: SchemaNode, path: string, outcome: Outcome): void {
  const branch = (schema: SchemaNode): Outcome => {
    const result: Outcome = { errors: [], checks: 0 };
    // Nothing inside a junctor corresponds to old values.
    checkRules(value, schema, path, undefined, result);
    return result;
  };
  const take = (result: Outcome): void => {
    outcome.errors.push(...result.errors);
    outcome.checks += result.checks;
  };
  const complain = (text: string): void => {
    outcome.errors.push(invalid("<nil>", "", `${goQuote(path)} ${text}`));
  };
  const furthest = (results: readonly Outcome[]): Outcome =>
    results.reduce((best, result) => (result.checks > best.checks ? result : best));

  if (node.anyOf.length > 0) {
    const results = node.anyOf.map(branch);
    const success = results.find((result) => result.errors.length === 0);
    if (success === undefined) complain("must validate at least one schema (anyOf)");
    take(success ?? furthest(results));
  }
  if (node.oneOf.length > 0) {
    const results = node.oneOf.map(branch);
    const successes = results.filter((result) => result.errors.length === 0);
    if (successes.length === 0) {
      complain("must validate one and only one schema (oneOf). Found none valid");
      take(furthest(results));
    } else if (successes.length > 1) {
      complain(`must validate one and only one schema (oneOf). Found ${successes.length} valid alternatives`);
    } else {
      successes.forEach(take);
    }
  }
  if (node.allOf.length > 0) {
    const results = node.allOf.map(branch);
    results.forEach(take);
    const valid = results.filter((result) => result.errors.length === 0).length;
    if (valid < results.length) {
      complain(`must validate all the schemas (allOf)${valid === 0 ? ". None validated" : ""}`);
    }
  }
  if (node.not !== undefined && branch(node.not).errors.length === 0) complain("must not validate the schema (not)");
  outcome.checks += 2;
}

/** The first complaint only, as the server does. Lengths count Unicode code points. */
function checkString(value: string, node: SchemaNode, path: string, outcome: Outcome): void {
  const { minLength, maxLength, pattern } = node;
  outcome.checks++;
  if (maxLength !== undefined && value.length > maxLength && codePoints(value) > maxLength) {
    outcome.errors.push(tooLong(name(path), maxLength));
  } else if (minLength !== undefined && codePoints(value) < minLength) {
    const detail = `${path} in body should be at least ${minLength} chars long`;
    outcome.errors.push(invalid(name(path), value, detail));
  } else if (pattern !== undefined && !pattern.test(value)) {
    outcome.errors.push(invalid(name(path), value, `${path} in body should match '${pattern.source}'`));
  }
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function checkFormat(value: string, node: SchemaNode, path: string, outcome: Outcome): void {
  if (node.format === undefined) return;
  const test = stringFormats[node.format.replaceAll("-", "")];
  if (test === undefined) return;
  outcome.checks++;
  if (test(value)) return;
  const detail = `${path} in body must be of type ${node.format}: ${goQuote(value)}`;
  outcome.errors.push(typeInvalid(name(path), value, detail));
}

function checkNumber(value: number, node: SchemaNode, path: string, outcome: Outcome): void {
  const { multipleOf, minimum, maximum } = node;
  outcome.checks += 2;
  const complain = (rule: string): void => {
    outcome.errors.push(invalid(name(path), value, `${path} in body should be ${rule}`));
  };
  const checkRange = (what: string, number: number): boolean => {
    const problem = outOfRange(number, node);
    if (problem === undefined) return true;
    outcome.errors.push(invalid("<nil>", "", `${what} value must be of type ${problem} in ${path}`));
    return false;
  };
  // The server compares integers with the integer part of the bound, unless the type rules such bounds out.
  const boundFor = (what: string, bound: number): number =>
    checkRange(what, bound) && Number.isInteger(value) ? Math.trunc(bound) : bound;

  checkRange("Checked", value);
  if (multipleOf !== undefined) {
    checkRange("MultipleOf", multipleOf);
    if (!isMultiple(value, multipleOf)) complain(`a multiple of ${goNumber(multipleOf)}`);
  }
  if (minimum !== undefined) {
    const bound = boundFor("Minimum boundary", minimum);
    if (node.exclusiveMinimum ? value <= bound : value < bound) {
      complain(`greater than ${node.exclusiveMinimum ? "" : "or equal to "}${goNumber(bound)}`);
    }
  }
  if (maximum !== undefined) {
    const bound = boundFor("Maximum boundary", maximum);
    if (node.exclusiveMaximum ? value >= bound : value > bound) {
      complain(`less than ${node.exclusiveMaximum ? "" : "or equal to "}${goNumber(bound)}`);
    }
  }
}

/** The type and format that a number does not fit, as the server prints them. */
function outOfRange(value: number, { type, format, intOrString }: SchemaNode): string | undefined {
  if (type === "integer" && !intOrString) {
    const limit = format === "int32" ? int32Limit : int64Limit;
    if (Number.isInteger(value) && value < limit && value >= -limit) return undefined;
    return format === undefined ? "integer (default format)" : `integer with format ${format}`;
  }
  const isTooLarge = type === "number" && format === "float" && !Number.isFinite(Math.fround(value));
  return isTooLarge ? "number with format float" : undefined;
}

function isMultiple(value: number, factor: number): boolean {
  if (factor <= 0) return true;
  const quotient = factor < 1 ? (1 / factor) * value : value / factor;
  if (!Number.isFinite(quotient) || Math.abs(quotient) > exactLimit) return false;
  // 0.3 is a multiple of 0.1 although binary fractions disagree in the last digits.
  const difference = Math.abs(quotient - Math.round(quotient));
  return difference === 0 || difference / Math.max(Math.abs(quotient), 1) < 1e-9;
}

function checkList(
  list: readonly Json[],
  node: SchemaNode,
  path: string,
  was: Correlation | undefined,
  outcome: Outcome,
): void {
  const { items, minItems, maxItems } = node;
  if (items !== undefined) {
    const correlated = correlate(was);
    for (const [index, item] of list.entries()) {
      check(item, items, `${path}[${index}]`, correlated.item(item), outcome);
    }
  }
  if (minItems !== undefined && list.length < minItems) {
    const detail = `${path} in body should have at least ${minItems} items`;
    outcome.errors.push(invalid(name(path), list.length, detail));
  }
  if (maxItems !== undefined && list.length > maxItems) {
    outcome.errors.push(tooMany(name(path), list.length, maxItems));
  }
  outcome.checks += 2;
}

function checkEnum(value: Json, node: SchemaNode, path: string, outcome: Outcome): void {
  outcome.checks++;
  const { enum: allowed } = node;
  if (allowed === undefined || allowed.length === 0) return;
  // The server finds null in no enumeration, not even in one that lists it.
  if (value !== null && allowed.some((item) => deepEqual(item, value))) return;
  const printed = allowed.map((item) => (typeof item === "string" ? item : JSON.stringify(item)));
  outcome.errors.push(notSupported(name(path), value, printed));
}

function checkObject(
  object: JsonObject,
  node: SchemaNode,
  path: string,
  was: Correlation | undefined,
  outcome: Outcome,
): void {
  outcome.checks++;
  const names = Object.keys(object);
  const { minProperties, maxProperties, additionalProperties } = node;
  if (minProperties !== undefined && names.length < minProperties) {
    const detail = `${path} in body should have at least ${minProperties} properties`;
    outcome.errors.push(invalid(name(path), names.length, detail));
  }
  if (maxProperties !== undefined && names.length > maxProperties) {
    outcome.errors.push(tooMany(name(path), names.length, maxProperties));
  }
  const additional = nodeOfAdditional(node);
  const correlated = correlate(was);
  for (const field of names) {
    const property = node.properties.get(field);
    const value = object[field] ?? null;
    if (property !== undefined) {
      // The stored apiVersion and kind were converted to those of the request: they cannot be compared.
      const oldField =
        path === "" && (field === "apiVersion" || field === "kind") ? undefined : correlated.field(field);
      check(value, property, path === "" ? field : `${path}.${field}`, oldField, outcome);
    } else if (additional !== undefined) {
      check(value, additional, `${path}.${field}`, correlated.field(field), outcome);
    } else if (additionalProperties === false) {
      const detail = `${path}.${field} in body is a forbidden property`;
      outcome.errors.push(invalid(name(path), field, detail));
    }
  }
  for (const field of node.required) {
    if (!Object.hasOwn(object, field)) outcome.errors.push(required(name(`${path}.${field}`)));
  }
}

/** The field as the server prints it: the root is `<nil>`. */
function name(path: string): string {
  return path === "" ? "<nil>" : path.startsWith(".") ? path.slice(1) : path;
}
