/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { ConformanceCase } from "./case.ts";
import type { Body } from "./client.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

/** What is filled in, dropped and refused, and in which words. */
export const validationCases: readonly ConformanceCase[] = [
  {
    name: "create without a name answers 422 naming metadata.name",
    async run({ expect, core }) {
      const status = await expect(422, "POST", `${core}/configmaps`, { apiVersion: "v1", kind: "ConfigMap" });
      assert.equal(
        status.message,
        'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
      );
      assert.deepEqual(status.details.causes, [
        {
          reason: "FieldValueRequired",
          message: "Required value: name or generateName is required",
          field: "metadata.name",
        },
      ]);
    },
  },
  {
    name: "create with a name that is no DNS subdomain answers 422 in apimachinery's words",
    async run({ expect, core }) {
      const status = await expect(422, "POST", `${core}/configmaps`, configMap("Bad_Name"));
      assert.equal(status.reason, "Invalid");
      assert.equal(
        status.message,
        `ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      );
    },
  },
  {
    name: "create with a bad label answers 422",
    async run({ expect, core }) {
      const status = await expect(422, "POST", `${core}/configmaps`, configMap("a", {}, { labels: { "a b": "x" } }));
      assert.equal(status.details.causes[0].field, "metadata.labels");
      assert.equal(status.details.causes[0].reason, "FieldValueInvalid");
    },
  },
  {
    name: "owner references and finalizers are checked",
    async run({ expect, core }) {
      const metadata = { finalizers: ["bad"], ownerReferences: [{ kind: "x" }] };
      const status = await expect(422, "POST", `${core}/configmaps`, configMap("a", {}, metadata));
      assert.deepEqual(
        status.details.causes.map((cause: { field: string; message: string }) => [cause.field, cause.message]),
        [
          ["metadata.ownerReferences.apiVersion", 'Invalid value: "": version must not be empty'],
          ["metadata.ownerReferences.name", 'Invalid value: "": must not be empty'],
          ["metadata.ownerReferences.uid", 'Invalid value: "": must not be empty'],
          [
            "metadata.finalizers[0]",
            'Invalid value: "bad": name is neither a standard finalizer name nor is it fully qualified',
          ],
        ],
      );
    },
  },
  {
    name: "defaults are filled in",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      assert.deepEqual(made.spec, { size: 1, color: "red" });
      assert.equal(made.metadata.generation, 1);
    },
  },
  {
    name: "values outside the schema answer 422 with a cause per field",
    async run({ expect, defineWidget }) {
      const { path, widget, group } = await defineWidget();
      const status = await expect(422, "POST", path, widget("a", { size: 11, color: "green" }));
      assert.equal(status.reason, "Invalid");
      assert.deepEqual(status.details.group, group);
      assert.deepEqual(status.details.kind, "Widget");
      const causes = [...status.details.causes].sort((left: { field: string }, right: { field: string }) =>
        left.field < right.field ? -1 : 1,
      );
      assert.deepEqual(causes, [
        {
          reason: "FieldValueNotSupported",
          message: 'Unsupported value: "green": supported values: "red", "blue"',
          field: "spec.color",
        },
        {
          reason: "FieldValueInvalid",
          message: "Invalid value: 11: spec.size in body should be less than or equal to 10",
          field: "spec.size",
        },
      ]);
    },
  },
  {
    name: "a missing required field answers 422",
    async run({ expect, defineWidget }) {
      const { path, widget, group } = await defineWidget();
      const status = await expect(422, "POST", path, widget("a", {}));
      assert.equal(status.message, `Widget.${group} "a" is invalid: spec.size: Required value`);
    },
  },
  {
    name: "a wrong type in a custom resource answers 422",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      const status = await expect(422, "POST", path, widget("a", { size: "big" }));
      assert.equal(status.details.causes[0].reason, "FieldValueTypeInvalid");
      assert.equal(
        status.details.causes[0].message,
        'Invalid value: "string": spec.size in body must be of type integer: "string"',
      );
    },
  },
  {
    name: "unknown fields are dropped with a warning",
    async run({ call, defineWidget }) {
      const { path, widget } = await defineWidget();
      const { status, body, headers } = await call("POST", path, widget("a", { size: 1, bogus: 1, free: { any: 1 } }));
      assert.equal(status, 201);
      assert.deepEqual(body.spec, { size: 1, color: "red", free: { any: 1 } });
      assert.equal(headers.warning, '299 - "unknown field \\"spec.bogus\\""');
    },
  },
  {
    name: "fieldValidation=Ignore drops unknown fields silently",
    async run({ call, defineWidget }) {
      const { path, widget } = await defineWidget();
      const { status, headers } = await call(
        "POST",
        `${path}?fieldValidation=Ignore`,
        widget("a", { size: 1, bogus: 1 }),
      );
      assert.equal(status, 201);
      assert.equal(headers.warning, undefined);
    },
  },
  {
    name: "fieldValidation=Strict refuses unknown fields",
    async run({ expect, defineWidget, core }) {
      const { path, widget } = await defineWidget();
      const status = await expect(400, "POST", `${path}?fieldValidation=Strict`, widget("a", { size: 1, bogus: 1 }));
      assert.equal(
        status.message,
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.bogus"',
      );
      const other = await expect(400, "POST", `${core}/configmaps?fieldValidation=Strict`, {
        ...configMap("a"),
        bogus: 1,
      });
      assert.equal(
        other.message,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "bogus"',
      );
    },
  },
  {
    name: "bad values are printed as Go prints them",
    async run({ call, expect, core, namespace }) {
      const messages = (body: Body): string[] =>
        body.details.causes.map(({ field, message }: Body) => `${field}: ${message}`);
      const name = 'A<\u00e9\u0001"';
      const named = await expect(422, "POST", `${core}/configmaps`, configMap(name));
      assert.ok(
        named.message.startsWith(
          'ConfigMap "A<\u00e9\\x01\\"" is invalid: metadata.name: Invalid value: "A<\u00e9\\x01\\"": a',
        ),
        named.message,
      );
      assert.equal(named.details.name, name);
      const missing = await expect(404, "GET", `${core}/configmaps/${encodeURIComponent(name)}`);
      assert.equal(missing.message, 'configmaps "A<\u00e9\\x01\\"" not found');

      // A struct keeps the order of its fields, a map is sorted by key.
      const owner = (of: string): Body => ({ uid: of, name: of, controller: true, kind: "A", apiVersion: "v1" });
      const owners = await expect(
        422,
        "POST",
        `${core}/configmaps`,
        configMap("x", {}, { ownerReferences: [owner("a"), owner("<")] }),
      );
      assert.deepEqual(messages(owners), [
        'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"A","name":"a","uid":"a","controller":true},{"apiVersion":"v1","kind":"A","name":"\\u003c","uid":"\\u003c","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for A/a and A/<',
      ]);
      const deployment = (labels?: Body): Body => ({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "d" },
        spec: {
          selector: { matchLabels: { a: "b" } },
          template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "i" }] } },
        },
      });
      const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
      const templates: [Body, string][] = [
        [{ z: "1", a: "x" }, '{"a":"x","z":"1"}'],
        [{}, "{}"],
        [undefined, "null"],
      ];
      for (const [labels, printed] of templates) {
        const { body } = await call("POST", deployments, deployment(labels));
        assert.deepEqual(messages(body), [
          `spec.template.metadata.labels: Invalid value: ${printed}: \`selector\` does not match template \`labels\``,
        ]);
      }
    },
  },
  {
    name: "a limit of one is printed in the singular, and what no single field is to blame for under <nil>",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget((definition) => {
        const { spec } = definition.spec.versions[0].schema.openAPIV3Schema.properties;
        spec.properties.text = { type: "string", maxLength: 1 };
        spec.properties.list = { type: "array", maxItems: 1, items: { type: "string" } };
        spec.anyOf = [{ required: ["replicas"] }, { required: ["free"] }];
      });
      const status = await expect(422, "POST", path, widget("a", { size: 1, text: "ab", list: ["a", "b"] }));
      const complaints = status.details.causes.map(({ reason, field, message }: Body) => [reason, field, message]);
      assert.deepEqual(complaints.sort(), [
        ["FieldValueInvalid", "<nil>", 'Invalid value: "": "spec" must validate at least one schema (anyOf)'],
        ["FieldValueRequired", "spec.replicas", "Required value"],
        ["FieldValueTooLong", "spec.text", "Too long: may not be more than 1 byte"],
        ["FieldValueTooMany", "spec.list", "Too many: 2: must have at most 1 item"],
      ]);
    },
  },
  {
    name: "finalizers are checked in two steps, and freer in custom resources",
    async run({ expect, core, defineWidget }) {
      const complain = async (finalizers: string[]): Promise<string[]> => {
        const status = await expect(422, "POST", `${core}/configmaps`, configMap("a", {}, { finalizers }));
        return status.details.causes.map(
          ({ field, message }: Body) => `${field}: ${message.replace(/ \(e\.g\..*/, "")}`,
        );
      };
      assert.deepEqual(await complain(["x", "a b"]), [
        "metadata.finalizers: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        'metadata.finalizers[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified',
        'metadata.finalizers[1]: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified',
      ]);
      assert.deepEqual(await complain(["orphan", "foregroundDeletion"]), [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      ]);
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, { ...widget("a"), metadata: { name: "a", finalizers: ["x"] } });
      assert.deepEqual(made.metadata.finalizers, ["x"]);
      await expect(200, "PUT", `${path}/a`, { ...made, metadata: { ...made.metadata, finalizers: [] } });
    },
  },
  {
    name: "an Event owns nothing",
    async run({ expect, core }) {
      const ownerReferences = [{ apiVersion: "v1", kind: "Event", name: "e", uid: "u" }];
      const status = await expect(422, "POST", `${core}/configmaps`, configMap("a", {}, { ownerReferences }));
      assert.equal(
        status.details.causes[0].message,
        'Invalid value: {"apiVersion":"v1","kind":"Event","name":"e","uid":"u"}: /v1, Kind=Event is disallowed from being an owner',
      );
    },
  },
];
