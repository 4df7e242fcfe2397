import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { goType, isObject, listAt, metaOf, show, textAt } from "../object.ts";
import { forbiddenField, invalidStruct, invalidValue, required, tooLong } from "../schema/index.ts";
import { badRequest } from "../status.ts";
import { labelValueProblems, nameProblems, qualifiedNameProblems } from "./names.ts";

type FieldType = "string" | "integer" | "stringMap" | "strings" | "objects";

const fieldTypes: Readonly<Record<string, FieldType>> = {
  name: "string",
  generateName: "string",
  namespace: "string",
  selfLink: "string",
  uid: "string",
  resourceVersion: "string",
  generation: "integer",
  creationTimestamp: "string",
  deletionTimestamp: "string",
  deletionGracePeriodSeconds: "integer",
  labels: "stringMap",
  annotations: "stringMap",
  ownerReferences: "objects",
  finalizers: "strings",
  managedFields: "objects",
};

const goNames: Readonly<Record<string, string>> = {
  ownerReferences: "v1.OwnerReference",
  managedFields: "v1.ManagedFieldsEntry",
};
const ownerFields = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];

/**
 * Reads `metadata` as the typed ObjectMeta it is: unknown fields are dropped (their paths returned), a wrong type is a 400,
 * nulls and empty maps and lists disappear.
 */
export function decodeMetadata(
  kind: Kind,
  version: string,
  raw: Json | undefined,
): { metadata: JsonObject; dropped: string[]; repeatedOwners: string[] } {
  if (raw === undefined || raw === null) return { metadata: {}, dropped: [], repeatedOwners: [] };
  const refuse = mismatchOf(kind, version);
  if (!isObject(raw)) throw refuse("metadata", raw, "v1.ObjectMeta");
  const metadata: JsonObject = {};
  const dropped: string[] = [];
  for (const [key, value] of Object.entries(raw)) {
    const type = Object.hasOwn(fieldTypes, key) ? fieldTypes[key] : undefined;
    if (type === undefined) dropped.push(`metadata.${key}`);
    else if (value !== null && key !== "selfLink") {
      const read = readField(refuse, key, type, value, dropped);
      if (read !== undefined) metadata[key] = read;
    }
  }
  const owners = metadata.ownerReferences;
  const repeatedOwners: string[] = [];
  if (Array.isArray(owners) && owners.length > 1) {
    const seen = new Set<string>();
    metadata.ownerReferences = owners.filter((owner) => {
      const id = JSON.stringify(owner);
      if (!seen.has(id)) return seen.add(id);
      repeatedOwners.push(textAt(owner, "uid"));
      return false;
    });
  }
  return { metadata, dropped, repeatedOwners };
}

function readField(refuse: Mismatch, key: string, type: FieldType, value: Json, dropped: string[]): Json | undefined {
  const path = `metadata.${key}`;
  switch (type) {
    case "string":
      if (typeof value !== "string") throw refuse(path, value, "string");
      return value === "" ? undefined : value;
    case "integer":
      if (typeof value !== "number" || !Number.isInteger(value)) throw refuse(path, value, "int64");
      return value;
    case "stringMap": {
      if (!isObject(value)) throw refuse(path, value, "map[string]string");
      const entries = Object.entries(value).map(([name, text]): [string, string] => {
        if (text === null) return [name, ""];
        if (typeof text !== "string") throw refuse(path, text, "string");
        return [name, text];
      });
      return entries.length === 0 ? undefined : Object.fromEntries(entries);
    }
    case "strings":
      if (!Array.isArray(value)) throw refuse(path, value, "[]string");
      for (const item of value) if (typeof item !== "string") throw refuse(path, item, "string");
      return value.length === 0 ? undefined : value;
    case "objects":
      if (!Array.isArray(value)) throw refuse(path, value, `[]${goNames[key] ?? key}`);
      for (const item of value) if (!isObject(item)) throw refuse(path, item, goNames[key] ?? key);
      // An empty list of managedFields is a request: forget who owns what.
      if (value.length === 0) return key === "managedFields" ? value : undefined;
      return key === "ownerReferences"
        ? value.map((item, index) => readOwner(item as JsonObject, index, dropped))
        : value;
  }
}

/** The fields of an owner reference come in the order that the server's struct gives them. */
function readOwner(owner: JsonObject, index: number, dropped: string[]): JsonObject {
  for (const key of Object.keys(owner)) {
    if (!ownerFields.includes(key)) dropped.push(`metadata.ownerReferences[${index}].${key}`);
  }
  const known = ownerFields.map((key) => [key, owner[key] ?? null] as const);
  return Object.fromEntries(known.filter(([, value]) => value !== null));
}

type Mismatch = (path: string, value: Json, goName: string) => Error;

/** The 400 for a value that does not fit the Go type of the field. */
function mismatchOf(kind: Kind, version: string): Mismatch {
  const prefix = `${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}: json: cannot unmarshal`;
  return (path, value, goName) => {
    // Custom resources decode their metadata alone, the others as part of the object.
    const field = kind.custom ? path.replace(/^metadata\./, "") : path;
    return badRequest(`${prefix} ${goType(value)} into Go struct field ObjectMeta.${field} of type ${goName}`);
  };
}

const annotationsLimitBytes = 256 * 1024;

/** ValidateObjectMeta: names, labels, annotations, owners, finalizers. */
export function validateMetadata(kind: Kind, object: JsonObject, previous: JsonObject | undefined): FieldError[] {
  const meta = metaOf(object);
  const errors: FieldError[] = [];
  if (meta.generateName !== undefined && previous === undefined) {
    // The real server cuts a trailing dash, because the generated part follows it.
    for (const problem of nameProblems(meta.generateName.replace(/[-.]$/, "a"), kind.nameRule)) {
      errors.push(invalidValue("metadata.generateName", meta.generateName, problem));
    }
  }
  if (!meta.name) errors.push(required("metadata.name", "name or generateName is required"));
  else if (previous === undefined) {
    // The real server prints this rule alone for what breaks it.
    const dotted =
      kind.nameRule === "label" && meta.name.includes(".") && nameProblems(meta.name, "subdomain").length === 0;
    for (const problem of dotted ? ["must not contain dots"] : nameProblems(meta.name, kind.nameRule))
      errors.push(invalidValue("metadata.name", meta.name, problem));
  }
  for (const [key, value] of Object.entries(meta.labels ?? {})) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalidValue("metadata.labels", key, problem));
    for (const problem of labelValueProblems(value)) errors.push(invalidValue("metadata.labels", value, problem));
  }
  let bytes = 0;
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    for (const problem of qualifiedNameProblems(key.toLowerCase()))
      errors.push(invalidValue("metadata.annotations", key, problem));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > annotationsLimitBytes) errors.push(tooLong("metadata.annotations", annotationsLimitBytes));
  errors.push(...validateOwners(object), ...validateFinalizers(kind, object, previous));
  return errors;
}

function validateOwners(object: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const owners = listAt(object, "metadata", "ownerReferences");
  const path = "metadata.ownerReferences";
  let controller: string | undefined;
  for (const owner of owners.filter(isObject)) {
    for (const field of ["apiVersion", "kind", "name", "uid"] as const) {
      const value = textAt(owner, field);
      if (value !== "" && (field !== "apiVersion" || value.split("/").length <= 2)) continue;
      const what = field === "apiVersion" ? "version must not be empty" : "must not be empty";
      errors.push(invalidValue(`${path}.${field}`, value, what));
    }
    if (owner.apiVersion === "v1" && owner.kind === "Event") {
      errors.push(invalidStruct(path, owner, "/v1, Kind=Event is disallowed from being an owner"));
    }
    if (owner.controller !== true) continue;
    const name = `${show(owner.kind)}/${show(owner.name)}`;
    if (controller !== undefined) {
      const why = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`;
      errors.push(invalidStruct(path, [...owners], why));
    }
    controller ??= name;
  }
  return errors;
}

const standardFinalizers = new Set(["orphan", "foregroundDeletion", "kubernetes"]);

function validateFinalizers(kind: Kind, object: JsonObject, previous: JsonObject | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const path = "metadata.finalizers";
  const finalizers = metaOf(object).finalizers ?? [];
  for (const finalizer of finalizers) {
    for (const problem of qualifiedNameProblems(finalizer)) errors.push(invalidValue(path, finalizer, problem));
  }
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    errors.push(invalidValue(path, [...finalizers], "finalizer orphan and foregroundDeletion cannot be both set"));
  }
  finalizers.forEach((finalizer, index) => {
    // The API's extensions are free in their choice.
    if (kind.custom || kind.group === "apiextensions.k8s.io") return;
    if (finalizer.includes("/") || standardFinalizers.has(finalizer)) return;
    const why = "name is neither a standard finalizer name nor is it fully qualified";
    errors.push(invalidValue(`${path}[${index}]`, finalizer, why));
  });
  if (previous !== undefined && metaOf(previous).deletionTimestamp !== undefined) {
    const known = new Set(metaOf(previous).finalizers ?? []);
    const added = finalizers.filter((finalizer) => !known.has(finalizer));
    if (added.length > 0) {
      const list = added.map((one) => `"${one}"`).join(", ");
      errors.push(
        forbiddenField(
          "metadata.finalizers",
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
        ),
      );
    }
  }
  return errors;
}
