import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, isObject, sameJson, show, textAt } from "../object.ts";
import { forbiddenField, invalidValue, required, tooLong } from "../schema/index.ts";
import { ageColumn, column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { boolean, string, stringMap } from "./schema-dsl.ts";

const keyPattern = /^[-._a-zA-Z0-9]+$/;

function validateKeys(data: unknown, path: string): FieldError[] {
  if (!isObject(data)) return [];
  return Object.keys(data).flatMap((key) =>
    keyProblems(key).map((problem) => invalidValue(`${path}[${key}]`, key, problem)),
  );
}

function keyProblems(key: string): string[] {
  const problems: string[] = [];
  if (key.length > 253) problems.push("must be no more than 253 characters");
  if (!keyPattern.test(key)) {
    problems.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    );
  }
  if (key === ".") problems.push("must not be '.'");
  else if (key === "..") problems.push("must not be '..'");
  else if (key.startsWith("..")) problems.push("must not start with '..'");
  return problems;
}

const largestBytes = 1024 * 1024;

/** ConfigMaps and Secrets hold at most a mebibyte, of `fromBase64` after decoding. */
function validateSize(path: string, texts: Json | undefined, fromBase64: Json | undefined): FieldError[] {
  let bytes = 0;
  for (const value of Object.values(isObject(texts) ? texts : {})) bytes += Buffer.byteLength(show(value));
  for (const value of Object.values(isObject(fromBase64) ? fromBase64 : {})) {
    bytes += Buffer.byteLength(show(value), "base64");
  }
  return bytes > largestBytes ? [tooLong(path, largestBytes)] : [];
}

/** The object without members that are empty maps, which the server's structs leave out. */
function withoutEmpty(object: JsonObject, ...fields: readonly string[]): JsonObject {
  const isEmpty = (value: Json | undefined): boolean => isObject(value) && Object.keys(value).length === 0;
  if (!fields.some((field) => isEmpty(object[field]))) return object;
  return Object.fromEntries(Object.entries(object).filter(([key, value]) => !fields.includes(key) || !isEmpty(value)));
}

function validateImmutable(
  next: JsonObject,
  previous: JsonObject | undefined,
  fields: readonly string[],
): FieldError[] {
  if (previous?.immutable !== true) return [];
  const errors: FieldError[] = [];
  if (next.immutable !== true) errors.push(forbiddenField("immutable", "field is immutable when `immutable` is set"));
  for (const field of fields) {
    if (!sameJson(next[field], previous[field]))
      errors.push(forbiddenField(field, "field is immutable when `immutable` is set"));
  }
  return errors;
}

function count(...maps: readonly unknown[]): number {
  return maps.reduce<number>((sum, map) => sum + (isObject(map) ? Object.keys(map).length : 0), 0);
}

export const configMapKind: Kind = defineBuiltin({
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
  properties: {
    data: stringMap("Configuration as text."),
    binaryData: stringMap("Configuration as base64 of bytes; keys must not repeat those of data."),
    immutable: boolean("Refuses later changes of the data when true."),
  },
  columns: [nameColumn, column("Data", "string", ({ data, binaryData }) => count(data, binaryData)), ageColumn],
  prepare: (next) => withoutEmpty(next, "data", "binaryData"),
  validate(next, previous) {
    const { data, binaryData } = next;
    const twice = Object.keys(isObject(data) ? data : {}).filter((key) => at(binaryData, key) !== undefined);
    return [
      ...twice.map((key) => invalidValue(`data[${key}]`, key, "duplicate of key present in binaryData")),
      ...validateKeys(data, "data"),
      ...validateKeys(binaryData, "binaryData"),
      ...validateSize("[]", data, binaryData),
      ...validateImmutable(next, previous, ["data", "binaryData"]),
    ];
  },
});

/** Keys that a Secret of a type must have. */
const requiredKeys: ReadonlyMap<string, readonly string[]> = new Map([
  ["kubernetes.io/tls", ["tls.crt", "tls.key"]],
  ["kubernetes.io/dockerconfigjson", [".dockerconfigjson"]],
  ["kubernetes.io/dockercfg", [".dockercfg"]],
  ["kubernetes.io/ssh-auth", ["ssh-privatekey"]],
]);

function validateType(secret: JsonObject): FieldError[] {
  const type = textAt(secret, "type");
  const hasKey = (key: string): boolean => at(secret, "data", key) !== undefined;
  if (type === "kubernetes.io/basic-auth" && !hasKey("username") && !hasKey("password"))
    return [required("data[username]"), required("data[password]")];
  const account = "kubernetes.io/service-account.name";
  if (type === "kubernetes.io/service-account-token" && textAt(secret, "metadata", "annotations", account) === "")
    return [required(`metadata.annotations[${account}]`)];
  return (requiredKeys.get(type) ?? []).filter((key) => !hasKey(key)).map((key) => required(`data[${key}]`));
}

export const secretKind: Kind = defineBuiltin({
  kind: "Secret",
  plural: "secrets",
  properties: {
    type: string("What the secret is for; cannot be changed."),
    data: stringMap("Values as base64 of bytes."),
    stringData: stringMap("Values as text, written into data; never read back."),
    immutable: boolean("Refuses later changes of the data when true."),
  },
  columns: [
    nameColumn,
    column("Type", "string", (secret) => textAt(secret, "type")),
    column("Data", "string", ({ data }) => count(data)),
    ageColumn,
  ],
  selectable: { type: (secret) => textAt(secret, "type") },
  prepare(next) {
    const { stringData, ...rest } = next;
    const data: JsonObject = { ...(isObject(next.data) ? next.data : {}) };
    if (isObject(stringData)) {
      for (const [key, value] of Object.entries(stringData)) data[key] = Buffer.from(show(value)).toString("base64");
    }
    const { data: _, ...bare } = rest;
    return { ...bare, ...(Object.keys(data).length === 0 ? {} : { data }), type: textAt(next, "type") || "Opaque" };
  },
  validate(next, previous) {
    const errors = [
      ...validateKeys(next.data, "data"),
      ...validateSize("data", undefined, next.data),
      ...validateImmutable(next, previous, ["data"]),
    ];
    if (previous !== undefined && next.type !== previous.type)
      errors.push(invalidValue("type", next.type ?? null, "field is immutable"));
    return [...errors, ...validateType(next)];
  },
});
