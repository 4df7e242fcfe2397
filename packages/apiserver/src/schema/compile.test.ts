import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileSchema } from "./compile.ts";
import type { Json, JsonObject } from "./json.ts";
import { isObject } from "./json.ts";

const machine = compileSchema({
  type: "object",
  properties: {
    spec: {
      type: "object",
      default: {},
      properties: {
        name: { type: "string", maxLength: 5, pattern: "^[a-z]+$" },
        cpu: { type: "integer", default: 2, minimum: 1 },
        nullable: { type: "string", nullable: true, default: "set" },
        plain: { type: "string" },
        tuning: {
          type: "object",
          required: ["level"],
          properties: { huge: { type: "boolean", default: false }, level: { type: "integer" } },
        },
        disks: {
          type: "array",
          items: {
            type: "object",
            default: { size: 1 },
            properties: { size: { type: "integer", default: 10 }, kind: { type: "string", enum: ["thin", "thick"] } },
          },
        },
        labels: {
          type: "object",
          additionalProperties: { type: "object", properties: { on: { type: "boolean", default: true } } },
        },
        port: { "x-kubernetes-int-or-string": true },
        raw: {
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
          properties: { known: { type: "object", properties: { a: { type: "string" } } } },
        },
        template: {
          type: "object",
          "x-kubernetes-embedded-resource": true,
          properties: { spec: { type: "object", properties: { a: { type: "string" } } } },
        },
        when: { type: "string", format: "date-time" },
        choice: { type: "integer", oneOf: [{ minimum: 10 }, { maximum: 3 }] },
      },
    },
  },
});

describe("CompiledSchema.default", () => {
  it.each<[string, JsonObject, JsonObject]>([
    ["missing objects top down", {}, { spec: { cpu: 2, nullable: "set" } }],
    ["what is there stays", { spec: { cpu: 4, nullable: "x" } }, { spec: { cpu: 4, nullable: "x" } }],
    ["null where null is not allowed", { spec: { cpu: null } }, { spec: { cpu: 2, nullable: "set" } }],
    ["null where null is allowed", { spec: { nullable: null } }, { spec: { cpu: 2, nullable: null } }],
    ["null without a default goes", { spec: { plain: null } }, { spec: { cpu: 2, nullable: "set" } }],
    [
      "nested objects only when present",
      { spec: { tuning: {} } },
      { spec: { tuning: { huge: false }, cpu: 2, nullable: "set" } },
    ],
    [
      "items, and null items",
      { spec: { disks: [{}, null, { size: 5 }] } },
      { spec: { disks: [{ size: 10 }, { size: 1 }, { size: 5 }], cpu: 2, nullable: "set" } },
    ],
    [
      "values of maps, null ones dropped",
      { spec: { labels: { a: {}, b: null } } },
      { spec: { labels: { a: { on: true } }, cpu: 2, nullable: "set" } },
    ],
  ])("%s", (_name, value, expected) => {
    const before = structuredClone(value);
    expect(machine.default(value)).toEqual(expected);
    expect(value).toEqual(before);
  });

  it("gives every object a default of its own", () => {
    const first = machine.default({});
    (first["spec"] as JsonObject)["cpu"] = 99;
    expect(machine.default({})).toEqual({ spec: { cpu: 2, nullable: "set" } });
  });
});

describe("CompiledSchema.prune", () => {
  it.each<[string, JsonObject, JsonObject, string[]]>([
    ["unknown fields", { spec: { cpu: 1, gpu: 1 }, extra: {} }, { spec: { cpu: 1 } }, ["spec.gpu", "extra"]],
    [
      "not apiVersion, kind and metadata",
      { apiVersion: "v1", kind: "M", metadata: { a: 1 } },
      { apiVersion: "v1", kind: "M", metadata: { a: 1 } },
      [],
    ],
    ["in items", { spec: { disks: [{ size: 1, x: 1 }] } }, { spec: { disks: [{ size: 1 }] } }, ["spec.disks[0].x"]],
    [
      "in maps",
      { spec: { labels: { l: { on: true, x: 1 } } } },
      { spec: { labels: { l: { on: true } } } },
      ["spec.labels.l.x"],
    ],
    [
      "not where unknown fields are preserved",
      { spec: { raw: { any: { thing: 1 } } } },
      { spec: { raw: { any: { thing: 1 } } } },
      [],
    ],
    [
      "below specified fields of those, though",
      { spec: { raw: { known: { a: "", b: 1 } } } },
      { spec: { raw: { known: { a: "" } } } },
      ["spec.raw.known.b"],
    ],
    [
      "embedded resources but for their meta fields",
      { spec: { template: { kind: "K", metadata: { x: 1 }, spec: { a: "", b: 1 }, status: {} } } },
      { spec: { template: { kind: "K", metadata: {}, spec: { a: "" } } } },
      ["spec.template.metadata.x", "spec.template.spec.b", "spec.template.status"],
    ],
    ["objects where scalars belong", { spec: { plain: { x: 1 } } }, { spec: { plain: {} } }, ["spec.plain.x"]],
    [
      "fields of Object.prototype",
      { spec: { constructor: 1, toString: 2 } },
      { spec: {} },
      ["spec.constructor", "spec.toString"],
    ],
  ])("%s", (_name, value, expected, dropped) => {
    const before = structuredClone(value);
    expect(machine.prune(value)).toEqual({ value: expected, dropped });
    expect(value).toEqual(before);
  });

  it("drops a member named __proto__ and touches no prototype", () => {
    const value = JSON.parse('{"spec": {"__proto__": {"polluted": true}, "cpu": 1}}') as JsonObject;
    const pruned = machine.prune(value);
    expect(pruned.dropped).toEqual(["spec.__proto__"]);
    expect(Object.getPrototypeOf(pruned.value["spec"])).toBe(Object.prototype);
  });
});

describe("any JSON", () => {
  const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;
  // Close to the schema, so that the interesting branches are reached.
  const spec = fc.record(
    {
      name: fc.oneof(fc.string({ maxLength: 8 }), json),
      cpu: fc.oneof(fc.integer(), json),
      nullable: fc.oneof(fc.constant(null), json),
      tuning: fc.oneof(fc.record({ huge: json }, { requiredKeys: [] }), json),
      disks: fc.oneof(fc.array(fc.oneof(fc.record({ size: json, extra: json }, { requiredKeys: [] }), json)), json),
      labels: fc.oneof(
        fc.dictionary(fc.string(), fc.oneof(fc.record({ on: json, x: json }, { requiredKeys: [] }), json)),
        json,
      ),
      port: json,
      raw: fc.oneof(fc.record({ known: json, other: json }, { requiredKeys: [] }), json),
      template: fc.oneof(fc.record({ kind: json, spec: json }, { requiredKeys: [] }), json),
      when: json,
      choice: fc.oneof(fc.integer(), json),
      unknown: json,
    },
    { requiredKeys: [] },
  );
  const object = fc.oneof(
    fc.record({ spec: fc.oneof(spec, json), other: json }, { requiredKeys: [] }),
    json.filter(isObject),
  ) as fc.Arbitrary<JsonObject>;

  it("is defaulted the same twice", () => {
    fc.assert(
      fc.property(object, (value) => {
        const once = machine.default(value);
        expect(machine.default(once)).toEqual(once);
      }),
    );
  });

  it("is pruned the same twice, and what is pruned stays pruned after defaulting", () => {
    fc.assert(
      fc.property(object, (value) => {
        const once = machine.prune(value).value;
        expect(machine.prune(once)).toEqual({ value: once, dropped: [] });
        expect(machine.prune(machine.default(once)).dropped).toEqual([]);
      }),
    );
  });

  it("is validated without throwing, and never changed", () => {
    fc.assert(
      fc.property(fc.oneof(object, json), fc.option(object, { nil: undefined }), (value, old) => {
        const before = JSON.stringify(value);
        const errors = machine.validate(value, old);
        for (const error of errors) expect(error.message).toMatch(/^[A-Z]/);
        expect(JSON.stringify(value)).toBe(before);
      }),
    );
  });

  it("has no more complaints as an update than as a new object", () => {
    fc.assert(
      fc.property(object, object, (value, old) => {
        const all = machine.validate(value);
        for (const error of machine.validate(value, old)) expect(all).toContainEqual(error);
      }),
    );
  });

  it("makes no schema throw anything but SchemaError", () => {
    const keyword = fc.constantFrom(
      "type",
      "properties",
      "items",
      "anyOf",
      "not",
      "default",
      "pattern",
      "enum",
      "required",
      "x-kubernetes-list-type",
      "x-kubernetes-list-map-keys",
      "format",
      "additionalProperties",
    );
    fc.assert(
      fc.property(
        fc.dictionary(
          keyword,
          fc.oneof(json, fc.constantFrom<Json>("object", "array", "string"), fc.dictionary(keyword, json)),
        ),
        (schema) => {
          try {
            compileSchema(schema);
          } catch (error) {
            expect((error as Error).name).toBe("SchemaError");
          }
        },
      ),
    );
  });
});
