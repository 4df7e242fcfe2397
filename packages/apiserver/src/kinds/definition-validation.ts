import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import { at, isObject, listAt, sameJson, show, textAt } from "../object.ts";
import {
  compileSchema,
  duplicate,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  SchemaError,
  tooMany,
} from "../schema/index.ts";
import { compileJsonPath } from "../table/json-path.ts";
import { nameProblems } from "./names.ts";

const columnTypes = ["boolean", "date", "integer", "number", "string"];
const columnFormats = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const longestWarning = 256;

/** What is wrong with a CustomResourceDefinition, its schemas included. */
export function validateDefinition(next: JsonObject, previous: JsonObject | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const group = textAt(next, "spec", "group");
  const plural = textAt(next, "spec", "names", "plural");
  const name = textAt(next, "metadata", "name");
  if (name !== `${plural}.${group}`)
    errors.push(invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group'));
  errors.push(...validateGroup(next, group));
  const scope = textAt(next, "spec", "scope");
  if (scope === "") errors.push(required("spec.scope"));
  else if (scope !== "Namespaced" && scope !== "Cluster")
    errors.push(notSupported("spec.scope", scope, ["Cluster", "Namespaced"]));
  errors.push(...validateNames(next), ...validateVersions(next), ...validateImmutable(next, previous));
  const strategy = textAt(next, "spec", "conversion", "strategy");
  if (strategy === "Webhook")
    errors.push(invalidValue("spec.conversion.strategy", strategy, "webhooks are not called here; use None"));
  else if (strategy !== "None") errors.push(notSupported("spec.conversion.strategy", strategy, ["None", "Webhook"]));
  if (at(next, "spec", "preserveUnknownFields") === true) {
    errors.push(
      invalidValue(
        "spec.preserveUnknownFields",
        true,
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
      ),
    );
  }
  return errors;
}

const protectedGroup = /(^|\.)(k8s|kubernetes)\.io$/;
const approval = "api-approved.kubernetes.io";

function validateGroup(next: JsonObject, group: string): FieldError[] {
  if (group === "") return [required("spec.group")];
  const problems = nameProblems(group, "subdomain").map((problem) => invalidValue("spec.group", group, problem));
  if (problems.length > 0) return problems;
  if (!group.includes(".")) return [invalidValue("spec.group", group, "should be a domain with at least one dot")];
  if (!protectedGroup.test(group) || textAt(next, "metadata", "annotations", approval) !== "") return [];
  const why = `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`;
  return [required(`metadata.annotations[${approval}]`, why)];
}

function validateNames(next: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["plural", "singular", "kind", "listKind"] as const) {
    const value = textAt(next, "spec", "names", field);
    const path = `spec.names.${field}`;
    const mixed = field === "kind" || field === "listKind";
    if (value === "" || (field === "listKind" && value === "List")) errors.push(required(path));
    else
      for (const problem of nameProblems(mixed ? value.toLowerCase() : value, "label1035")) {
        const why = mixed ? `may have mixed case, but should otherwise match: ${problem}` : problem;
        errors.push(invalidValue(path, value, why));
      }
  }
  for (const field of ["shortNames", "categories"] as const) {
    listAt(next, "spec", "names", field).forEach((value, index) => {
      for (const problem of nameProblems(show(value), "label1035"))
        errors.push(invalidValue(`spec.names.${field}[${index}]`, value, problem));
    });
  }
  const kind = textAt(next, "spec", "names", "kind");
  if (kind !== "" && kind === textAt(next, "spec", "names", "listKind")) {
    errors.push(invalidValue("spec.names.listKind", kind, "kind and listKind may not be the same"));
  }
  return errors;
}

function validateVersions(next: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const versions = listAt(next, "spec", "versions");
  const pathOf = pathsOf(versions);
  const seen = new Set<string>();
  let stored = 0;
  let twice = false;
  versions.forEach((version, index) => {
    const path = `spec.versions[${index}]`;
    const name = textAt(version, "name");
    errors.push(...nameProblems(name, "label1035").map((problem) => invalidValue(`${path}.name`, name, problem)));
    if (seen.has(name)) twice = true;
    seen.add(name);
    const warning = textAt(version, "deprecationWarning");
    if (warning !== "" && at(version, "deprecated") !== true)
      errors.push(invalidValue(`${path}.deprecationWarning`, warning, "can only be set for deprecated versions"));
    if (warning.length > longestWarning) {
      const why = `must be <= ${longestWarning} characters long`;
      errors.push(invalidValue(`${path}.deprecationWarning`, warning, why));
    }
    if (at(version, "storage") === true) stored++;
    if (at(version, "schema", "openAPIV3Schema") === undefined) {
      errors.push(required(`${path}.schema.openAPIV3Schema`));
    }
  });
  versions.forEach((version, index) => {
    const schemaPath = pathOf(index, "schema");
    const columnsPath = pathOf(index, "additionalPrinterColumns");
    const subresourcesPath = pathOf(index, "subresources");
    const selectablePath = pathOf(index, "selectableFields");
    if (schemaPath !== undefined) errors.push(...validateSchema(version, schemaPath));
    if (subresourcesPath !== undefined) errors.push(...validateScale(version, `${subresourcesPath}.scale`));
    if (columnsPath !== undefined) errors.push(...validateColumns(version, columnsPath));
    if (selectablePath !== undefined) errors.push(...validateSelectable(version, selectablePath));
  });
  listAt(next, "status", "storedVersions").forEach((version, index) => {
    if (typeof version !== "string" || seen.has(version)) return;
    const why = `missing from spec.versions; ${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`;
    errors.push(invalidValue(`status.storedVersions[${index}]`, version, why));
  });
  const shown = versions as Json[];
  if (stored !== 1)
    errors.push(invalidValue("spec.versions", shown, "must have exactly one version marked as storage version"));
  if (twice) errors.push(invalidValue("spec.versions", shown, "must contain unique version names"));
  return errors;
}

/** Where the real server keeps what all versions have in common. */
const sharedPaths = {
  schema: "spec.validation",
  subresources: "spec.subresources",
  additionalPrinterColumns: "spec.additionalPrinterColumns",
  selectableFields: "spec.selectableFields",
} as const;

/**
 * Paths for complaints about a version's part. The real server moves a part that all versions share to the top of its own form of the
 * definition, and its messages show it there: such a part has a path for the first version and none for the others.
 */
function pathsOf(versions: readonly Json[]): (index: number, part: keyof typeof sharedPaths) => string | undefined {
  const isShared = (part: string): boolean =>
    versions.every((version) => sameJson(at(version, part), at(versions[0], part)));
  const shared = new Set(Object.keys(sharedPaths).filter(isShared));
  return (index, part) => {
    if (!shared.has(part)) return `spec.versions[${index}].${part}`;
    return index === 0 ? sharedPaths[part] : undefined;
  };
}

function validateSchema(version: Json, path: string): readonly FieldError[] {
  const schema = at(version, "schema", "openAPIV3Schema");
  if (schema === undefined) return [];
  const own = `${path}.openAPIV3Schema`;
  const errors: FieldError[] = [];
  if (at(schema, "nullable") === true)
    errors.push(forbiddenField(`${own}.nullable`, "nullable cannot be true at the root"));
  if (isObject(schema) && at(version, "subresources", "status") !== undefined && !fitsAboveStatus(schema)) {
    const why = `only [${aboveStatus.join(" ")}] fields are allowed at the root of the schema if the status subresource is enabled`;
    errors.push(invalidValue(own, schema, why));
  }
  try {
    compileSchema(schema, { path: own });
    return errors;
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return [...errors, ...error.violations];
  }
}

/** What does not get lost where the status is checked alone, by the names of the server's struct. */
const aboveStatus = [
  "Description",
  "Type",
  "Format",
  "Title",
  "Maximum",
  "ExclusiveMaximum",
  "Minimum",
  "ExclusiveMinimum",
  "MaxLength",
  "MinLength",
  "Pattern",
  "MaxItems",
  "MinItems",
  "UniqueItems",
  "MultipleOf",
  "Required",
  "Items",
  "Properties",
  "ExternalDocs",
  "Example",
  "XPreserveUnknownFields",
  "XValidations",
];
const aboveStatusKeywords = new Set(
  aboveStatus.map((name) =>
    name === "XPreserveUnknownFields"
      ? "x-kubernetes-preserve-unknown-fields"
      : name === "XValidations"
        ? "x-kubernetes-validations"
        : name.charAt(0).toLowerCase() + name.slice(1),
  ),
);

function fitsAboveStatus(schema: JsonObject): boolean {
  return Object.entries(schema).every(
    ([keyword, value]) =>
      aboveStatusKeywords.has(keyword) || value === false || (Array.isArray(value) && value.length === 0),
  );
}

function validateColumns(version: Json, path: string): FieldError[] {
  const errors: FieldError[] = [];
  listAt(version, "additionalPrinterColumns").forEach((column, index) => {
    const own = `${path}[${index}]`;
    const type = textAt(column, "type");
    const jsonPath = textAt(column, "jsonPath");
    if (textAt(column, "name") === "") errors.push(required(`${own}.name`));
    if (type === "") errors.push(required(`${own}.type`, `must be one of ${columnTypes.join(",")}`));
    else if (!columnTypes.includes(type))
      errors.push(invalidValue(`${own}.type`, type, `must be one of ${columnTypes.join(",")}`));
    const format = textAt(column, "format");
    if (format !== "" && !columnFormats.includes(format))
      errors.push(invalidValue(`${own}.format`, format, `must be one of ${columnFormats.join(",")}`));
    if (jsonPath === "") errors.push(required(`${own}.JSONPath`));
    else if (!jsonPath.startsWith(".") || compileJsonPath(jsonPath) === undefined) {
      errors.push(invalidValue(`${own}.JSONPath`, jsonPath, "must be a simple json path starting with ."));
    }
  });
  return errors;
}

function validateImmutable(next: JsonObject, previous: JsonObject | undefined): FieldError[] {
  if (!isObject(previous)) return [];
  const fields: readonly (readonly string[])[] = [["group"], ["scope"], ["names", "plural"], ["names", "kind"]];
  return fields
    .filter((path) => textAt(next, "spec", ...path) !== textAt(previous, "spec", ...path))
    .map((path) => invalidValue(`spec.${path.join(".")}`, textAt(next, "spec", ...path), "field is immutable"));
}

function validateScale(version: Json, path: string): FieldError[] {
  const scale = at(version, "subresources", "scale");
  if (!isObject(scale)) return [];
  return [
    ...scalePath(scale, `${path}.specReplicasPath`, ["spec"], true),
    ...scalePath(scale, `${path}.statusReplicasPath`, ["status"], true),
    ...scalePath(scale, `${path}.labelSelectorPath`, ["spec", "status"], false),
  ];
}

function scalePath(scale: JsonObject, path: string, roots: readonly string[], isRequired: boolean): FieldError[] {
  const value = textAt(scale, path.slice(path.lastIndexOf(".") + 1));
  if (value === "") return isRequired ? [required(path)] : [];
  if (!/^(\.[^.\s]+)+$/.test(value)) return [invalidValue(path, value, "must be a simple json path starting with .")];
  if (roots.some((root) => value.startsWith(`.${root}.`))) return [];
  const where = roots.map((root) => `.${root}`).join(" or ");
  return [invalidValue(path, value, `should be a json path under ${roots.length > 1 ? "either " : ""}${where}`)];
}

const mostSelectable = 8;
const selectableTypes: readonly Json[] = ["string", "boolean", "integer"];

function validateSelectable(version: Json, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const fields = listAt(version, "selectableFields");
  const seen = new Set<string>();
  fields.forEach((field, index) => {
    const own = `${path}[${index}].jsonPath`;
    const jsonPath = textAt(field, "jsonPath");
    if (jsonPath === "") errors.push(required(own));
    else {
      const problem = selectableProblem(version, jsonPath);
      if (problem !== undefined) errors.push(invalidValue(own, jsonPath, problem));
    }
    if (seen.has(jsonPath)) errors.push(duplicate(own, jsonPath));
    seen.add(jsonPath);
  });
  if (seen.size > mostSelectable) errors.push(tooMany(path, seen.size, mostSelectable));
  return errors;
}

function selectableProblem(version: Json, jsonPath: string): string | undefined {
  if (!jsonPath.startsWith(".")) return `is an invalid path: expected [ or . but got: ${jsonPath}`;
  if (jsonPath.includes("[")) return "is an invalid path: array notation is not allowed";
  let schema = at(version, "schema", "openAPIV3Schema");
  const steps = jsonPath.slice(1).split(".");
  if (steps[0] === "metadata") return "is an invalid path: does not refer to a valid field";
  for (const step of steps) {
    schema = at(schema, "properties", step);
    if (schema === undefined) return "is an invalid path: does not refer to a valid field";
  }
  if (selectableTypes.includes(at(schema, "type") ?? null)) return undefined;
  return "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
}
