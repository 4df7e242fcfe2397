/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };
const json = { contentType: "application/json-patch+json" };
const strategic = { contentType: "application/strategic-merge-patch+json" };

const rejected = "the server rejected our request due to an error in our request";

/** JSON patches of a ConfigMap with `data: { x: "1" }`, and the data afterwards. */
const jsonPatches: readonly [what: string, operations: readonly Body[], data: Body][] = [
  ["adds", [{ op: "add", path: "/data/y", value: "2" }], { x: "1", y: "2" }],
  [
    "adds under a name with a slash",
    [
      { op: "add", path: "/data/a~1b", value: "s" },
      { op: "move", from: "/data/a~1b", path: "/data/ab" },
    ],
    { x: "1", ab: "s" },
  ],
  ["copies", [{ op: "copy", from: "/data/x", path: "/data/k" }], { x: "1", k: "1" }],
  ["replaces what is not there", [{ op: "replace", path: "/data/nope", value: "1" }], { x: "1", nope: "1" }],
  ["adds without a value", [{ op: "add", path: "/data/q" }], { x: "1", q: "" }],
  ["removes everything", [{ op: "remove", path: "/data" }], undefined],
  ["has no operations", [], { x: "1" }],
];

const refusedJsonPatches: readonly [what: string, operations: unknown][] = [
  ["removes what is not there", [{ op: "remove", path: "/data/nope" }]],
  ["tests another value", [{ op: "test", path: "/data/x", value: "2" }]],
  ["tests what is not there", [{ op: "test", path: "/data/nope", value: "x" }]],
  ["moves what is not there", [{ op: "move", from: "/data/nope", path: "/data/k" }]],
  ["adds below what is not there", [{ op: "add", path: "/metadata/annotations/a", value: "1" }]],
  ["has an operation that does not exist", [{ op: "spoil", path: "/data/x" }]],
  ["has an operation without op", [{ path: "/data/x" }]],
  ["has an operation without path", [{ op: "add", value: 1 }]],
  [
    "fails in its second operation",
    [
      { op: "add", path: "/data/y", value: "2" },
      { op: "remove", path: "/nope" },
    ],
  ],
];

const undecodable: readonly [what: string, contentType: typeof json, body: string, message: RegExp][] = [
  [
    "a JSON patch that is an object",
    json,
    "{}",
    /^error decoding patch: json: cannot unmarshal object into Go value of type \[\]handlers\.jsonPatchOp$/,
  ],
  ["a JSON patch that is no JSON", json, "nonsense", /^error decoding patch: /],
  ["a JSON patch that ends too early", json, '[{"op":"add"', /^error decoding patch: /],
  [
    "a merge patch that is a number",
    merge,
    "5",
    /^error decoding patch: json: cannot unmarshal number into Go value of type map\[string\]interface \{\}$/,
  ],
  [
    "a merge patch that is a list",
    merge,
    "[]",
    /^error decoding patch: json: cannot unmarshal array into Go value of type map\[string\]interface \{\}$/,
  ],
  ["a merge patch that is null", merge, "null", /^Invalid JSON Patch$/],
  ["a merge patch that is empty", merge, "", /^error decoding patch: /],
];

const immutable: readonly [field: string, value: string][] = [
  ["uid", "other"],
  ["deletionTimestamp", "2001-01-01T00:00:00Z"],
];

const clusterSize = { type: "array", items: { type: "integer" } };

/** What patches may not do, and what they do at the edges. */
export const patchErrorCases: readonly ConformanceCase[] = [
  ...jsonPatches.map(([what, operations, data]): ConformanceCase => ({
    name: `a JSON patch that ${what} is applied`,
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      assert.deepEqual((await expect(200, "PATCH", `${core}/configmaps/a`, operations, json)).data, data);
    },
  })),
  ...refusedJsonPatches.map(([what, operations]): ConformanceCase => ({
    name: `a JSON patch that ${what} answers 422 and changes nothing`,
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const status = await expect(422, "PATCH", `${core}/configmaps/a`, operations, json);
      assert.equal(status.reason, "Invalid");
      assert.equal(status.message, rejected);
      assert.deepEqual(status.details, {});
      assert.deepEqual(await expect(200, "GET", `${core}/configmaps/a`), made);
    },
  })),
  {
    name: "a JSON patch with a path that does not begin with a slash",
    differs: "no JSON pointer, and refused as such; the real server drops everything before the first slash",
    async run({ expect, either, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      await expect(
        either(200, 422),
        "PATCH",
        `${core}/configmaps/a`,
        [{ op: "add", path: "data/x", value: "1" }],
        json,
      );
    },
  },
  ...undecodable.map(([what, type, body, message]): ConformanceCase => ({
    name: `${what} answers 400`,
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const status = await expect(400, "PATCH", `${core}/configmaps/a`, body, type);
      assert.equal(status.reason, "BadRequest");
      assert.match(status.message, message);
    },
  })),
  {
    name: "the refusal of what a JSON or merge patch leaves shows the whole object",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const path = `${core}/configmaps/a`;
      const refusals: [unknown, typeof json][] = [
        [[{ op: "replace", path: "/apiVersion", value: "v2" }], json],
        [{ apiVersion: "v2" }, merge],
      ];
      for (const [patch, type] of refusals) {
        const status = await expect(422, "PATCH", path, patch, type);
        const [{ field, message, reason }] = status.details.causes;
        assert.deepEqual([field, reason], ["patch", "FieldValueInvalid"]);
        for (const part of ['\\"data\\":{\\"x\\":\\"1\\"}', '\\"uid\\":']) assert.ok(message.includes(part), message);
      }
    },
  },
  {
    name: "a merge patch may not change a custom resource's version or kind",
    async run({ expect, defineWidget }) {
      const { path, widget, apiVersion } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const version = await expect(422, "PATCH", `${path}/a`, { apiVersion: "x/v2" }, merge);
      assert.equal(
        version.message,
        `Widget.x "a" is invalid: apiVersion: Invalid value: "x/v2": must be ${apiVersion}`,
      );
      const kind = await expect(422, "PATCH", `${path}/a`, { kind: "Gadget" }, merge);
      assert.match(kind.message, /^Gadget\.\S+ "a" is invalid: kind: Invalid value: "Gadget": must be Widget$/);
    },
  },
  ...immutable.map(([field, value]): ConformanceCase => ({
    name: `a patch of metadata.${field} answers 422`,
    async run({ expect, core, defineWidget }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const text = `metadata.${field}: Invalid value: "${value}": field is immutable`;
      const status = await expect(422, "PATCH", `${core}/configmaps/a`, { metadata: { [field]: value } }, merge);
      assert.equal(status.message, `ConfigMap "a" is invalid: ${text}`);
      const { path, widget, group } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const other = await expect(422, "PATCH", `${path}/a`, { metadata: { [field]: value } }, merge);
      assert.equal(other.message, `Widget.${group} "a" is invalid: ${text}`);
    },
  })),
  {
    name: "a patch may repeat or leave out what only the server sets, and ignores a generation and a selfLink",
    async run({ expect, core }) {
      const { metadata } = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const { uid, creationTimestamp } = metadata;
      const path = `${core}/configmaps/a`;
      for (const change of [{ uid, creationTimestamp }, { uid: null }, { creationTimestamp: null, selfLink: "x" }]) {
        assert.equal((await expect(200, "PATCH", path, { metadata: change }, merge)).metadata.uid, uid);
      }
    },
  },
  {
    name: "null in a merge patch removes fields and maps, and stays in what has no schema",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      const spec = { size: 1, replicas: 3, ports: [{ name: "x" }], free: { a: { b: 1 }, c: 2 } };
      await expect(201, "POST", path, widget("a", spec));
      const patch = { spec: { replicas: null, ports: null, free: { a: null, list: [1, null] } } };
      const patched = await expect(200, "PATCH", `${path}/a`, patch, merge);
      assert.deepEqual(patched.spec, { size: 1, color: "red", free: { c: 2, list: [1, null] } });
    },
  },
  {
    name: "a list in a merge patch replaces the list",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, ports: [{ name: "x", port: 1 }] }));
      const patched = await expect(200, "PATCH", `${path}/a`, { spec: { ports: [{ name: "y" }] } }, merge);
      assert.deepEqual(patched.spec.ports, [{ name: "y" }]);
    },
  },
  {
    name: "a JSON patch counts places in a list, with a dash for its end",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, ports: [{ name: "a" }] }));
      const operations = [
        { op: "add", path: "/spec/ports/-", value: { name: "b" } },
        { op: "add", path: "/spec/ports/0", value: { name: "c" } },
        { op: "replace", path: "/spec/ports/1", value: { name: "d" } },
      ];
      const patched = await expect(200, "PATCH", `${path}/a`, operations, json);
      assert.deepEqual(patched.spec.ports, [{ name: "c" }, { name: "d" }, { name: "b" }]);
      const status = await expect(422, "PATCH", `${path}/a`, [{ op: "add", path: "/spec/ports/9", value: {} }], json);
      assert.equal(status.message, rejected);
    },
  },
  {
    name: "what a patch leaves is validated, pruned and defaulted like any write",
    async run({ expect, call, defineWidget }) {
      const { path, widget, group } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, color: "blue" }));
      const status = await expect(422, "PATCH", `${path}/a`, { spec: { size: 0 } }, merge);
      assert.equal(
        status.message,
        `Widget.${group} "a" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1`,
      );
      const { body, headers } = await call("PATCH", `${path}/a`, { spec: { bogus: 1, color: null } }, merge);
      assert.deepEqual(body.spec, { size: 1, color: "red" });
      assert.equal(headers.warning, '299 - "unknown field \\"spec.bogus\\""');
    },
  },
  {
    name: "a strict patch with an unknown field answers 422 about the patch",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const status = await expect(422, "PATCH", `${path}/a?fieldValidation=Strict`, { spec: { bogus: 1 } }, merge);
      assert.equal(status.details.causes[0].field, "patch");
      assert.match(status.message, /strict decoding error: unknown field "spec\.bogus"$/);
    },
  },
  {
    name: "options of a patch are checked",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const options = async (query: string): Promise<string> =>
        (await expect(422, "PATCH", `${core}/configmaps/a?${query}`, {}, merge)).message.replace(
          'PatchOptions.meta.k8s.io "" is invalid: ',
          "",
        );
      assert.equal(await options("force=true"), "force: Forbidden: may not be specified for non-apply patch");
      assert.equal(
        await options("fieldValidation=Bad"),
        'fieldValidation: Unsupported value: "Bad": supported values: "", "Ignore", "Strict", "Warn"',
      );
      assert.equal(
        await options(`fieldManager=${"x".repeat(129)}`),
        "fieldManager: Too long: may not be more than 128 bytes",
      );
      assert.equal(
        await options("fieldManager=a%09b"),
        'fieldManager: Invalid value: "a\\tb": invalid character U+0009 (at position 1)',
      );
    },
  },
  {
    name: "a patch in a format that is none answers 415",
    async run({ expect, core, defineWidget }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      for (const target of [`${core}/configmaps/a`, `${path}/a`]) {
        const status = await expect(415, "PATCH", target, {}, { contentType: "application/json" });
        assert.equal(status.reason, "UnsupportedMediaType");
      }
      assert.match(
        (await expect(415, "PATCH", `${path}/a`, {}, strategic)).message,
        /accepted media types include: application\/json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml$/,
      );
    },
  },
  ...(
    [
      [
        "deletes an item",
        { spec: { ports: [{ $patch: "delete", port: 81 }] } },
        { ports: [80], selector: { a: "1", b: "2" } },
      ],
      [
        "replaces a map",
        { spec: { selector: { $patch: "replace", z: "1" } } },
        { ports: [80, 81], selector: { z: "1" } },
      ],
      [
        "orders items",
        { spec: { "$setElementOrder/ports": [{ port: 81 }, { port: 80 }] } },
        { ports: [81, 80], selector: { a: "1", b: "2" } },
      ],
      ["removes a key of a map", { spec: { selector: { a: null } } }, { ports: [80, 81], selector: { b: "2" } }],
      [
        "retains keys",
        { spec: { $retainKeys: ["ports", "type"], type: "ClusterIP", ports: [{ port: 80 }] } },
        { ports: [80, 81] },
      ],
    ] as [string, Body, Body][]
  ).map(([what, patch, expected]): ConformanceCase => ({
    name: `a strategic merge patch ${what}`,
    async run({ expect, core }) {
      const ports = [
        { name: "a", port: 80 },
        { name: "b", port: 81 },
      ];
      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "s" },
        spec: { ports, selector: { a: "1", b: "2" } },
      };
      await expect(201, "POST", `${core}/services`, service);
      const { spec } = await expect(200, "PATCH", `${core}/services/s`, patch, strategic);
      assert.deepEqual(
        spec.ports.map(({ port }: Body) => port),
        expected.ports,
      );
      assert.deepEqual(spec.selector, expected.selector);
    },
  })),
  {
    name: "a strategic merge patch adds finalizers, and removes them by name",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, { finalizers: ["a.b/c"] }));
      const path = `${core}/configmaps/a`;
      const added = await expect(200, "PATCH", path, { metadata: { finalizers: ["a.b/d"] } }, strategic);
      assert.deepEqual(added.metadata.finalizers.sort(), ["a.b/c", "a.b/d"]);
      const patch = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a.b/c"] } };
      assert.deepEqual((await expect(200, "PATCH", path, patch, strategic)).metadata.finalizers, ["a.b/d"]);
      await expect(200, "PATCH", path, { metadata: { finalizers: null } }, strategic);
    },
  },
  {
    name: "a strategic merge patch with a directive that does not exist, or an item without its key, answers 500",
    async run({ expect, core }) {
      const service = { apiVersion: "v1", kind: "Service", metadata: { name: "s" }, spec: { ports: [{ port: 80 }] } };
      await expect(201, "POST", `${core}/services`, service);
      for (const spec of [{ $patch: "bogus" }, { ports: [{ name: "keyless" }] }, { ports: [5] }]) {
        const status = await expect(500, "PATCH", `${core}/services/s`, { spec }, strategic);
        assert.equal(status.reason, undefined);
        assert.equal(status.code, 500);
      }
    },
  },
  {
    name: "a change of the status through its subresource is validated as such",
    async run({ expect, defineWidget }) {
      const { path, widget, group } = await defineWidget((definition) => {
        definition.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.sizes = clusterSize;
      });
      await expect(201, "POST", path, widget("a"));
      const status = await expect(422, "PATCH", `${path}/a/status`, { status: { phase: 5 } }, merge);
      assert.equal(
        status.message,
        `Widget.${group} "a" is invalid: status.phase: Invalid value: "integer": phase in body must be of type string: "integer"`,
      );
      const list = await expect(422, "PATCH", `${path}/a/status`, { status: { sizes: ["x"] } }, merge);
      assert.equal(list.details.causes[0].field, "status.sizes[0]");
    },
  },
  {
    name: "the status subresource changes labels of no object, and prunes what it does not know",
    async run({ expect, call, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const patch = {
        metadata: { labels: { a: "1" }, finalizers: ["a.b/c"] },
        spec: { size: 5 },
        status: { bogus: 1, phase: "x" },
      };
      const { status, body } = await call("PATCH", `${path}/a/status`, patch, merge);
      assert.equal(status, 200);
      assert.deepEqual(body.status, { phase: "x" });
      assert.equal(body.spec.size, 1);
      assert.deepEqual([body.metadata.labels, body.metadata.finalizers], [undefined, undefined]);
    },
  },
  {
    name: "a status of what is not there answers 404, and takes get, update and patch alone",
    async run({ expect, defineWidget }) {
      const { path, widget, group } = await defineWidget();
      await expect(404, "PATCH", `${path}/none/status`, { status: {} }, merge);
      await expect(404, "PUT", `${path}/none/status`, widget("none"));
      await expect(404, "GET", `${path}/none/status`);
      await expect(201, "POST", path, widget("a"));
      for (const [method, verb] of [
        ["POST", "create"],
        ["DELETE", "delete"],
      ] as const) {
        const status = await expect(405, method, `${path}/a/status`, widget("a"));
        assert.equal(status.message, `${verb} is not supported on resources of kind "widgets.${group}"`);
      }
    },
  },
  {
    name: "the scale of an object without replicas answers 500, and can be set all the same",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const status = await expect(500, "GET", `${path}/a/scale`);
      assert.equal(status.message, 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist');
      const changed = await expect(200, "PATCH", `${path}/a/scale`, { spec: { replicas: 4 } }, merge);
      assert.deepEqual(changed.spec, { replicas: 4 });
      assert.equal((await expect(200, "GET", `${path}/a`)).metadata.generation, 2);
    },
  },
  {
    name: "the scale takes JSON and merge patches, and refuses what is no number of replicas",
    async run({ expect, defineWidget }) {
      const { path, widget, group } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, replicas: 2 }));
      const scale = `${path}/a/scale`;
      const replaced = await expect(200, "PATCH", scale, [{ op: "replace", path: "/spec/replicas", value: 3 }], json);
      assert.equal(replaced.spec.replicas, 3);
      const test = await expect(422, "PATCH", scale, [{ op: "test", path: "/spec/replicas", value: 9 }], json);
      assert.equal(test.message, rejected);
      const negative = await expect(422, "PATCH", scale, { spec: { replicas: -4 } }, merge);
      assert.equal(
        negative.message,
        `Widget.${group} "a" is invalid: .spec.replicas: Invalid value: -4: should be a non-negative integer`,
      );
      const text = await expect(422, "PATCH", scale, { spec: { replicas: "a" } }, merge);
      assert.match(
        text.message,
        /json: cannot unmarshal string into Go struct field ScaleSpec\.spec\.replicas of type int32$/,
      );
      await expect(415, "PATCH", scale, {}, strategic);
    },
  },
  {
    name: "a scale is updated under its own name and at its own resourceVersion",
    async run({ expect, defineWidget, namespace }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, replicas: 2 }));
      const scale = (metadata: Body, spec: Body = { replicas: 1 }): Body => ({
        apiVersion: "autoscaling/v1",
        kind: "Scale",
        metadata: { namespace, ...metadata },
        spec,
      });
      const other = await expect(400, "PUT", `${path}/a/scale`, scale({ name: "b" }));
      assert.equal(other.message, "the name of the object (b) does not match the name on the URL (a)");
      await expect(409, "PUT", `${path}/a/scale`, scale({ name: "a", resourceVersion: "1" }));
      const shown = await expect(200, "PUT", `${path}/a/scale?dryRun=All`, scale({ name: "a" }, { replicas: 9 }));
      assert.equal(shown.spec.replicas, 9);
      assert.deepEqual((await expect(200, "PUT", `${path}/a/scale`, scale({ name: "a" }, {}))).spec, {});
      assert.equal((await expect(200, "GET", `${path}/a`)).spec.replicas, 0);
      await expect(404, "GET", `${path}/none/scale`);
    },
  },
];
