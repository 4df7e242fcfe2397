import { describe, expect, it } from "vitest";
import { compileSchema } from "./compile.ts";
import { SchemaError } from "./error.ts";
import type { Json, JsonObject } from "./json.ts";

const path = "spec.versions[0].schema.openAPIV3Schema";

function violationsOf(schema: unknown): string[] {
  try {
    compileSchema(schema, { path });
    return [];
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return error.violations.map(({ field, message }) => `${field.replace(path, "…")}: ${message}`);
  }
}

const spec = (schema: Json): JsonObject => ({ type: "object", properties: { spec: schema } });
const property = (schema: Json): JsonObject => spec({ type: "object", properties: { x: schema } });

describe("compileSchema", () => {
  it.each<[string, Json, string]>([
    ["no schema", null, "…: Invalid value: null: must be a schema object"],
    ["an untyped root", { properties: {} }, "…type: Required value: must not be empty at the root"],
    ["a root that is no object", { type: "string" }, '…type: Invalid value: "string": must be object at the root'],
    [
      "an untyped field",
      property({}),
      "…properties[spec].properties[x].type: Required value: must not be empty for specified object fields",
    ],
    [
      "untyped items",
      property({ type: "array", items: {} }),
      "…properties[spec].properties[x].items.type: Required value: must not be empty for specified array items",
    ],
    [
      "an array without items",
      property({ type: "array" }),
      "…properties[spec].properties[x].items: Required value: must be specified",
    ],
    [
      "an unknown type",
      property({ type: "int" }),
      '…properties[spec].properties[x].type: Unsupported value: "int": supported values: "array", "boolean", "integer", "number", "object", "string"',
    ],
    [
      "type null",
      property({ type: "null" }),
      "…properties[spec].properties[x].type: Forbidden: type cannot be set to null, use nullable as an alternative",
    ],
    [
      "additionalProperties at the root",
      { type: "object", additionalProperties: true },
      "…additionalProperties: Forbidden: must not be used at the root",
    ],
    [
      "both kinds of properties",
      spec({ type: "object", properties: { a: { type: "string" } }, additionalProperties: { type: "string" } }),
      "…properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    ],
    [
      "uniqueItems",
      property({ type: "array", items: { type: "string" }, uniqueItems: true }),
      "…properties[spec].properties[x].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
    ],
    [
      "$ref",
      property({ type: "object", $ref: "#/definitions/x" }),
      "…properties[spec].properties[x].$ref: Forbidden: $ref is not supported",
    ],
    [
      "a list of item schemas",
      property({ type: "array", items: [{ type: "string" }] }),
      "…properties[spec].properties[x].items: Forbidden: items must be a schema object and not an array",
    ],
    [
      "a type in a junctor",
      spec({ type: "string", anyOf: [{ type: "string" }] }),
      "…properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
    ],
    [
      "a default in a junctor",
      spec({ type: "object", properties: { a: { type: "string" } }, allOf: [{ properties: { a: { default: "x" } } }] }),
      "…properties[spec].allOf[0].properties[a].default: Forbidden: must be undefined to be structural",
    ],
    [
      "a description in a junctor",
      spec({ type: "string", not: { description: "no" } }),
      "…properties[spec].not.description: Forbidden: must be empty to be structural",
    ],
    [
      "metadata in a junctor",
      { type: "object", properties: { metadata: { type: "object" } }, oneOf: [{ properties: { metadata: {} } }] },
      "…oneOf[0].properties[metadata]: Forbidden: must not be specified in a nested context",
    ],
    [
      "a field only a junctor knows",
      { type: "object", anyOf: [{ properties: { a: { minimum: 1 } } }] },
      "…properties[a]: Required value: because it is defined in …anyOf[0].properties[a]",
    ],
    [
      "restricted metadata",
      { type: "object", properties: { metadata: { type: "object", properties: { labels: { type: "object" } } } } },
      "…properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
    ],
    [
      "a kind that is no string",
      { type: "object", properties: { kind: { type: "integer" } } },
      '…properties[kind].type: Invalid value: "integer": must be string',
    ],
    [
      "a default in metadata",
      {
        type: "object",
        properties: { metadata: { type: "object", properties: { name: { type: "string", default: "x" } } } },
      },
      "…properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata",
    ],
    [
      "preserve-unknown false",
      property({ type: "object", "x-kubernetes-preserve-unknown-fields": false }),
      "…properties[spec].properties[x].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
    ],
    [
      "an embedded resource that is no object",
      property({ "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true }),
      "…properties[spec].properties[x].type: Required value: must be object if x-kubernetes-embedded-resource is true",
    ],
    [
      "an embedded resource without fields",
      property({ type: "object", "x-kubernetes-embedded-resource": true }),
      "…properties[spec].properties[x].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
    ],
    [
      "an int-or-string that preserves",
      property({ "x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true }),
      "…properties[spec].properties[x].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true",
    ],
    [
      "a list type on an object",
      property({ type: "object", "x-kubernetes-list-type": "set" }),
      '…properties[spec].properties[x].type: Invalid value: "object": must be array if x-kubernetes-list-type is specified',
    ],
    [
      "an unknown list type",
      property({ type: "array", items: { type: "string" }, "x-kubernetes-list-type": "bag" }),
      '…properties[spec].properties[x].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"',
    ],
    [
      "a set of granular objects",
      property({ type: "array", items: { type: "object" }, "x-kubernetes-list-type": "set" }),
      "…properties[spec].properties[x].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
    ],
    [
      "a map list without keys",
      property({ type: "array", items: { type: "object" }, "x-kubernetes-list-type": "map" }),
      "…properties[spec].properties[x].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
    ],
    [
      "a map list with an optional key",
      property({
        type: "array",
        items: { type: "object", properties: { a: { type: "string" } } },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a"],
      }),
      "…properties[spec].properties[x].items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
    ],
    [
      "a map list with an unknown key",
      property({
        type: "array",
        items: { type: "object" },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a"],
      }),
      '…properties[spec].properties[x].x-kubernetes-list-map-keys: Invalid value: ["a"]: entries must all be names of item properties',
    ],
    [
      "an unknown map type",
      property({ type: "object", "x-kubernetes-map-type": "loose" }),
      '…properties[spec].properties[x].x-kubernetes-map-type: Unsupported value: "loose": supported values: "atomic", "granular"',
    ],
    [
      "a pattern with lookahead",
      property({ type: "string", pattern: "(?=a)" }),
      '…properties[spec].properties[x].pattern: Invalid value: "(?=a)": must be a valid regular expression, but isn\'t: error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
    ],
    [
      "a default of the wrong type",
      property({ type: "integer", default: "one" }),
      '…properties[spec].properties[x].default: Invalid value: "string":  in body must be of type integer: "string"',
    ],
    [
      "a default with unknown fields",
      property({ type: "object", properties: { a: { type: "string" } }, default: { b: 1 } }),
      '…properties[spec].properties[x].default: Invalid value: {"b":1}: must not have unknown fields',
    ],
    [
      "a keyword of the wrong type",
      property({ type: "string", maxLength: "5" }),
      '…properties[spec].properties[x].maxLength: Invalid value: "5": must be a number',
    ],
  ])("refuses %s", (_name, schema, violation) => {
    expect(violationsOf(schema).map((text) => text.replaceAll(`${path}.`, "…").replaceAll("….", "…"))).toContain(
      violation,
    );
  });

  it("lists every violation, sorted, each with its path", () => {
    const schema = { type: "object", properties: { spec: { properties: { b: {}, a: {} } } } };
    expect(() => compileSchema(schema)).toThrow(SchemaError);
    expect(violationsOf(schema)).toEqual([
      "….properties[spec].properties[a].type: Required value: must not be empty for specified object fields",
      "….properties[spec].properties[b].type: Required value: must not be empty for specified object fields",
      "….properties[spec].type: Required value: must not be empty for specified object fields",
    ]);
  });

  it.each<[string, Json]>([
    [
      "an int-or-string with types in anyOf",
      property({ "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] }),
    ],
    [
      "an int-or-string with types in allOf",
      property({
        "x-kubernetes-int-or-string": true,
        allOf: [{ anyOf: [{ type: "integer" }, { type: "string" }] }, { minimum: 1 }],
      }),
    ],
    ["an untyped field that preserves", property({ "x-kubernetes-preserve-unknown-fields": true })],
    [
      "metadata with a restricted name",
      {
        type: "object",
        properties: { metadata: { type: "object", properties: { name: { type: "string", maxLength: 5 } } } },
      },
    ],
    [
      "oneOf with required alone",
      spec({
        type: "object",
        properties: { a: { type: "string" }, b: { type: "string" } },
        oneOf: [{ required: ["a"] }, { required: ["b"] }],
      }),
    ],
    [
      "a map list with a defaulted key",
      property({
        type: "array",
        items: { type: "object", properties: { a: { type: "string", default: "x" } } },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a"],
      }),
    ],
    [
      "an embedded resource that preserves",
      property({
        type: "object",
        "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
      }),
    ],
  ])("accepts %s", (_name, schema) => {
    expect(violationsOf(schema)).toEqual([]);
  });

  it("names what it does not evaluate", () => {
    const schema = property({
      type: "string",
      format: "vm-size",
      "x-kubernetes-validations": [{ rule: "self != 'x'" }],
    });
    expect(compileSchema(schema).unsupported).toEqual([
      'openAPIV3Schema.properties[spec].properties[x].format: unrecognized format "vm-size" is ignored',
      "openAPIV3Schema.properties[spec].properties[x].x-kubernetes-validations[0]: the CEL rule \"self != 'x'\" is not evaluated",
    ]);
  });

  it("refuses schemas that nest too deeply instead of overflowing", () => {
    let schema: JsonObject = { type: "string" };
    for (let depth = 0; depth < 5000; depth++) schema = { type: "object", properties: { a: schema } };
    expect(() => compileSchema(schema)).toThrow("schemas nest at most 100 levels deep");
  });
});
