import { describe, expect, it } from "vitest";
import { compileSchema } from "./compile.ts";
import type { Json, JsonObject } from "./json.ts";

function complaints(x: JsonObject, value: Json, old?: Json): string[] {
  const schema = compileSchema({ type: "object", properties: { spec: { type: "object", properties: { x } } } });
  const wrap = (inner: Json): JsonObject => ({ spec: { x: inner } });
  return schema
    .validate(wrap(value), old === undefined ? undefined : wrap(old))
    .map(({ field, message }) => `${field}: ${message}`);
}

describe("CompiledSchema.validate", () => {
  it.each<[string, JsonObject, Json, string[]]>([
    [
      "a string for an integer",
      { type: "integer" },
      "two",
      ['spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"'],
    ],
    [
      "a fraction for an integer",
      { type: "integer" },
      1.5,
      [
        'spec.x: Invalid value: "number": spec.x in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.x',
      ],
    ],
    ["an integer for a number", { type: "number" }, 1, []],
    [
      "an object for a string",
      { type: "string" },
      {},
      ['spec.x: Invalid value: "object": spec.x in body must be of type string: "object"'],
    ],
    [
      "null for a string",
      { type: "string" },
      null,
      ['spec.x: Invalid value: "null": spec.x in body must be of type string: "null"'],
    ],
    ["null for a nullable string", { type: "string", nullable: true }, null, []],
    [
      "a number for a date-time",
      { type: "string", format: "date-time" },
      5,
      ['spec.x: Invalid value: "int64": spec.x in body must be of type date-time: "int64"'],
    ],
    [
      "a boolean for int-or-string",
      { "x-kubernetes-int-or-string": true },
      true,
      ['spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'],
    ],
    ["either for int-or-string", { "x-kubernetes-int-or-string": true }, "80%", []],
    [
      "less than minimum",
      { type: "integer", minimum: 1 },
      0,
      ["spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1"],
    ],
    [
      "exclusive minimum",
      { type: "number", minimum: 1, exclusiveMinimum: true },
      1,
      ["spec.x: Invalid value: 1: spec.x in body should be greater than 1"],
    ],
    [
      "more than maximum",
      { type: "integer", maximum: 65535 },
      70000,
      ["spec.x: Invalid value: 70000: spec.x in body should be less than or equal to 65535"],
    ],
    [
      "exclusive maximum",
      { type: "number", maximum: 1.5, exclusiveMaximum: true },
      1.5,
      ["spec.x: Invalid value: 1.5: spec.x in body should be less than 1.5"],
    ],
    [
      "no multiple",
      { type: "integer", multipleOf: 4 },
      7,
      ["spec.x: Invalid value: 7: spec.x in body should be a multiple of 4"],
    ],
    ["a multiple of a fraction", { type: "number", multipleOf: 0.1 }, 0.3, []],
    [
      "beyond int32",
      { type: "integer", format: "int32" },
      2 ** 31,
      ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.x'],
    ],
    ["the end of int32", { type: "integer", format: "int32" }, -(2 ** 31), []],
    [
      "beyond int64",
      { type: "integer" },
      1e30,
      [
        'spec.x: Invalid value: "number": spec.x in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.x',
      ],
    ],
    [
      "too long",
      { type: "string", maxLength: 63 },
      "x".repeat(64),
      ["spec.x: Too long: may not be more than 63 bytes"],
    ],
    ["characters, not UTF-16 units", { type: "string", maxLength: 2 }, "😀😀", []],
    [
      "too short",
      { type: "string", minLength: 1 },
      "",
      ['spec.x: Invalid value: "": spec.x in body should be at least 1 chars long'],
    ],
    [
      "no match",
      { type: "string", pattern: "^a+$" },
      "b\n",
      ["spec.x: Invalid value: \"b\\n\": spec.x in body should match '^a+$'"],
    ],
    [
      "not of the format",
      { type: "string", format: "ipv4" },
      "::1",
      ['spec.x: Invalid value: "::1": spec.x in body must be of type ipv4: "::1"'],
    ],
    [
      "an unsupported value",
      { type: "string", enum: ["On", "Off", "OffGraceful"] },
      "Up",
      ['spec.x: Unsupported value: "Up": supported values: "On", "Off", "OffGraceful"'],
    ],
    [
      "an unsupported number",
      { type: "integer", enum: [1, 2] },
      3,
      ['spec.x: Unsupported value: 3: supported values: "1", "2"'],
    ],
    [
      "null outside the enum",
      { type: "string", nullable: true, enum: ["a"] },
      null,
      ['spec.x: Unsupported value: null: supported values: "a"'],
    ],
    [
      "too many items",
      { type: "array", items: { type: "integer" }, maxItems: 2 },
      [1, 2, 3],
      ["spec.x: Too many: 3: must have at most 2 items"],
    ],
    [
      "too few items",
      { type: "array", items: { type: "integer" }, minItems: 1 },
      [],
      ["spec.x: Invalid value: 0: spec.x in body should have at least 1 items"],
    ],
    [
      "a wrong item",
      { type: "array", items: { type: "integer" } },
      [1, "b"],
      ['spec.x[1]: Invalid value: "string": spec.x[1] in body must be of type integer: "string"'],
    ],
    ["a missing field", { type: "object", required: ["a"] }, {}, ["spec.x.a: Required value"]],
    [
      "too many fields",
      { type: "object", additionalProperties: true, maxProperties: 1 },
      { a: 1, b: 2 },
      ["spec.x: Too many: 2: must have at most 1 item"],
    ],
    [
      "too few fields",
      { type: "object", minProperties: 1 },
      {},
      ["spec.x: Invalid value: 0: spec.x in body should have at least 1 properties"],
    ],
    [
      "a wrong map value",
      { type: "object", additionalProperties: { type: "string" } },
      { "a.b/c": 1 },
      ['spec.x.a.b/c: Invalid value: "integer": spec.x.a.b/c in body must be of type string: "integer"'],
    ],
    [
      "a forbidden field",
      { type: "object", additionalProperties: false },
      { a: 1 },
      ['spec.x: Invalid value: "a": spec.x.a in body is a forbidden property'],
    ],
    [
      "a field named constructor",
      { type: "object", required: ["constructor"] },
      {},
      ["spec.x.constructor: Required value"],
    ],
    [
      "an item twice in a set",
      { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
      ["a", "b", "a", "a"],
      ['spec.x[2]: Duplicate value: "a"'],
    ],
    [
      "not",
      { type: "string", not: { enum: ["x"] } },
      "x",
      ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)'],
    ],
    [
      "anyOf",
      { type: "integer", anyOf: [{ minimum: 5 }, { maximum: 1 }] },
      3,
      [
        '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
        "spec.x: Invalid value: 3: spec.x in body should be greater than or equal to 5",
      ],
    ],
    [
      "oneOf with none",
      {
        type: "object",
        properties: { a: { type: "string" }, b: { type: "string" } },
        oneOf: [{ required: ["a"] }, { required: ["b"] }],
      },
      {},
      [
        '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid',
        "spec.x.a: Required value",
      ],
    ],
    [
      "oneOf with two",
      {
        type: "object",
        properties: { a: { type: "string" }, b: { type: "string" } },
        oneOf: [{ required: ["a"] }, { required: ["b"] }],
      },
      { a: "", b: "" },
      ['<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [
      "allOf",
      { type: "integer", allOf: [{ minimum: 5 }] },
      3,
      [
        "spec.x: Invalid value: 3: spec.x in body should be greater than or equal to 5",
        '<nil>: Invalid value: "": "spec.x" must validate all the schemas (allOf). None validated',
      ],
    ],
    [
      "an embedded resource without kind",
      { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
      { apiVersion: "v1" },
      ["spec.x.kind: Required value"],
    ],
  ])("judges %s", (_name, schema, value, expected) => {
    expect(complaints(schema, value)).toEqual(expected);
  });

  it("judges the keys of list maps", () => {
    const ports: JsonObject = {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["port", "protocol"],
      items: {
        type: "object",
        required: ["port"],
        properties: { port: { type: "integer" }, protocol: { type: "string", default: "TCP" } },
      },
    };
    const same = [
      { port: 1, protocol: "TCP" },
      { port: 1, protocol: "UDP" },
      { protocol: "TCP", port: 1 },
    ];
    expect(complaints(ports, same)).toEqual(['spec.x[2]: Duplicate value: {"port":1,"protocol":"TCP"}']);
    expect(complaints(ports, same, same)).toEqual([]);
  });

  it("leaves out complaints about what did not change", () => {
    const schema: JsonObject = {
      type: "object",
      properties: {
        a: { type: "integer", minimum: 5 },
        list: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: {
            type: "object",
            required: ["name"],
            properties: { name: { type: "string" }, size: { type: "integer", minimum: 5 } },
          },
        },
        atomic: { type: "array", items: { type: "integer", minimum: 5 } },
      },
    };
    const old = { a: 1, list: [{ name: "p", size: 1 }], atomic: [1] };
    expect(
      complaints(
        schema,
        {
          ...old,
          list: [
            { name: "q", size: 2 },
            { name: "p", size: 1 },
          ],
        },
        old,
      ),
    ).toEqual([
      "spec.x.list[0].size: Invalid value: 2: spec.x.list[0].size in body should be greater than or equal to 5",
    ]);
    expect(complaints(schema, { ...old, atomic: [1, 2] }, old)).toHaveLength(2);
    expect(complaints(schema, { ...old, a: 2 }, old)).toHaveLength(1);
  });

  it("takes a list of type map for unchanged in any order, and no object with a field that the schema does not know", () => {
    const list: JsonObject = {
      type: "array",
      maxItems: 1,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      items: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
    };
    const tooMany = ["spec.x: Too many: 2: must have at most 1 item"];
    const [first, second] = [{ name: "a" }, { name: "b" }];
    expect(complaints(list, [first, second], [second, first])).toEqual([]);
    expect(complaints(list, [first, { name: "c" }], [second, first])).toEqual(tooMany);
    const open: JsonObject = { type: "object", maxProperties: 0, "x-kubernetes-preserve-unknown-fields": true };
    expect(complaints(open, { a: 1 }, { a: 1 })).toEqual(["spec.x: Too many: 1: must have at most 0 items"]);
  });

  it("refuses what nests too deeply instead of overflowing", () => {
    let value: Json = {};
    for (let depth = 0; depth < 100_000; depth++) value = { a: value };
    const [error] = complaints({ type: "object", "x-kubernetes-preserve-unknown-fields": true }, value);
    expect(error).toBe('<nil>: Invalid value: "": objects and lists may nest at most 500 levels deep');
  });
});
