/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
/** Every keyword of a structural schema, with values on both sides of it. Long because a table is read best in one piece. */
import type { Body } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";

interface Keyword {
  readonly keyword: string;
  /** Of the field `spec.value`. */
  readonly schema: Body;
  /** Values and, where it is not the same, what is stored of them. */
  readonly accepts: readonly { readonly given: unknown; readonly stored?: unknown; readonly dropped?: true }[];
  /** Values and all causes of their refusal, sorted: reason, field, message. */
  readonly refuses: readonly { readonly given: unknown; readonly because: readonly string[] }[];
}

const keywords: readonly Keyword[] = [
  {
    keyword: "string",
    schema: { type: "string" },
    accepts: [{ given: "x" }, { given: null, dropped: true }],
    refuses: [
      {
        given: 1,
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "integer": spec.value in body must be of type string: "integer"',
        ],
      },
      {
        given: true,
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "boolean": spec.value in body must be of type string: "boolean"',
        ],
      },
      {
        given: {},
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "object": spec.value in body must be of type string: "object"',
        ],
      },
      {
        given: [],
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "array": spec.value in body must be of type string: "array"',
        ],
      },
    ],
  },
  {
    keyword: "minLength and maxLength",
    schema: { type: "string", minLength: 2, maxLength: 3 },
    accepts: [{ given: "ab" }, { given: "😀😀" }],
    refuses: [
      {
        given: "a",
        because: [
          'FieldValueInvalid spec.value: Invalid value: "a": spec.value in body should be at least 2 chars long',
        ],
      },
      { given: "abcd", because: ["FieldValueTooLong spec.value: Too long: may not be more than 3 bytes"] },
    ],
  },
  {
    keyword: "pattern",
    schema: { type: "string", pattern: "^a+$" },
    accepts: [{ given: "aa" }],
    refuses: [
      {
        given: "b",
        because: ["FieldValueInvalid spec.value: Invalid value: \"b\": spec.value in body should match '^a+$'"],
      },
    ],
  },
  {
    keyword: "enum of strings",
    schema: { type: "string", enum: ["a", "b"] },
    accepts: [{ given: "a" }],
    refuses: [
      {
        given: "c",
        because: ['FieldValueNotSupported spec.value: Unsupported value: "c": supported values: "a", "b"'],
      },
    ],
  },
  {
    keyword: "enum of integers",
    schema: { type: "integer", enum: [1, 2] },
    accepts: [{ given: 1 }],
    refuses: [
      { given: 3, because: ['FieldValueNotSupported spec.value: Unsupported value: 3: supported values: "1", "2"'] },
    ],
  },
  {
    keyword: "integer",
    schema: { type: "integer" },
    accepts: [{ given: 1 }],
    refuses: [
      {
        given: 1.5,
        because: [
          'FieldValueInvalid <nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.value',
          'FieldValueTypeInvalid spec.value: Invalid value: "number": spec.value in body must be of type integer: "number"',
        ],
      },
      {
        given: "1",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "string": spec.value in body must be of type integer: "string"',
        ],
      },
    ],
  },
  {
    keyword: "format int32",
    schema: { type: "integer", format: "int32" },
    accepts: [{ given: 2147483647 }],
    refuses: [
      {
        given: 2147483648,
        because: [
          'FieldValueInvalid <nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.value',
        ],
      },
      {
        given: -2147483649,
        because: [
          'FieldValueInvalid <nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.value',
        ],
      },
    ],
  },
  {
    keyword: "number with bounds",
    schema: { type: "number", minimum: 1.5, maximum: 2.5 },
    accepts: [{ given: 2 }],
    refuses: [
      {
        given: 1.4,
        because: [
          "FieldValueInvalid spec.value: Invalid value: 1.4: spec.value in body should be greater than or equal to 1.5",
        ],
      },
      {
        given: 2.6,
        because: [
          "FieldValueInvalid spec.value: Invalid value: 2.6: spec.value in body should be less than or equal to 2.5",
        ],
      },
      {
        given: "x",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "string": spec.value in body must be of type number: "string"',
        ],
      },
    ],
  },
  {
    keyword: "exclusive bounds",
    schema: { type: "integer", minimum: 1, exclusiveMinimum: true, maximum: 5, exclusiveMaximum: true },
    accepts: [{ given: 3 }],
    refuses: [
      {
        given: 1,
        because: ["FieldValueInvalid spec.value: Invalid value: 1: spec.value in body should be greater than 1"],
      },
      {
        given: 5,
        because: ["FieldValueInvalid spec.value: Invalid value: 5: spec.value in body should be less than 5"],
      },
    ],
  },
  {
    keyword: "multipleOf an integer",
    schema: { type: "integer", multipleOf: 3 },
    accepts: [{ given: 6 }],
    refuses: [
      {
        given: 4,
        because: ["FieldValueInvalid spec.value: Invalid value: 4: spec.value in body should be a multiple of 3"],
      },
    ],
  },
  {
    keyword: "multipleOf a fraction",
    schema: { type: "number", multipleOf: 0.1 },
    accepts: [{ given: 0.3 }],
    refuses: [
      {
        given: 0.25,
        because: ["FieldValueInvalid spec.value: Invalid value: 0.25: spec.value in body should be a multiple of 0.1"],
      },
    ],
  },
  {
    keyword: "boolean",
    schema: { type: "boolean" },
    accepts: [{ given: true }],
    refuses: [
      {
        given: "true",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "string": spec.value in body must be of type boolean: "string"',
        ],
      },
      {
        given: 1,
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "integer": spec.value in body must be of type boolean: "integer"',
        ],
      },
    ],
  },
  {
    keyword: "nullable",
    schema: { type: "string", nullable: true },
    accepts: [{ given: null }, { given: "x" }],
    refuses: [
      {
        given: 1,
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "integer": spec.value in body must be of type string: "integer"',
        ],
      },
    ],
  },
  {
    keyword: "default of what is null",
    schema: { type: "string", default: "d" },
    accepts: [{ given: null, stored: "d" }, { given: "x" }],
    refuses: [],
  },
  {
    keyword: "default of what may be null",
    schema: { type: "string", nullable: true, default: "d" },
    accepts: [{ given: null }, { given: "x" }],
    refuses: [],
  },
  {
    keyword: "default of an object",
    schema: {
      type: "object",
      default: { a: 1 },
      properties: { a: { type: "integer" }, b: { type: "string", default: "x" } },
    },
    accepts: [
      { given: null, stored: { a: 1, b: "x" } },
      { given: {}, stored: { b: "x" } },
      { given: { a: 2 }, stored: { a: 2, b: "x" } },
    ],
    refuses: [],
  },
  {
    keyword: "defaults in items",
    schema: { type: "array", items: { type: "object", properties: { a: { type: "string", default: "q" } } } },
    accepts: [
      { given: [{}], stored: [{ a: "q" }] },
      { given: [{ a: "z" }, {}], stored: [{ a: "z" }, { a: "q" }] },
    ],
    refuses: [
      {
        given: [null],
        because: [
          'FieldValueTypeInvalid spec.value[0]: Invalid value: "null": spec.value[0] in body must be of type object: "null"',
        ],
      },
    ],
  },
  {
    keyword: "defaults in values of a map",
    schema: {
      type: "object",
      additionalProperties: { type: "object", properties: { a: { type: "string", default: "q" } } },
    },
    accepts: [
      { given: { x: {} }, stored: { x: { a: "q" } } },
      { given: { x: null }, stored: {} },
    ],
    refuses: [],
  },
  {
    keyword: "minItems and maxItems",
    schema: { type: "array", minItems: 1, maxItems: 2, items: { type: "integer" } },
    accepts: [{ given: [1] }],
    refuses: [
      {
        given: [],
        because: ["FieldValueInvalid spec.value: Invalid value: 0: spec.value in body should have at least 1 items"],
      },
      { given: [1, 2, 3], because: ["FieldValueTooMany spec.value: Too many: 3: must have at most 2 items"] },
      {
        given: ["x"],
        because: [
          'FieldValueTypeInvalid spec.value[0]: Invalid value: "string": spec.value[0] in body must be of type integer: "string"',
        ],
      },
      {
        given: {},
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "object": spec.value in body must be of type array: "object"',
        ],
      },
      {
        given: [null],
        because: [
          'FieldValueTypeInvalid spec.value[0]: Invalid value: "null": spec.value[0] in body must be of type integer: "null"',
        ],
      },
    ],
  },
  {
    keyword: "list type set",
    schema: { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
    accepts: [{ given: ["a", "b"] }],
    refuses: [{ given: ["a", "a"], because: ['FieldValueDuplicate spec.value[1]: Duplicate value: "a"'] }],
  },
  {
    keyword: "list type map",
    schema: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["k"],
      items: { type: "object", required: ["k"], properties: { k: { type: "string" }, v: { type: "integer" } } },
    },
    accepts: [{ given: [{ k: "a" }, { k: "b" }] }],
    refuses: [
      { given: [{ k: "a" }, { k: "a" }], because: ['FieldValueDuplicate spec.value[1]: Duplicate value: {"k":"a"}'] },
      { given: [{ v: 1 }], because: ["FieldValueRequired spec.value[0].k: Required value"] },
    ],
  },
  {
    keyword: "minProperties, maxProperties and additionalProperties",
    schema: { type: "object", minProperties: 1, maxProperties: 2, additionalProperties: { type: "string" } },
    accepts: [{ given: { a: "1" } }],
    refuses: [
      {
        given: {},
        because: [
          "FieldValueInvalid spec.value: Invalid value: 0: spec.value in body should have at least 1 properties",
        ],
      },
      {
        given: { a: "1", b: "2", c: "3" },
        because: ["FieldValueTooMany spec.value: Too many: 3: must have at most 2 items"],
      },
      {
        given: { a: 1 },
        because: [
          'FieldValueTypeInvalid spec.value.a: Invalid value: "integer": spec.value.a in body must be of type string: "integer"',
        ],
      },
    ],
  },
  {
    keyword: "required",
    schema: { type: "object", required: ["a", "b"], properties: { a: { type: "string" }, b: { type: "string" } } },
    accepts: [{ given: { a: "x", b: "y" } }],
    refuses: [
      {
        given: {},
        because: ["FieldValueRequired spec.value.a: Required value", "FieldValueRequired spec.value.b: Required value"],
      },
      { given: { a: "x" }, because: ["FieldValueRequired spec.value.b: Required value"] },
      { given: { a: null, b: "x" }, because: ["FieldValueRequired spec.value.a: Required value"] },
    ],
  },
  {
    keyword: "preserved unknown fields around known ones",
    schema: {
      type: "object",
      "x-kubernetes-preserve-unknown-fields": true,
      properties: { k: { type: "object", properties: { a: { type: "string" } } } },
    },
    accepts: [{ given: { z: 1, k: { a: "x", y: 1 } }, stored: { k: { a: "x" }, z: 1 } }],
    refuses: [
      {
        given: { k: { a: 1 } },
        because: [
          'FieldValueTypeInvalid spec.value.k.a: Invalid value: "integer": spec.value.k.a in body must be of type string: "integer"',
        ],
      },
    ],
  },
  {
    keyword: "no fields declared",
    schema: { type: "object" },
    accepts: [{ given: {} }, { given: { z: 1 }, stored: {} }],
    refuses: [],
  },
  {
    keyword: "an embedded resource",
    schema: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
    accepts: [{ given: { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: {} } }],
    refuses: [
      {
        given: { a: 1 },
        because: [
          "FieldValueRequired spec.value.apiVersion: Required value",
          "FieldValueRequired spec.value.kind: Required value",
        ],
      },
      {
        given: { apiVersion: "a/b/c", kind: "Pod" },
        because: [
          'FieldValueInvalid spec.value.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        ],
      },
    ],
  },
  {
    keyword: "int or string",
    schema: { "x-kubernetes-int-or-string": true },
    accepts: [{ given: 1 }, { given: "1" }],
    refuses: [
      {
        given: 1.5,
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "number": spec.value in body must be of type integer,string: "number"',
        ],
      },
      {
        given: true,
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "boolean": spec.value in body must be of type integer,string: "boolean"',
        ],
      },
    ],
  },
  {
    keyword: "anyOf",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      anyOf: [{ required: ["a"] }, { required: ["b"] }],
    },
    accepts: [{ given: { a: 1 } }],
    refuses: [
      {
        given: {},
        because: [
          'FieldValueInvalid <nil>: Invalid value: "": "spec.value" must validate at least one schema (anyOf)',
          "FieldValueRequired spec.value.a: Required value",
        ],
      },
    ],
  },
  {
    keyword: "oneOf",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      oneOf: [{ required: ["a"] }, { required: ["b"] }],
    },
    accepts: [{ given: { b: 1 } }],
    refuses: [
      {
        given: {},
        because: [
          'FieldValueInvalid <nil>: Invalid value: "": "spec.value" must validate one and only one schema (oneOf). Found none valid',
          "FieldValueRequired spec.value.a: Required value",
        ],
      },
      {
        given: { a: 1, b: 2 },
        because: [
          'FieldValueInvalid <nil>: Invalid value: "": "spec.value" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ],
      },
    ],
  },
  {
    keyword: "allOf",
    schema: {
      type: "object",
      properties: { a: { type: "integer" } },
      allOf: [{ properties: { a: { minimum: 2 } } }, { properties: { a: { maximum: 4 } } }],
    },
    accepts: [{ given: { a: 3 } }],
    refuses: [
      {
        given: { a: 1 },
        because: [
          'FieldValueInvalid <nil>: Invalid value: "": "spec.value" must validate all the schemas (allOf)',
          "FieldValueInvalid spec.value.a: Invalid value: 1: spec.value.a in body should be greater than or equal to 2",
        ],
      },
    ],
  },
  {
    keyword: "not",
    schema: { type: "object", properties: { a: { type: "integer" } }, not: { required: ["a"] } },
    accepts: [{ given: {} }],
    refuses: [
      {
        given: { a: 3 },
        because: ['FieldValueInvalid <nil>: Invalid value: "": "spec.value" must not validate the schema (not)'],
      },
    ],
  },
  {
    keyword: "format date",
    schema: { type: "string", format: "date" },
    accepts: [{ given: "2020-01-01" }],
    refuses: [
      {
        given: "2020-13-01",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "2020-13-01": spec.value in body must be of type date: "2020-13-01"',
        ],
      },
    ],
  },
  {
    keyword: "format date-time",
    schema: { type: "string", format: "date-time" },
    accepts: [{ given: "2020-01-01T00:00:00Z" }],
    refuses: [
      {
        given: "yesterday",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "yesterday": spec.value in body must be of type date-time: "yesterday"',
        ],
      },
    ],
  },
  {
    keyword: "format duration",
    schema: { type: "string", format: "duration" },
    accepts: [{ given: "1h30m" }],
    refuses: [
      {
        given: "5 x",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "5 x": spec.value in body must be of type duration: "5 x"',
        ],
      },
    ],
  },
  {
    keyword: "format ipv4",
    schema: { type: "string", format: "ipv4" },
    accepts: [{ given: "1.2.3.4" }],
    refuses: [
      {
        given: "1.2.3",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "1.2.3": spec.value in body must be of type ipv4: "1.2.3"',
        ],
      },
    ],
  },
  {
    keyword: "format ipv6",
    schema: { type: "string", format: "ipv6" },
    accepts: [{ given: "::1" }],
    refuses: [
      {
        given: "1.2.3.4",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "1.2.3.4": spec.value in body must be of type ipv6: "1.2.3.4"',
        ],
      },
    ],
  },
  {
    keyword: "format cidr",
    schema: { type: "string", format: "cidr" },
    accepts: [{ given: "10.0.0.0/8" }],
    refuses: [
      {
        given: "10.0.0.0",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "10.0.0.0": spec.value in body must be of type cidr: "10.0.0.0"',
        ],
      },
    ],
  },
  {
    keyword: "format mac",
    schema: { type: "string", format: "mac" },
    accepts: [{ given: "00:11:22:33:44:55" }],
    refuses: [
      {
        given: "x",
        because: ['FieldValueTypeInvalid spec.value: Invalid value: "x": spec.value in body must be of type mac: "x"'],
      },
    ],
  },
  {
    keyword: "format uuid",
    schema: { type: "string", format: "uuid" },
    accepts: [{ given: "7b0f3f1e-0f3b-4b57-9a3c-0a3a7a3b9b0c" }],
    refuses: [
      {
        given: "x",
        because: ['FieldValueTypeInvalid spec.value: Invalid value: "x": spec.value in body must be of type uuid: "x"'],
      },
    ],
  },
  {
    keyword: "format byte",
    schema: { type: "string", format: "byte" },
    accepts: [{ given: "YQ==" }],
    refuses: [
      {
        given: "*",
        because: ['FieldValueTypeInvalid spec.value: Invalid value: "*": spec.value in body must be of type byte: "*"'],
      },
    ],
  },
  {
    keyword: "format uri",
    schema: { type: "string", format: "uri" },
    accepts: [{ given: "http://a" }],
    refuses: [
      {
        given: "no uri",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "no uri": spec.value in body must be of type uri: "no uri"',
        ],
      },
    ],
  },
  {
    keyword: "format hostname",
    schema: { type: "string", format: "hostname" },
    accepts: [],
    refuses: [
      {
        given: "a.b",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "a.b": spec.value in body must be of type hostname: "a.b"',
        ],
      },
      {
        given: "a_b c",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "a_b c": spec.value in body must be of type hostname: "a_b c"',
        ],
      },
    ],
  },
  {
    keyword: "format email",
    schema: { type: "string", format: "email" },
    accepts: [{ given: "a@b.c" }],
    refuses: [
      {
        given: "x",
        because: [
          'FieldValueTypeInvalid spec.value: Invalid value: "x": spec.value in body must be of type email: "x"',
        ],
      },
    ],
  },
  {
    keyword: "a format that nobody knows",
    schema: { type: "string", format: "bogus" },
    accepts: [{ given: "x" }],
    refuses: [],
  },
  {
    keyword: "lists in lists",
    schema: {
      type: "array",
      items: { type: "array", items: { type: "object", required: ["q"], properties: { q: { type: "integer" } } } },
    },
    accepts: [{ given: [[{ q: 1 }]] }],
    refuses: [
      {
        given: [[{ q: "x" }], [{}]],
        because: [
          "FieldValueRequired spec.value[1][0].q: Required value",
          'FieldValueTypeInvalid spec.value[0][0].q: Invalid value: "string": spec.value[0][0].q in body must be of type integer: "string"',
        ],
      },
    ],
  },
  {
    keyword: "names with dots and blanks",
    schema: { type: "object", properties: { "a.b/c": { type: "integer" }, "x y": { type: "integer" } } },
    accepts: [{ given: { "a.b/c": 1 } }],
    refuses: [
      {
        given: { "a.b/c": "s", "x y": "s" },
        because: [
          'FieldValueTypeInvalid spec.value.a.b/c: Invalid value: "string": spec.value.a.b/c in body must be of type integer: "string"',
          'FieldValueTypeInvalid spec.value.x y: Invalid value: "string": spec.value.x y in body must be of type integer: "string"',
        ],
      },
    ],
  },
];

function causesOf(status: Body): string[] {
  return status.details.causes.map(({ reason, field, message }: Body) => `${reason} ${field}: ${message}`).sort();
}

/** What becomes of a value under each keyword. */
export const keywordCases: readonly ConformanceCase[] = keywords.map(({ keyword, schema, accepts, refuses }) => ({
  name: `a value under the keyword: ${keyword}`,
  async run({ call, defineWidget }) {
    const { path, widget } = await defineWidget((definition) => {
      const [version] = definition.spec.versions;
      delete version.subresources;
      delete version.selectableFields;
      version.schema.openAPIV3Schema = {
        type: "object",
        properties: { spec: { type: "object", properties: { value: schema } } },
      };
    });
    for (const [index, one] of accepts.entries()) {
      const { status, body } = await call("POST", path, widget(`accepted-${index}`, { value: one.given }));
      assert.equal(status, 201, JSON.stringify(body));
      assert.deepEqual(body.spec.value, one.dropped === true ? undefined : "stored" in one ? one.stored : one.given);
    }
    for (const { given, because } of refuses) {
      const { status, body } = await call("POST", path, widget("refused", { value: given }));
      assert.equal(status, 422, JSON.stringify(body));
      assert.deepEqual(causesOf(body), because);
    }
  },
}));
