import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import { at, isObject, listAt, sameJson, textAt } from "../object.ts";
import { compileSchema, invalidValue, notSupported, required, SchemaError } from "../schema/index.ts";
import { compileJsonPath } from "../table/json-path.ts";
import { nameProblems } from "./names.ts";

const columnTypes = ["boolean", "date", "integer", "number", "string"];
const versionPattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** What is wrong with a CustomResourceDefinition, its schemas included. */
export function validateDefinition(next: JsonObject, previous: JsonObject | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const group = textAt(next, "spec", "group");
  const plural = textAt(next, "spec", "names", "plural");
  const name = textAt(next, "metadata", "name");
  if (name !== `${plural}.${group}`)
    errors.push(invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group'));
  if (group === "") errors.push(required("spec.group"));
  else if (!group.includes("."))
    errors.push(invalidValue("spec.group", group, "should be a domain with at least one dot"));
  const scope = textAt(next, "spec", "scope");
  if (scope === "") errors.push(required("spec.scope"));
  else if (scope !== "Namespaced" && scope !== "Cluster")
    errors.push(notSupported("spec.scope", scope, ["Cluster", "Namespaced"]));
  errors.push(...validateNames(next), ...validateVersions(next), ...validateImmutable(next, previous));
  const strategy = textAt(next, "spec", "conversion", "strategy");
  if (strategy !== "None") errors.push(notSupported("spec.conversion.strategy", strategy, ["None"]));
  if (at(next, "spec", "preserveUnknownFields") === true) {
    errors.push(
      invalidValue("spec.preserveUnknownFields", true, "must be false in order to use defaults in the schema"),
    );
  }
  return errors;
}

function validateNames(next: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["plural", "singular", "kind", "listKind"] as const) {
    const value = textAt(next, "spec", "names", field);
    const path = `spec.names.${field}`;
    if (value === "") errors.push(required(path));
    else
      for (const problem of nameProblems(value.toLowerCase(), "label1035"))
        errors.push(invalidValue(path, value, problem));
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
  versions.forEach((version, index) => {
    const path = `spec.versions[${index}]`;
    const name = textAt(version, "name");
    if (!versionPattern.test(name))
      errors.push(...nameProblems(name, "label1035").map((problem) => invalidValue(`${path}.name`, name, problem)));
    if (seen.has(name)) errors.push(invalidValue(`${path}.name`, name, "must be unique"));
    seen.add(name);
    if (at(version, "storage") === true) stored++;
    if (at(version, "schema", "openAPIV3Schema") === undefined) {
      errors.push(required(`${path}.schema.openAPIV3Schema`));
    }
  });
  versions.forEach((version, index) => {
    const schemaPath = pathOf(index, "schema");
    const columnsPath = pathOf(index, "additionalPrinterColumns");
    if (schemaPath !== undefined) errors.push(...validateSchema(version, schemaPath));
    if (columnsPath !== undefined) errors.push(...validateColumns(version, columnsPath));
  });
  listAt(next, "status", "storedVersions").forEach((version, index) => {
    if (typeof version !== "string" || seen.has(version)) return;
    const why = `missing from spec.versions; ${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`;
    errors.push(invalidValue(`status.storedVersions[${index}]`, version, why));
  });
  if (stored !== 1)
    errors.push(
      invalidValue("spec.versions", versions as Json[], "must have exactly one version marked as storage version"),
    );
  return errors;
}

/** Where the real server keeps what all versions have in common. */
const sharedPaths = { schema: "spec.validation", additionalPrinterColumns: "spec.additionalPrinterColumns" } as const;

/**
 * Paths for complaints about a version's part. The real server moves a part that all versions share to the top of its own form of the
 * definition, and its messages show it there: such a part has a path for the first version and none for the others.
 */
function pathsOf(versions: readonly Json[]): (index: number, part: keyof typeof sharedPaths) => string | undefined {
  const isShared = (part: string): boolean =>
    versions.every((version) => sameJson(at(version, part), at(versions[0], part)));
  const shared = { schema: isShared("schema"), additionalPrinterColumns: isShared("additionalPrinterColumns") };
  return (index, part) => {
    if (!shared[part]) return `spec.versions[${index}].${part}`;
    return index === 0 ? sharedPaths[part] : undefined;
  };
}

function validateSchema(version: Json, path: string): readonly FieldError[] {
  const schema = at(version, "schema", "openAPIV3Schema");
  if (schema === undefined) return [];
  try {
    compileSchema(schema, { path: `${path}.openAPIV3Schema` });
    return [];
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return error.violations;
  }
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
    if (jsonPath === "") errors.push(required(`${own}.jsonPath`));
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
