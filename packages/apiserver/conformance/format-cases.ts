/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };
const as = (kind: string, version = "v1"): { accept: string } => ({
  accept: `application/json;as=${kind};v=${version};g=meta.k8s.io`,
});

/** Tables, metadata alone and other formats, methods, rights, health and discovery. */
export const formatCases: readonly ConformanceCase[] = [
  {
    name: "cells of a table have the type of their column, and null for values of another",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget((definition) => {
        definition.spec.versions[0].additionalPrinterColumns = [
          { name: "Size", type: "integer", jsonPath: ".spec.size", priority: 1, description: "d" },
          { name: "Yes", type: "boolean", jsonPath: ".spec.free.yes" },
          { name: "When", type: "date", jsonPath: ".spec.free.when" },
          { name: "Free", type: "string", jsonPath: ".spec.free" },
          { name: "None", type: "string", jsonPath: ".spec.none" },
        ];
      });
      await expect(201, "POST", path, widget("a", { size: 4, free: { yes: true, when: "2020-01-01T00:00:00Z" } }));
      await expect(201, "POST", path, widget("b", { size: 5, free: { yes: "x", when: "zz" } }));
      const table = await expect(200, "GET", path, undefined, as("Table"));
      assert.deepEqual(
        table.columnDefinitions.map(({ name, type, priority }: Body) => [name, type, priority]),
        [
          ["Name", "string", 0],
          ["Size", "integer", 1],
          ["Yes", "boolean", 0],
          ["When", "date", 0],
          ["Free", "string", 0],
          ["None", "string", 0],
        ],
      );
      assert.equal(table.columnDefinitions[1].description, "d");
      const [first, second] = table.rows.map(({ cells }: Body) => cells);
      assert.deepEqual([first[0], first[1], first[2], first[5]], ["a", 4, true, null]);
      assert.match(first[3], /^\dy\d*d?$|^\d+d$/);
      assert.equal(first[4], '{"when":"2020-01-01T00:00:00Z","yes":true}');
      assert.deepEqual([second[2], second[3]], [null, "<invalid>"]);
    },
  },
  {
    name: "a definition without columns has the age for one",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget((definition) => {
        delete definition.spec.versions[0].additionalPrinterColumns;
      });
      await expect(201, "POST", path, widget("a"));
      const table = await expect(200, "GET", `${path}/a`, undefined, as("Table"));
      assert.deepEqual(
        table.columnDefinitions.map(({ name, type }: Body) => [name, type]),
        [
          ["Name", "string"],
          ["Age", "date"],
        ],
      );
    },
  },
  ...(["None", "Metadata", "Object"] as const).map((include): ConformanceCase => ({
    name: `rows of a table with includeObject=${include} carry ${include === "None" ? "nothing" : include.toLowerCase()}`,
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const table = await expect(200, "GET", `${core}/configmaps/a?includeObject=${include}`, undefined, as("Table"));
      const [{ object }] = table.rows;
      if (include === "None") assert.equal(object, null);
      else assert.equal(object.kind, include === "Object" ? "ConfigMap" : "PartialObjectMetadata");
      assert.deepEqual(object?.data, include === "Object" ? { x: "1" } : undefined);
    },
  })),
  {
    name: "a table can be paged, and an unknown includeObject answers 400",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      for (const name of ["a", "b"]) await expect(201, "POST", path, widget(name));
      const table = await expect(200, "GET", `${path}?limit=1`, undefined, as("Table"));
      assert.equal(table.rows.length, 1);
      assert.equal(table.metadata.remainingItemCount, 1);
      const rest = await expect(
        200,
        "GET",
        `${path}?limit=1&continue=${table.metadata.continue}`,
        undefined,
        as("Table"),
      );
      assert.equal(rest.rows[0].cells[0], "b");
      await expect(400, "GET", `${path}?includeObject=All`, undefined, as("Table"));
    },
  },
  {
    name: "writes answer as tables and metadata too, errors as a Status always",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      assert.equal((await expect(201, "POST", path, widget("a"), as("Table"))).rows[0].cells[0], "a");
      const patched = await expect(
        200,
        "PATCH",
        `${path}/a`,
        { spec: { size: 3 } },
        { ...merge, ...as("PartialObjectMetadata") },
      );
      assert.deepEqual([patched.kind, patched.metadata.generation], ["PartialObjectMetadata", 2]);
      assert.equal((await expect(404, "GET", `${path}/none`, undefined, as("Table"))).kind, "Status");
      assert.equal((await expect(200, "DELETE", `${path}/a`, undefined, as("Table"))).kind, "Status");
    },
  },
  {
    name: "of several formats the first that is served is taken; versions and kinds that do not exist answer 406",
    async run({ expect, call, defineWidget }) {
      const { path } = await defineWidget();
      const bogus = as("Bogus").accept;
      assert.equal(
        (await expect(200, "GET", path, undefined, { accept: `${bogus},application/json` })).kind,
        "WidgetList",
      );
      assert.equal(
        (await expect(200, "GET", path, undefined, as("Table", "v1beta1"))).apiVersion,
        "meta.k8s.io/v1beta1",
      );
      for (const accept of [bogus, as("Table", "v2").accept, "text/html", "application/cbor"]) {
        const { status, body } = await call("GET", path, undefined, { accept });
        assert.equal(status, 406, accept);
        assert.equal(body.reason, "NotAcceptable");
      }
      for (const accept of ["*/*", "application/*", ""])
        assert.equal((await call("GET", path, undefined, { accept })).status, 200, accept);
    },
  },
  {
    name: "the metadata of a list is asked for as that of a list",
    async run({ expect, core, defineWidget }) {
      const { path } = await defineWidget();
      for (const collection of [path, `${core}/configmaps`]) {
        const status = await expect(406, "GET", collection, undefined, as("PartialObjectMetadata"));
        assert.match(status.message, /^you requested PartialObjectMetadata, but the requested object is a list \(/);
      }
    },
  },
  {
    name: "the metadata of an embedded resource keeps what metadata has",
    async run({ call, defineWidget }) {
      const { path, widget } = await defineWidget((definition) => {
        definition.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.pod = {
          type: "object",
          "x-kubernetes-embedded-resource": true,
          "x-kubernetes-preserve-unknown-fields": true,
        };
      });
      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "x", labels: { a: "1" } }, any: 1 };
      const given = { ...pod, metadata: { ...pod.metadata, bogus: 1 } };
      const { status, body, headers } = await call("POST", path, widget("a", { size: 1, pod: given }));
      assert.equal(status, 201);
      assert.deepEqual(body.spec.pod, pod);
      assert.equal(headers.warning, '299 - "unknown field \\"spec.pod.metadata.bogus\\""');
    },
  },
  {
    name: "YAML goes in and comes out",
    async run({ call, core }) {
      const yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { x: '1' }\n";
      const { status, body, headers } = await call("POST", `${core}/configmaps`, yaml, {
        contentType: "application/yaml",
        accept: "application/yaml",
      });
      assert.equal(status, 201);
      assert.equal(headers["content-type"], "application/yaml");
      assert.match(body, /^ {2}name: a$/m);
    },
  },
  {
    name: "typed objects in protobuf",
    differs: "protobuf is read and never written here, which clients are told with 406",
    async run({ call, expect, either, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const protobuf = { accept: "application/vnd.kubernetes.protobuf" };
      assert.equal((await call("GET", `${core}/configmaps/a`, undefined, protobuf)).status, either(200, 406));
    },
  },
  {
    name: "custom resources have no protobuf",
    async run({ call, expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const protobuf = "application/vnd.kubernetes.protobuf";
      assert.equal((await call("GET", `${path}/a`, undefined, { accept: protobuf })).status, 406);
      assert.equal((await call("GET", `${path}/a`, undefined, { accept: `${protobuf},application/json` })).status, 200);
    },
  },
  {
    name: "items of typed lists leave out what the list says, those of custom resources repeat it",
    async run({ expect, core, defineWidget }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const [item] = (await expect(200, "GET", `${core}/configmaps?fieldSelector=metadata.name%3Da`)).items;
      assert.deepEqual([item.apiVersion, item.kind], [undefined, undefined]);
      const { path, widget, apiVersion } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const [own] = (await expect(200, "GET", path)).items;
      assert.deepEqual([own.apiVersion, own.kind], [apiVersion, "Widget"]);
    },
  },
  {
    name: "HEAD answers like GET, without a body",
    async run({ call, expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const { status, body } = await call("HEAD", `${path}/a`);
      assert.deepEqual([status, body], [200, ""]);
      assert.equal((await call("HEAD", `${path}/none`)).status, 404);
    },
  },
  {
    name: "methods that a built-in kind does not take answer 405 without a word on it",
    async run({ expect, core }) {
      for (const [method, path] of [
        ["PUT", `${core}/configmaps`],
        ["POST", "/api/v1/configmaps"],
        ["DELETE", "/api/v1/configmaps"],
        ["DELETE", "/api/v1/namespaces"],
        ["PATCH", `${core}/configmaps`],
      ] as const) {
        const status = await expect(405, method, path, configMap("a"), method === "PATCH" ? merge : {});
        assert.equal(status.message, "the server does not allow this method on the requested resource");
        assert.equal(status.reason, "MethodNotAllowed");
      }
    },
  },
  {
    name: "an update without a name in its path answers 400 for a custom resource",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      assert.equal((await expect(400, "PUT", path, widget("a"))).message, "name must be provided");
    },
  },
  {
    name: "paths of groups that do not exist",
    differs: "they answer with a Status like all others here; the real server's is plain text",
    async run({ call, either, defineWidget }) {
      const { group } = await defineWidget();
      for (const path of ["/apis/nowhere.example.com/v1", `/apis/${group}/v9/widgets`, "/nowhere"]) {
        const { status, body } = await call("GET", path);
        assert.equal(status, 404);
        assert.equal(typeof body, either("string", "object"));
      }
    },
  },
  {
    name: "a user without rights is told what is missing",
    differs: "every token that is known may do everything here, and the others are refused with 401",
    async run({ call, either, server, defineWidget, namespace }) {
      const { path, group } = await defineWidget();
      const { status, body } = await call("GET", path, undefined, { token: server.strangerToken });
      const message = `widgets.${group} is forbidden: User "plain" cannot list resource "widgets" in API group "${group}" in the namespace "${namespace}"`;
      assert.deepEqual(
        [status, body.reason, body.message],
        either([403, "Forbidden", message], [401, "Unauthorized", "Unauthorized"]),
      );
      const anonymous = await call("GET", path, undefined, { token: "" });
      assert.equal(anonymous.status, either(403, 401));
    },
  },
  {
    name: "health and version are open, and a token's scheme is written as one likes",
    async run({ call, server }) {
      for (const path of ["/healthz", "/livez", "/readyz", "/version"])
        assert.equal((await call("GET", path, undefined, { token: "" })).status, 200, path);
      const { status } = await call("GET", "/api", undefined, {
        token: "",
        headers: { authorization: `bearer ${server.token}` },
      });
      assert.equal(status, 200);
    },
  },
  {
    name: "aggregated discovery lists a definition's resource with its subresources",
    async run({ expect, defineWidget }) {
      const { group } = await defineWidget((definition) => {
        definition.spec.names.categories = ["things"];
      });
      const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
      const { kind, items } = await expect(200, "GET", "/apis", undefined, { accept });
      assert.equal(kind, "APIGroupDiscoveryList");
      const [version] = items.find(({ metadata }: Body) => metadata.name === group).versions;
      const [resource] = version.resources;
      assert.deepEqual(
        [version.version, resource.resource, resource.scope, resource.singularResource],
        ["v1", "widgets", "Namespaced", "widget"],
      );
      assert.deepEqual([resource.shortNames, resource.categories], [["wdg"], ["things"]]);
      assert.deepEqual(resource.subresources.map(({ subresource }: Body) => subresource).toSorted(), [
        "scale",
        "status",
      ]);
      assert.deepEqual(resource.responseKind, { group, version: "v1", kind: "Widget" });
    },
  },
  {
    name: "discovery describes one group, with the version that clients should prefer",
    async run({ expect, defineWidget }) {
      const { group } = await defineWidget((definition) => {
        const [first] = definition.spec.versions;
        definition.spec.versions = [
          { ...first, name: "v1beta1", storage: false },
          first,
          { ...first, name: "v2alpha1", storage: false },
        ];
        definition.spec.versions.reverse();
        [definition.spec.versions[0], definition.spec.versions[1]] = [
          definition.spec.versions[1],
          definition.spec.versions[0],
        ];
      });
      const found = await expect(200, "GET", `/apis/${group}`);
      assert.deepEqual(
        found.versions.map(({ version }: Body) => version),
        ["v1", "v1beta1", "v2alpha1"],
      );
      assert.equal(found.preferredVersion.version, "v1");
    },
  },
  {
    name: "OpenAPI v3 has a document per version under its hash, with the schema of the kind",
    async run({ expect, eventually, defineWidget }) {
      const { group } = await defineWidget();
      const { serverRelativeURL } = await eventually(async () => {
        const { paths } = await expect(200, "GET", "/openapi/v3");
        assert.ok(`apis/${group}/v1` in paths);
        return paths[`apis/${group}/v1`];
      });
      assert.match(serverRelativeURL, /\?hash=[0-9A-F]+$/);
      const document = await expect(200, "GET", serverRelativeURL);
      const schemas: Body[] = Object.values(document.components.schemas);
      const widget = schemas.find((one) =>
        one["x-kubernetes-group-version-kind"]?.some((gvk: Body) => gvk.kind === "Widget"),
      );
      assert.equal(widget.properties.spec.properties.size.maximum, 10);
      assert.ok("metadata" in widget.properties && "kind" in widget.properties);
    },
  },
];
