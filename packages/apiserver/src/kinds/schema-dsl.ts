import type { Json, JsonObject } from "../schema/index.ts";

/** Builders for the structural schemas of the built-in kinds. */

type Extra = Readonly<Record<string, Json>>;

export function string(description: string, extra: Extra = {}): JsonObject {
  return { type: "string", description, ...extra };
}

export function integer(description: string, extra: Extra = {}): JsonObject {
  return { type: "integer", format: "int32", description, ...extra };
}

export function boolean(description: string): JsonObject {
  return { type: "boolean", description };
}

export function time(description: string): JsonObject {
  return { type: "string", format: "date-time", description, nullable: true };
}

export function stringMap(description: string): JsonObject {
  return { type: "object", description, additionalProperties: { type: "string" } };
}

export function intOrString(description: string): JsonObject {
  return { description, "x-kubernetes-int-or-string": true };
}

export function list(description: string, items: JsonObject, keys?: readonly string[]): JsonObject {
  const merging: JsonObject =
    keys === undefined
      ? {}
      : {
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": [...keys],
          "x-kubernetes-patch-strategy": "merge",
          "x-kubernetes-patch-merge-key": keys[0] ?? "",
        };
  return { type: "array", description, items, ...merging };
}

export function object(
  description: string,
  properties: Readonly<Record<string, JsonObject>>,
  extra: Extra = {},
): JsonObject {
  return { type: "object", description, properties, ...extra };
}

/** Anything goes below this field: it is kept as it comes. */
export function open(description: string): JsonObject {
  return { type: "object", description, "x-kubernetes-preserve-unknown-fields": true };
}

/** The part of a schema that structural schemas know; the patch extensions are for OpenAPI alone. */
export function structural(schema: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "x-kubernetes-patch-strategy" || key === "x-kubernetes-patch-merge-key") continue;
    // The keys of a list map must be required or have a default; the built-in types have neither for some of them.
    if (key === "x-kubernetes-list-type" || key === "x-kubernetes-list-map-keys" || key === "x-kubernetes-map-type")
      continue;
    result[key] = walk(value);
  }
  return result;
}

function walk(value: Json): Json {
  if (Array.isArray(value)) return value.map(walk);
  return typeof value === "object" && value !== null ? structural(value) : value;
}
