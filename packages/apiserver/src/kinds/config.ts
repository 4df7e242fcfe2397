import type { FieldError, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, isObject, sameJson, show, textAt } from "../object.ts";
import { forbiddenField, invalidValue, required } from "../schema/index.ts";
import { ageColumn, column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { boolean, string, stringMap } from "./schema-dsl.ts";

const keyPattern = /^[-._a-zA-Z0-9]+$/;

function validateKeys(data: unknown, path: string): FieldError[] {
  if (!isObject(data)) return [];
  return Object.keys(data)
    .filter((key) => !keyPattern.test(key) || key.length > 253 || key === "." || key.startsWith(".."))
    .map((key) =>
      invalidValue(
        `${path}[${key}]`,
        key,
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      ),
    );
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
  validate(next, previous) {
    return [
      ...validateKeys(next.data, "data"),
      ...validateKeys(next.binaryData, "binaryData"),
      ...validateImmutable(next, previous, ["data", "binaryData"]),
    ];
  },
});

/** Keys that a Secret of a type must have. */
const requiredKeys: ReadonlyMap<string, readonly string[]> = new Map([
  ["kubernetes.io/tls", ["tls.crt", "tls.key"]],
  ["kubernetes.io/dockerconfigjson", [".dockerconfigjson"]],
  ["kubernetes.io/ssh-auth", ["ssh-privatekey"]],
]);

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
    const errors = [...validateKeys(next.data, "data"), ...validateImmutable(next, previous, ["data"])];
    if (previous !== undefined && next.type !== previous.type)
      errors.push(invalidValue("type", next.type ?? null, "field is immutable"));
    for (const key of requiredKeys.get(textAt(next, "type")) ?? []) {
      if (at(next, "data", key) === undefined) errors.push(required(`data[${key}]`));
    }
    return errors;
  },
});
