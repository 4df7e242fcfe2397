import type { Json, JsonObject } from "../schema/index.ts";
import type { Kind, KindVersion, ScalePaths } from "./kind.ts";
import { at, isObject, listAt, sameJson, textAt } from "../object.ts";
import { compileSchema } from "../schema/index.ts";
import { ageColumn, customColumn, nameColumn } from "../table/columns.ts";
import { isTerminating } from "./definition.ts";

/** The kind that an accepted CustomResourceDefinition brings. */
export function customKind(definition: JsonObject): Kind {
  const names = at(definition, "status", "acceptedNames");
  const group = textAt(definition, "spec", "group");
  const plural = textAt(names, "plural");
  const all = listAt(definition, "spec", "versions").filter(isObject);
  const served = all
    .filter((version) => version.served === true)
    .sort((left, right) => byPriority(textAt(left, "name"), textAt(right, "name")));
  const selectable = [
    ...new Set(
      all.flatMap((version) => listAt(version, "selectableFields").map((field) => textAt(field, "jsonPath").slice(1))),
    ),
  ];
  const name = textAt(names, "kind");
  return {
    group,
    kind: name,
    listKind: textAt(names, "listKind"),
    plural,
    singular: textAt(names, "singular"),
    shortNames: texts(listAt(names, "shortNames")),
    categories: texts(listAt(names, "categories")),
    namespaced: textAt(definition, "spec", "scope") === "Namespaced",
    collection: `${plural}.${group}`,
    storageVersion: textAt(
      all.find((version) => version.storage === true),
      "name",
    ),
    versions: served.map((version) => customVersion(group, name, version)),
    custom: true,
    nameRule: "subdomain",
    generation: generationRule(all.some((version) => at(version, "subresources", "status") !== undefined)),
    unconditionalUpdate: false,
    createOnUpdate: false,
    selectable,
    selectableValue(object, field) {
      const value = at(object, ...field.split("."));
      return value === undefined || value === null || typeof value === "object" ? "" : String(value);
    },
    unknownField: (field) => `field label not supported: ${field}`,
    ...(isTerminating(definition)
      ? { createRefusal: "create not allowed while custom resource definition is terminating" }
      : {}),
  };
}

function texts(values: readonly Json[]): string[] {
  return values.filter((value) => typeof value === "string");
}

function customVersion(group: string, kind: string, version: JsonObject): KindVersion {
  const openapi = at(version, "schema", "openAPIV3Schema");
  const schema = compileSchema(openapi ?? {});
  const name = textAt(version, "name");
  const columns = listAt(version, "additionalPrinterColumns")
    .filter(isObject)
    .flatMap((column) => customColumn(column) ?? []);
  const paths = at(version, "subresources", "scale");
  const warning = textAt(version, "deprecationWarning") || `${group}/${name} ${kind} is deprecated`;
  return {
    version: name,
    schema,
    openapi: isObject(openapi) ? openapi : {},
    merge: schema,
    columns: [nameColumn, ...(columns.length === 0 ? [{ ...ageColumn, type: "date" as const }] : columns)],
    hasStatus: at(version, "subresources", "status") !== undefined,
    ...(isObject(paths) ? { scale: scalePaths(paths) } : {}),
    ...(version.deprecated === true ? { deprecationWarning: warning } : {}),
  };
}

function scalePaths(paths: JsonObject): ScalePaths {
  return {
    specReplicas: textAt(paths, "specReplicasPath"),
    statusReplicas: textAt(paths, "statusReplicasPath"),
    labelSelector: textAt(paths, "labelSelectorPath") || undefined,
  };
}

function generationRule(hasStatus: boolean): NonNullable<Kind["generation"]> {
  return (next, previous) => {
    const ignored = new Set(["metadata", "apiVersion", ...(hasStatus ? ["status"] : [])]);
    const fields = new Set([...Object.keys(next), ...Object.keys(previous)]);
    return [...fields].some((field) => !ignored.has(field) && !sameJson(next[field], previous[field]));
  };
}

const versionPattern = /^v(\d+)(?:(alpha|beta)(\d+))?$/;

/** Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name. */
export function byPriority(left: string, right: string): number {
  const [a, b] = [rank(left), rank(right)];
  if (a === undefined || b === undefined) return a === b ? (left < right ? -1 : 1) : a === undefined ? 1 : -1;
  for (let index = 0; index < 3; index++) {
    const difference = (b[index] ?? 0) - (a[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function rank(version: string): [stability: number, major: number, minor: number] | undefined {
  const match = versionPattern.exec(version);
  if (match === null) return undefined;
  const stability = match[2] === undefined ? 2 : match[2] === "beta" ? 1 : 0;
  return [stability, Number(match[1]), Number(match[3] ?? 0)];
}
