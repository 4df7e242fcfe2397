/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { widgetDefinition } from "./case.ts";

const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** Definitions of resources, and what becomes of them. */
export const definitionCases: readonly ConformanceCase[] = [
  {
    name: "discovery lists a definition's resource with its subresources",
    async run({ expect, defineWidget }) {
      const { apiVersion } = await defineWidget();
      const list = await expect(200, "GET", `/apis/${apiVersion}`);
      assert.equal(list.kind, "APIResourceList");
      assert.deepEqual(list.resources.map((one: Body) => one.name).sort(), [
        "widgets",
        "widgets/scale",
        "widgets/status",
      ]);
      const main = list.resources.find((one: Body) => one.name === "widgets");
      assert.deepEqual([...main.verbs].sort(), [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
      ]);
      assert.deepEqual(main.shortNames, ["wdg"]);
      assert.equal(main.kind, "Widget");
      assert.equal(main.namespaced, true);
    },
  },
  {
    name: "a definition that has been deleted takes its objects and its resource along",
    async run({ expect, call, defineWidget }) {
      const { path, widget, definitionPath } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      await expect(200, "DELETE", definitionPath);
      for (let attempt = 0; (await call("GET", path)).status !== 404; attempt++) {
        assert.ok(attempt < 100, "still served after ten seconds");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  },
  {
    name: "a definition reports its accepted names",
    async run({ expect, defineWidget }) {
      const { definitionPath } = await defineWidget();
      const definition = await expect(200, "GET", definitionPath);
      const conditions = new Map(definition.status.conditions.map((one: Body) => [one.type, [one.status, one.reason]]));
      assert.deepEqual(conditions.get("NamesAccepted"), ["True", "NoConflicts"]);
      assert.deepEqual(conditions.get("Established"), ["True", "InitialNamesAccepted"]);
      assert.deepEqual(definition.status.storedVersions, ["v1"]);
      assert.equal(definition.status.acceptedNames.kind, "Widget");
    },
  },
  {
    name: "a definition whose name does not fit answers 422",
    async run({ expect }) {
      const definition = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "wrong.example.com" },
        spec: {
          group: "example.com",
          scope: "Namespaced",
          names: { plural: "widgets", kind: "Widget" },
          versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
        },
      };
      const status = await expect(422, "POST", definitionsPath, definition);
      assert.equal(
        status.message,
        'CustomResourceDefinition.apiextensions.k8s.io "wrong.example.com" is invalid: metadata.name: Invalid value: "wrong.example.com": must be spec.names.plural+"."+spec.group',
      );
    },
  },
  {
    name: "a definition with a schema that is not structural answers 422",
    async run({ expect }) {
      const definition = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "widgets.bad.example.com" },
        spec: {
          group: "bad.example.com",
          scope: "Namespaced",
          names: { plural: "widgets", kind: "Widget" },
          versions: [
            {
              name: "v1",
              served: true,
              storage: true,
              schema: {
                openAPIV3Schema: { type: "object", properties: { spec: { properties: { a: { type: "string" } } } } },
              },
            },
          ],
        },
      };
      const status = await expect(422, "POST", definitionsPath, definition);
      assert.ok(
        status.details.causes.some(
          (cause: Body) => cause.field === "spec.validation.openAPIV3Schema.properties[spec].type",
        ),
        JSON.stringify(status.details.causes),
      );
    },
  },
  {
    name: "complaints about a schema or a column stand where the real server keeps them: at the top when all versions share it",
    async run({ call, namespace }) {
      const typeless: Body = { type: "object", properties: { spec: {} } };
      const fine: Body = { type: "object", properties: { spec: { type: "object" } } };
      const version = (name: string, schema?: Body, type = "string"): Body => ({
        name,
        served: true,
        storage: name === "v1",
        additionalPrinterColumns: [{ name: "C", type, jsonPath: ".spec" }],
        ...(schema === undefined ? {} : { schema: { openAPIV3Schema: schema } }),
      });
      const schemaOf = (path: string): string =>
        `${path}.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields`;
      const columnOf = (path: string): string =>
        `${path}[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string`;
      const definitions: [Body[], string[]][] = [
        [[version("v1", typeless)], [schemaOf("spec.validation")]],
        [[version("v1", typeless), version("v2", typeless)], [schemaOf("spec.validation")]],
        [[version("v1", typeless), version("v2", fine)], [schemaOf("spec.versions[0].schema")]],
        [[version("v1", fine), version("v2", typeless)], [schemaOf("spec.versions[1].schema")]],
        [[version("v1", fine), version("v2")], ["spec.versions[1].schema.openAPIV3Schema: Required value"]],
        [[version("v1")], ["spec.versions[0].schema.openAPIV3Schema: Required value"]],
        [[version("v1", fine, "text"), version("v2", fine, "text")], [columnOf("spec.additionalPrinterColumns")]],
        [[version("v1", fine), version("v2", fine, "text")], [columnOf("spec.versions[1].additionalPrinterColumns")]],
      ];
      for (const [versions, problems] of definitions) {
        const definition = widgetDefinition(`${namespace}.example.com`);
        definition.spec.versions = versions;
        const { status, body } = await call("POST", definitionsPath, definition);
        assert.equal(status, 422, JSON.stringify(body));
        assert.deepEqual(
          body.details.causes.map(({ field, message }: Body) => `${field}: ${message}`),
          problems,
        );
      }
    },
  },
  {
    name: "complaints about a schema carry the reason of their kind",
    async run({ expect, namespace }) {
      const definition = widgetDefinition(`${namespace}.example.com`);
      definition.spec.versions[0].schema.openAPIV3Schema.properties = {
        metadata: { type: "object", properties: { labels: { type: "object" } } },
        spec: {
          type: "object",
          properties: {
            color: { type: "text" },
            size: {},
            list: { type: "array", items: { type: "string" }, uniqueItems: true },
          },
        },
      };
      delete definition.spec.versions[0].selectableFields;
      const status = await expect(422, "POST", definitionsPath, definition);
      const reasons = status.details.causes.map(({ reason }: Body) => reason);
      assert.deepEqual(reasons.sort(), [
        "FieldValueForbidden",
        "FieldValueForbidden",
        "FieldValueNotSupported",
        "FieldValueRequired",
      ]);
      const bad = widgetDefinition(`${namespace}.example.com`);
      bad.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.default = "x";
      const refused = await expect(422, "POST", definitionsPath, bad);
      assert.deepEqual(
        refused.details.causes.map(({ reason }: Body) => reason),
        ["FieldValueTypeInvalid"],
      );
    },
  },
];
