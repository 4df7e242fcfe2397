/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call -- answers are read as the JSON they are */
import type { ConformanceCase } from "./case.ts";
import type { Body } from "./client.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const apply = { contentType: "application/apply-patch+yaml" };
const merge = { contentType: "application/merge-patch+json" };

/** Server-side apply, and who owns which field. */
export const applyCases: readonly ConformanceCase[] = [
  {
    name: "apply of a field that no schema knows is refused",
    async run({ call, defineWidget }) {
      const { path, widget } = await defineWidget();
      const { status, body } = await call(
        "PATCH",
        `${path}/a?fieldManager=one`,
        widget("a", { size: 1, bogus: 1 }),
        apply,
      );
      assert.equal(status, 500);
      assert.match(
        body.message,
        /^failed to create typed patch object \(\/a; .*, Kind=Widget\): \.spec\.bogus: field not declared in schema$/,
      );
    },
  },
  {
    name: "apply of two items with one key is refused",
    async run({ expect, core }) {
      const port = { port: 80, protocol: "TCP" };
      const service = { apiVersion: "v1", kind: "Service", metadata: { name: "a" }, spec: { ports: [port, port] } };
      const status = await expect(500, "PATCH", `${core}/services/a?fieldManager=one`, service, apply);
      assert.equal(
        status.message,
        'failed to create typed patch object (/a; /v1, Kind=Service): .spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
      );
    },
  },
  {
    name: "apply through status owns status alone",
    async run({ expect, defineWidget }) {
      const { path, widget, apiVersion } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const applied = {
        apiVersion,
        kind: "Widget",
        metadata: { name: "a" },
        spec: { size: 9 },
        status: { phase: "Ready" },
      };
      const changed = await expect(200, "PATCH", `${path}/a/status?fieldManager=two`, applied, apply);
      assert.equal(changed.spec.size, 1);
      assert.equal(changed.status.phase, "Ready");
      const entry = changed.metadata.managedFields.find((one: { manager: string }) => one.manager === "two");
      assert.equal(entry.subresource, "status");
      assert.deepEqual(entry.fieldsV1, { "f:status": { "f:phase": {} } });
    },
  },
  {
    name: "apply creates, then owns its fields",
    async run({ expect, core }) {
      const path = `${core}/configmaps/a?fieldManager=one`;
      const made = await expect(201, "PATCH", path, configMap("a", { x: "1", y: "2" }), apply);
      assert.deepEqual(made.metadata.managedFields[0].fieldsV1, { "f:data": { "f:x": {}, "f:y": {} } });
      assert.equal(made.metadata.managedFields[0].operation, "Apply");
      const changed = await expect(200, "PATCH", path, configMap("a", { x: "1" }), apply);
      assert.deepEqual(changed.data, { x: "1" });
    },
  },
  {
    name: "apply of the same configuration keeps the resourceVersion",
    async run({ expect, core }) {
      const path = `${core}/configmaps/a?fieldManager=one`;
      const made = await expect(201, "PATCH", path, configMap("a", { x: "1" }), apply);
      const same = await expect(200, "PATCH", path, configMap("a", { x: "1" }), apply);
      assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion);
    },
  },
  {
    name: "apply of another manager's field answers Conflict, and force takes it",
    async run({ expect, core }) {
      await expect(201, "PATCH", `${core}/configmaps/a?fieldManager=one`, configMap("a", { x: "1" }), apply);
      const status = await expect(
        409,
        "PATCH",
        `${core}/configmaps/a?fieldManager=two`,
        configMap("a", { x: "2" }),
        apply,
      );
      assert.equal(status.reason, "Conflict");
      assert.equal(status.message, 'Apply failed with 1 conflict: conflict with "one": .data.x');
      assert.deepEqual(status.details.causes, [
        { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.x" },
      ]);
      const forced = await expect(
        200,
        "PATCH",
        `${core}/configmaps/a?fieldManager=two&force=true`,
        configMap("a", { x: "2" }),
        apply,
      );
      assert.deepEqual(forced.data, { x: "2" });
    },
  },
  {
    name: "apply names the version of a conflicting update",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps?fieldManager=maker`, configMap("a", { x: "1" }));
      const status = await expect(
        409,
        "PATCH",
        `${core}/configmaps/a?fieldManager=two`,
        configMap("a", { x: "2" }),
        apply,
      );
      assert.equal(status.message, 'Apply failed with 1 conflict: conflict with "maker" using v1: .data.x');
    },
  },
  {
    name: "apply lists the conflicts by manager, with the subresource of their writes",
    async run({ call, expect, defineWidget }) {
      const { path, widget, apiVersion } = await defineWidget();
      await expect(201, "PATCH", `${path}/a?fieldManager=one`, widget("a"), apply);
      const status = (name: string, fields: Body): Promise<Body> =>
        expect(
          200,
          "PATCH",
          `${path}/a/status?fieldManager=${name}`,
          { apiVersion, kind: "Widget", metadata: { name: "a" }, status: fields },
          apply,
        );
      await status("two", { phase: "Ready", ips: ["10.0.0.1"] });
      await expect(200, "PATCH", `${path}/a/status?fieldManager=three`, { status: { replicas: 3 } }, merge);
      const { status: code, body } = await call(
        "PATCH",
        `${path}/a/status?fieldManager=four`,
        {
          apiVersion,
          kind: "Widget",
          metadata: { name: "a" },
          status: { phase: "Gone", ips: [], replicas: 4 },
        },
        apply,
      );
      assert.equal(code, 409);
      assert.equal(
        body.message,
        [
          'Apply failed with 3 conflicts: conflicts with "three" with subresource "status" using ' + apiVersion + ":",
          "- .status.replicas",
          'conflicts with "two" with subresource "status":',
          "- .status.ips",
          "- .status.phase",
        ].join("\n"),
      );
      assert.equal(body.details.causes.length, 3);
      const cause = body.details.causes.find(({ field }: Body) => field === ".status.replicas");
      assert.deepEqual(cause, {
        reason: "FieldManagerConflict",
        message: `conflict with "three" with subresource "status" using ${apiVersion}`,
        field: ".status.replicas",
      });
    },
  },
  {
    name: "apply of another version or kind answers 400 naming it",
    async run({ expect, core, defineWidget }) {
      const refused = async (path: string, body: unknown): Promise<string> =>
        (await expect(400, "PATCH", `${path}/a?fieldManager=one`, body, apply)).message as string;
      const made = configMap("a", { x: "1" });
      await expect(201, "PATCH", `${core}/configmaps/a?fieldManager=one`, made, apply);
      const configMaps: [Body, string][] = [
        [{ apiVersion: "v2" }, "/v2, Kind=ConfigMap"],
        [{ apiVersion: "apps/v1" }, "apps/v1, Kind=ConfigMap"],
        [{ apiVersion: undefined }, "/, Kind=ConfigMap"],
        [{ apiVersion: 1 }, "/, Kind=ConfigMap"],
        [{ apiVersion: "a/b/c" }, "/, Kind="],
        [{ kind: "Secret" }, "/v1, Kind=Secret"],
        [{ kind: undefined }, "/v1, Kind="],
        // Nothing else is looked at before.
        [{ kind: "Secret", metadata: { name: "b", managedFields: [{ manager: "x" }] } }, "/v1, Kind=Secret"],
      ];
      for (const [change, type] of configMaps) {
        assert.equal(
          await refused(`${core}/configmaps`, JSON.stringify({ ...made, ...change })),
          `invalid object type: ${type}`,
        );
      }
      assert.equal(await refused(`${core}/configmaps`, "null"), "invalid object type: /, Kind=");
      assert.equal(
        await refused(`${core}/configmaps`, "[1]"),
        "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
      );
      const { path, widget, group } = await defineWidget();
      assert.equal(
        await refused(path, { ...widget("a"), apiVersion: `${group}/v2` }),
        `invalid object type: ${group}/v2, Kind=Widget`,
      );
    },
  },
  {
    name: "apply under another name or namespace answers 400, after the conflicts",
    async run({ expect, core, namespace }) {
      const refused = async (status: number, name: string, body: unknown): Promise<string> =>
        (await expect(status, "PATCH", `${core}/configmaps/${name}?fieldManager=one`, body, apply)).message as string;
      await expect(201, "POST", `${core}/configmaps?fieldManager=maker`, configMap("a", { x: "1" }));
      const otherNamespace = "the namespace of the provided object does not match the namespace sent on the request";
      const otherName = (name: string): string =>
        `the name of the object (b) does not match the name on the URL (${name})`;
      for (const name of ["a", "new"]) {
        assert.equal(await refused(400, name, configMap("b")), otherName(name));
        assert.equal(await refused(400, name, configMap(name, {}, { namespace: "default" })), otherNamespace);
        assert.equal(await refused(400, name, configMap("b", {}, { namespace: "default" })), otherNamespace);
      }
      await expect(200, "PATCH", `${core}/configmaps/a?fieldManager=one`, configMap("a", {}, { namespace }), apply);
      const nameless = { apiVersion: "v1", kind: "ConfigMap" };
      await expect(200, "PATCH", `${core}/configmaps/a?fieldManager=one`, nameless, apply);
      assert.equal(
        await refused(400, "new", nameless),
        "the name of the object (new based on URL) was undeterminable: name must be provided",
      );
      await expect(404, "GET", `${core}/configmaps/new`);
      assert.match(await refused(409, "a", configMap("b", { x: "2" })), /^Apply failed with 1 conflict/);
      assert.match(
        await refused(409, "a", configMap("a", { x: "2" }, { namespace: "default" })),
        /^Apply failed with 1 conflict/,
      );
      assert.equal(
        await refused(500, "a", { ...configMap("b"), nope: 1 }),
        "failed to create typed patch object (/b; /v1, Kind=ConfigMap): .nope: field not declared in schema",
      );
    },
  },
  {
    name: "apply without a field manager answers 422",
    async run({ expect, core }) {
      const status = await expect(422, "PATCH", `${core}/configmaps/a`, configMap("a"), apply);
      assert.equal(
        status.message,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      );
    },
  },
  {
    name: "apply of a list map merges by key",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(
        201,
        "PATCH",
        `${path}/a?fieldManager=one`,
        widget("a", { size: 1, ports: [{ name: "x", port: 1 }] }),
        apply,
      );
      const merged = await expect(
        200,
        "PATCH",
        `${path}/a?fieldManager=two`,
        widget("a", { ports: [{ name: "y", port: 2 }], size: 1 }),
        apply,
      );
      assert.deepEqual(merged.spec.ports, [
        { name: "x", port: 1 },
        { name: "y", port: 2 },
      ]);
    },
  },
];
