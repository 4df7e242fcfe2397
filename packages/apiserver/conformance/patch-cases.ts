/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call -- answers are read as the JSON they are */
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };
const json = { contentType: "application/json-patch+json" };
const strategic = { contentType: "application/strategic-merge-patch+json" };

/** JSON, merge and strategic merge patches; subresources. */
export const patchCases: readonly ConformanceCase[] = [
  {
    name: "a merge patch sets, nests and removes",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1", y: "2" }));
      const patched = await expect(
        200,
        "PATCH",
        `${core}/configmaps/a`,
        { data: { x: null, z: "3" }, metadata: { labels: { l: "1" } } },
        merge,
      );
      assert.deepEqual(patched.data, { y: "2", z: "3" });
      assert.deepEqual(patched.metadata.labels, { l: "1" });
    },
  },
  {
    name: "a JSON patch applies its operations in order",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const operations = [
        { op: "test", path: "/data/x", value: "1" },
        { op: "move", from: "/data/x", path: "/data/y" },
        { op: "add", path: "/data/z", value: "3" },
      ];
      const patched = await expect(200, "PATCH", `${core}/configmaps/a`, operations, json);
      assert.deepEqual(patched.data, { y: "1", z: "3" });
    },
  },
  {
    name: "a JSON patch whose test fails answers 422",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const status = await expect(
        422,
        "PATCH",
        `${core}/configmaps/a`,
        [{ op: "test", path: "/data/x", value: "2" }],
        json,
      );
      assert.equal(status.reason, "Invalid");
      assert.match(status.message, /^the server rejected our request due to an error in our request/);
    },
  },
  {
    name: "a strategic merge patch merges a Service's ports by port",
    async run({ expect, core }) {
      const ports = [
        { name: "a", port: 80 },
        { name: "b", port: 81 },
      ];
      await expect(201, "POST", `${core}/services`, {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "s" },
        spec: { ports },
      });
      const patched = await expect(
        200,
        "PATCH",
        `${core}/services/s`,
        { spec: { ports: [{ port: 81, name: "c" }] } },
        strategic,
      );
      assert.deepEqual(patched.spec.ports.map((one: { name: string; port: number }) => [one.name, one.port]).sort(), [
        ["a", 80],
        ["c", 81],
      ]);
    },
  },
  {
    name: "a strategic merge patch of a custom resource answers 415",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const status = await expect(415, "PATCH", `${path}/a`, {}, strategic);
      assert.equal(status.reason, "UnsupportedMediaType");
    },
  },
  {
    name: "a patch that leaves no valid object answers 422 about the patch",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const status = await expect(422, "PATCH", `${core}/configmaps/a`, { data: 5 }, merge);
      assert.equal(status.details.causes[0].field, "patch");
      assert.match(
        status.details.causes[0].message,
        /json: cannot unmarshal number into Go struct field ConfigMap\.data/,
      );
    },
  },
  {
    name: "a patch of a missing object answers NotFound",
    async run({ expect, core }) {
      const status = await expect(404, "PATCH", `${core}/configmaps/none`, {}, merge);
      assert.equal(status.message, 'configmaps "none" not found');
    },
  },
  {
    name: "a patch with an old resourceVersion answers Conflict",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const patch = { metadata: { resourceVersion: made.metadata.resourceVersion }, data: { x: "2" } };
      await expect(200, "PATCH", `${core}/configmaps/a`, patch, merge);
      const status = await expect(409, "PATCH", `${core}/configmaps/a`, { ...patch, data: { x: "3" } }, merge);
      assert.equal(status.reason, "Conflict");
    },
  },
  {
    name: "a patch that changes nothing keeps the resourceVersion",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const same = await expect(200, "PATCH", `${core}/configmaps/a`, { data: { x: "1" } }, merge);
      assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion);
    },
  },
  {
    name: "updates are tracked under the User-Agent's name or the given manager",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      assert.deepEqual(
        made.metadata.managedFields.map((entry: { manager: string; operation: string; fieldsV1: unknown }) => [
          entry.manager,
          entry.operation,
          entry.fieldsV1,
        ]),
        [["conformance", "Update", { "f:data": { ".": {}, "f:x": {} } }]],
      );
      const patched = await expect(200, "PATCH", `${core}/configmaps/a?fieldManager=two`, { data: { y: "2" } }, merge);
      assert.deepEqual(
        patched.metadata.managedFields.map((entry: { manager: string }) => entry.manager),
        ["conformance", "two"],
      );
    },
  },
  {
    name: "a write of the object leaves status alone",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, { ...widget("a"), status: { phase: "Made" } });
      assert.equal(made.status, undefined);
      await expect(200, "PATCH", `${path}/a/status`, { status: { phase: "Ready" } }, merge);
      const changed = await expect(200, "PATCH", `${path}/a`, { spec: { size: 2 }, status: { phase: "Other" } }, merge);
      assert.equal(changed.status.phase, "Ready");
      assert.equal(changed.metadata.generation, 2);
    },
  },
  {
    name: "a write of status leaves the rest alone and does not count the generation",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      const body = {
        ...made,
        spec: { size: 9 },
        status: { phase: "Ready" },
        metadata: { ...made.metadata, labels: { l: "1" } },
      };
      const changed = await expect(200, "PUT", `${path}/a/status`, body);
      assert.deepEqual(changed.spec, made.spec);
      assert.equal(changed.status.phase, "Ready");
      assert.equal(changed.metadata.labels, undefined);
      assert.equal(changed.metadata.generation, 1);
    },
  },
  {
    name: "labels do not count the generation",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const changed = await expect(200, "PATCH", `${path}/a`, { metadata: { labels: { l: "1" } } }, merge);
      assert.equal(changed.metadata.generation, 1);
    },
  },
  {
    name: "the scale subresource reads and writes the replicas",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, replicas: 2 }));
      const scale = await expect(200, "GET", `${path}/a/scale`);
      assert.equal(scale.kind, "Scale");
      assert.equal(scale.apiVersion, "autoscaling/v1");
      assert.equal(scale.spec.replicas, 2);
      const changed = await expect(200, "PUT", `${path}/a/scale`, { ...scale, spec: { replicas: 5 } });
      assert.equal(changed.spec.replicas, 5);
      assert.equal((await expect(200, "GET", `${path}/a`)).spec.replicas, 5);
    },
  },
];
