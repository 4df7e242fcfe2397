/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
/** Which schemas a definition may have. Long because a table is read best in one piece. */
import type { Body } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { widgetDefinition } from "./case.ts";

interface Schema {
  readonly what: string;
  /** Whether it is the schema of one field, `x` of the spec, or the whole. */
  readonly at: "field" | "root";
  readonly schema: Body;
  /** All causes of its refusal, sorted: reason, field, message. None: it is accepted. */
  readonly problems: readonly string[];
}

const schemas: readonly Schema[] = [
  {
    what: "has a field without a type",
    at: "field",
    schema: {},
    problems: ["FieldValueRequired x.type: Required value: must not be empty for specified object fields"],
  },
  {
    what: "has a type that does not exist",
    at: "field",
    schema: { type: "text" },
    problems: [
      'FieldValueNotSupported x.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"',
    ],
  },
  {
    what: "has a list without items",
    at: "field",
    schema: { type: "array" },
    problems: ["FieldValueRequired x.items: Required value: must be specified"],
  },
  {
    what: "has a list of items",
    at: "field",
    schema: { type: "array", items: [{ type: "string" }] },
    problems: ["FieldValueForbidden x.items: Forbidden: items must be a schema object and not an array"],
  },
  {
    what: "forbids additional properties",
    at: "field",
    schema: { type: "object", additionalProperties: false },
    problems: [],
  },
  {
    what: "allows additional properties",
    at: "field",
    schema: { type: "object", additionalProperties: true },
    problems: [],
  },
  {
    what: "has properties beside additional ones",
    at: "field",
    schema: { type: "object", properties: { a: { type: "string" } }, additionalProperties: { type: "string" } },
    problems: [
      "FieldValueForbidden x.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    ],
  },
  {
    what: "wants unique items",
    at: "field",
    schema: { type: "array", uniqueItems: true, items: { type: "string" } },
    problems: [
      "FieldValueForbidden x.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
    ],
  },
  {
    what: "has definitions of its own",
    at: "field",
    schema: { type: "object", definitions: { a: { type: "string" } } },
    problems: ["FieldValueForbidden x.definitions: Forbidden: definitions is not supported"],
  },
  {
    what: "has patternProperties",
    at: "field",
    schema: { type: "object", patternProperties: { a: { type: "string" } } },
    problems: ["FieldValueForbidden x.patternProperties: Forbidden: patternProperties is not supported"],
  },
  {
    what: "has dependencies",
    at: "field",
    schema: { type: "object", dependencies: { a: ["b"] } },
    problems: ["FieldValueForbidden x.dependencies: Forbidden: dependencies is not supported"],
  },
  {
    what: "has an id",
    at: "field",
    schema: { type: "string", id: "x" },
    problems: ["FieldValueForbidden x.id: Forbidden: id is not supported"],
  },
  {
    what: "has titles, examples and documentation",
    at: "field",
    schema: { type: "string", title: "t", description: "d", example: 1, externalDocs: { url: "x" } },
    problems: [],
  },
  {
    what: "has a default of another type",
    at: "field",
    schema: { type: "integer", default: "x" },
    problems: ['FieldValueTypeInvalid x.default: Invalid value: "string":  in body must be of type integer: "string"'],
  },
  {
    what: "has a default that would be pruned",
    at: "field",
    schema: { type: "object", default: { a: 1 }, properties: { b: { type: "string" } } },
    problems: ['FieldValueInvalid x.default: Invalid value: {"a":1}: must not have unknown fields'],
  },
  {
    what: "has null for a default where null is allowed",
    at: "field",
    schema: { type: "string", nullable: true, default: null },
    problems: [],
  },
  {
    what: "has a default below the minimum",
    at: "field",
    schema: { type: "integer", minimum: 3, default: 1 },
    problems: ["FieldValueInvalid x.default: Invalid value: 1:  in body should be greater than or equal to 3"],
  },
  {
    what: "has a default outside the enum",
    at: "field",
    schema: { type: "string", enum: ["a"], default: "b" },
    problems: ['FieldValueNotSupported x.default: Unsupported value: "b": supported values: "a"'],
  },
  {
    what: "has a pattern that cannot be compiled",
    at: "field",
    schema: { type: "string", pattern: "(" },
    problems: [
      'FieldValueInvalid x.pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp: missing closing ): `(`',
    ],
  },
  {
    what: "has a pattern with a lookahead",
    at: "field",
    schema: { type: "string", pattern: "(?=a)" },
    problems: [
      'FieldValueInvalid x.pattern: Invalid value: "(?=a)": must be a valid regular expression, but isn\'t: error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
    ],
  },
  {
    what: "has a type below anyOf",
    at: "field",
    schema: { type: "object", anyOf: [{ type: "object" }] },
    problems: ["FieldValueForbidden x.anyOf[0].type: Forbidden: must be empty to be structural"],
  },
  {
    what: "has a property below anyOf only",
    at: "field",
    schema: { type: "object", anyOf: [{ properties: { q: { minimum: 1 } } }] },
    problems: [],
  },
  {
    what: "has a default below anyOf",
    at: "field",
    schema: { type: "object", properties: { a: { type: "string" } }, anyOf: [{ properties: { a: { default: "x" } } }] },
    problems: ["FieldValueForbidden x.anyOf[0].properties[a].default: Forbidden: must be undefined to be structural"],
  },
  {
    what: "has a description below anyOf",
    at: "field",
    schema: { type: "object", properties: { a: { type: "string" } }, anyOf: [{ description: "x" }] },
    problems: ["FieldValueForbidden x.anyOf[0].description: Forbidden: must be empty to be structural"],
  },
  {
    what: "is nullable below anyOf",
    at: "field",
    schema: { type: "string", anyOf: [{ nullable: true }] },
    problems: ["FieldValueForbidden x.anyOf[0].nullable: Forbidden: must be false to be structural"],
  },
  {
    what: "is int-or-string with a type",
    at: "field",
    schema: { type: "string", "x-kubernetes-int-or-string": true },
    problems: [],
  },
  {
    what: "is int-or-string with its anyOf",
    at: "field",
    schema: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
    problems: [],
  },
  {
    what: "preserves unknown fields as false",
    at: "field",
    schema: { type: "object", "x-kubernetes-preserve-unknown-fields": false },
    problems: [
      "FieldValueInvalid x.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
    ],
  },
  {
    what: "preserves unknown fields without a type",
    at: "field",
    schema: { "x-kubernetes-preserve-unknown-fields": true },
    problems: [],
  },
  {
    what: "embeds a resource without properties",
    at: "field",
    schema: { type: "object", "x-kubernetes-embedded-resource": true },
    problems: [
      "FieldValueRequired x.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
    ],
  },
  {
    what: "embeds a resource in a string",
    at: "field",
    schema: { type: "string", "x-kubernetes-embedded-resource": true },
    problems: [
      'FieldValueInvalid x.type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true',
      "FieldValueRequired x.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
    ],
  },
  {
    what: "has a list type that does not exist",
    at: "field",
    schema: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "bogus" },
    problems: [
      'FieldValueNotSupported x.x-kubernetes-list-type: Unsupported value: "bogus": supported values: "atomic", "set", "map"',
    ],
  },
  {
    what: "has a list type on an object",
    at: "field",
    schema: { type: "object", "x-kubernetes-list-type": "map" },
    problems: [
      'FieldValueInvalid x.type: Invalid value: "object": must be array if x-kubernetes-list-type is specified',
      "FieldValueRequired x.items: Required value: must have a schema if x-kubernetes-list-type is map",
      "FieldValueRequired x.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
    ],
  },
  {
    what: "has a list map without keys",
    at: "field",
    schema: { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "map" },
    problems: [
      "FieldValueRequired x.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
    ],
  },
  {
    what: "has a list map with a key that is no property",
    at: "field",
    schema: {
      type: "array",
      items: { type: "object", properties: {} },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["k"],
    },
    problems: [
      'FieldValueInvalid x.x-kubernetes-list-map-keys: Invalid value: ["k"]: entries must all be names of item properties',
    ],
  },
  {
    what: "has a list map whose key is neither required nor defaulted",
    at: "field",
    schema: {
      type: "array",
      items: { type: "object", properties: { k: { type: "string" } } },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["k"],
    },
    problems: [
      "FieldValueRequired x.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
    ],
  },
  {
    what: "has a list map whose key is an object",
    at: "field",
    schema: {
      type: "array",
      items: { type: "object", required: ["k"], properties: { k: { type: "object" } } },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["k"],
    },
    problems: [
      'FieldValueInvalid x.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array\'s x-kubernetes-list-type is map',
    ],
  },
  {
    what: "has a list map with a key twice",
    at: "field",
    schema: {
      type: "array",
      items: { type: "object", required: ["k"], properties: { k: { type: "string" } } },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["k", "k"],
    },
    problems: [
      'FieldValueInvalid x.x-kubernetes-list-map-keys: Invalid value: ["k","k"]: must not contain duplicate entries',
    ],
  },
  {
    what: "has keys of a list map on another list",
    at: "field",
    schema: { type: "array", items: { type: "object" }, "x-kubernetes-list-map-keys": ["k"] },
    problems: [
      "FieldValueRequired x.x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty",
    ],
  },
  {
    what: "has a set of objects",
    at: "field",
    schema: { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "set" },
    problems: [
      "FieldValueInvalid x.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
    ],
  },
  {
    what: "has a set of what may be null",
    at: "field",
    schema: { type: "array", items: { type: "string", nullable: true }, "x-kubernetes-list-type": "set" },
    problems: [
      "FieldValueForbidden x.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set",
    ],
  },
  {
    what: "has a map type that does not exist",
    at: "field",
    schema: { type: "object", "x-kubernetes-map-type": "bogus" },
    problems: [
      'FieldValueNotSupported x.x-kubernetes-map-type: Unsupported value: "bogus": supported values: "atomic", "granular"',
    ],
  },
  {
    what: "has a map type on a list",
    at: "field",
    schema: { type: "array", items: { type: "string" }, "x-kubernetes-map-type": "atomic" },
    problems: [
      'FieldValueInvalid x.type: Invalid value: "array": must be object if x-kubernetes-map-type is specified',
    ],
  },
  { what: "has a length on an integer", at: "field", schema: { type: "integer", minLength: 1 }, problems: [] },
  { what: "has an empty enum", at: "field", schema: { type: "string", enum: [] }, problems: [] },
  {
    what: "requires a property that is not declared",
    at: "field",
    schema: { type: "object", required: ["zz"] },
    problems: [],
  },
  {
    what: "has no type at the root",
    at: "root",
    schema: { properties: { spec: { type: "object" } } },
    problems: ["FieldValueRequired schema.type: Required value: must not be empty at the root"],
  },
  {
    what: "is a list at the root",
    at: "root",
    schema: { type: "array", items: { type: "string" } },
    problems: ['FieldValueInvalid schema.type: Invalid value: "array": must be object at the root'],
  },
  {
    what: "may be null at the root",
    at: "root",
    schema: { type: "object", nullable: true },
    problems: ["FieldValueForbidden schema.nullable: Forbidden: nullable cannot be true at the root"],
  },
  {
    what: "has additional properties at the root",
    at: "root",
    schema: { type: "object", additionalProperties: { type: "string" } },
    problems: ["FieldValueForbidden schema.additionalProperties: Forbidden: must not be used at the root"],
  },
  {
    what: "preserves unknown fields at the root",
    at: "root",
    schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    problems: [],
  },
  {
    what: "restricts metadata.name",
    at: "root",
    schema: {
      type: "object",
      properties: { metadata: { type: "object", properties: { name: { type: "string", pattern: "^a" } } } },
    },
    problems: [],
  },
  {
    what: "restricts metadata.labels",
    at: "root",
    schema: {
      type: "object",
      properties: {
        metadata: {
          type: "object",
          properties: { labels: { type: "object", additionalProperties: { type: "string" } } },
        },
      },
    },
    problems: [
      "FieldValueForbidden schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
    ],
  },
  {
    what: "makes apiVersion an integer",
    at: "root",
    schema: { type: "object", properties: { apiVersion: { type: "integer" } } },
    problems: ['FieldValueInvalid schema.properties[apiVersion].type: Invalid value: "integer": must be string'],
  },
  {
    what: "has anyOf at the root",
    at: "root",
    schema: { type: "object", properties: { spec: { type: "object" } }, anyOf: [{ required: ["spec"] }] },
    problems: [],
  },
  {
    what: "requires at the root what is not declared",
    at: "root",
    schema: { type: "object", required: ["spec", "nothing"] },
    problems: [],
  },
];

const own = "spec.validation.openAPIV3Schema";

function causesOf(status: Body): string[] {
  return status.details.causes
    .map(({ reason, field, message }: Body) => {
      const short = field.replace(own, "schema").replace("schema.properties[spec].properties[x]", "x");
      return `${reason} ${short}: ${message}`;
    })
    .sort();
}

/** What becomes of a definition with each schema. */
export const schemaCases: readonly ConformanceCase[] = schemas.map(({ what, at, schema, problems }) => ({
  name: `a definition whose schema ${what} is ${problems.length === 0 ? "accepted" : "refused"}`,
  async run({ call, namespace }) {
    const definition = widgetDefinition(`${namespace}.example.com`);
    const [version] = definition.spec.versions;
    delete version.subresources;
    delete version.selectableFields;
    delete version.additionalPrinterColumns;
    version.schema.openAPIV3Schema =
      at === "root" ? schema : { type: "object", properties: { spec: { type: "object", properties: { x: schema } } } };
    const { status, body } = await call(
      "POST",
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All",
      definition,
    );
    if (problems.length === 0) assert.equal(status, 201, JSON.stringify(body));
    else {
      assert.equal(status, 422, JSON.stringify(body));
      assert.deepEqual(causesOf(body), problems);
    }
  },
}));
