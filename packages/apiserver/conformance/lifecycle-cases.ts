/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap, widgetDefinition } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

function names(list: Body): string[] {
  return list.items.map((one: Body) => one.metadata.name);
}

/** What a body may say twice, namespaces, the deletion of collections and the life of definitions. */
export const lifecycleCases: readonly ConformanceCase[] = [
  {
    name: "a field that a body names twice warns, and is refused when strict",
    async run({ call, core, defineWidget }) {
      const { path, apiVersion } = await defineWidget();
      const body = `{"apiVersion":"${apiVersion}","kind":"Widget","metadata":{"name":"a"},"spec":{"size":1,"size":2},"bogus":1}`;
      const warned = await call("POST", path, body);
      assert.equal(warned.body.spec.size, 2);
      assert.equal(
        warned.headers.warning,
        '299 - "duplicate field \\"spec.size\\"", 299 - "unknown field \\"bogus\\""',
      );
      const strict = await call(
        "POST",
        `${core}/configmaps?fieldValidation=Strict`,
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","x":"2"},"bogus":1}',
      );
      assert.equal(strict.status, 400);
      assert.equal(
        strict.body.message,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.x", unknown field "bogus"',
      );
    },
  },
  {
    name: "an owner named twice is named once, with a warning",
    async run({ call, core }) {
      const owner = { apiVersion: "v1", kind: "ConfigMap", name: "o", uid: "u" };
      const { body, headers } = await call(
        "POST",
        `${core}/configmaps?dryRun=All`,
        configMap("a", {}, { ownerReferences: [owner, owner] }),
      );
      assert.deepEqual(body.metadata.ownerReferences, [owner]);
      assert.match(String(headers.warning), /duplicate UID\(s\) observed: u/);
    },
  },
  {
    name: "names of namespaces are labels",
    async run({ expect }) {
      const refused = async (name: string): Promise<string> =>
        (await expect(422, "POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } }))
          .details.causes[0].message;
      assert.match(await refused("A_B"), /a lowercase RFC 1123 label must consist of/);
      assert.match(await refused("x".repeat(64)), /must be no more than 63 characters$/);
      assert.equal(await refused("a.b"), 'Invalid value: "a.b": must not contain dots');
    },
  },
  {
    name: "a namespace keeps its label, its phase and its finalizers from those who change it",
    async run({ expect, namespace }) {
      const path = `/api/v1/namespaces/${namespace}`;
      const patch = {
        metadata: { labels: { "kubernetes.io/metadata.name": null } },
        spec: { finalizers: [] },
        status: { phase: "Terminating" },
      };
      const { metadata, spec, status } = await expect(200, "PATCH", path, patch, merge);
      assert.equal(metadata.labels["kubernetes.io/metadata.name"], namespace);
      assert.deepEqual([spec, status], [{ finalizers: ["kubernetes"] }, { phase: "Active" }]);
    },
  },
  {
    name: "a namespace's finalizers change through finalize",
    async run({ expect, namespace }) {
      const path = `/api/v1/namespaces/${namespace}`;
      const body = (finalizers: string[]): Body => ({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: namespace },
        spec: { finalizers },
      });
      const changed = await expect(200, "PUT", `${path}/finalize`, body(["kubernetes", "example.com/own"]));
      assert.deepEqual(changed.spec.finalizers.toSorted(), ["example.com/own", "kubernetes"]);
      assert.deepEqual((await expect(200, "PUT", `${path}/finalize`, body(["kubernetes"]))).spec.finalizers, [
        "kubernetes",
      ]);
    },
  },
  {
    name: "a namespace with a finalizer of somebody's own waits for it",
    needs: "kube-controller-manager",
    async run({ expect, call, eventually, namespace }) {
      const name = `${namespace}f`;
      const path = `/api/v1/namespaces/${name}`;
      await expect(201, "POST", "/api/v1/namespaces", {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name },
        spec: { finalizers: ["example.com/own"] },
      });
      assert.equal((await expect(200, "DELETE", path)).status.phase, "Terminating");
      await eventually(
        async () => assert.deepEqual((await expect(200, "GET", path)).spec.finalizers, ["example.com/own"]),
        90,
      );
      await expect(200, "PUT", `${path}/finalize`, {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name },
        spec: {},
      });
      await eventually(async () => assert.equal((await call("GET", path)).status, 404), 90);
    },
  },
  {
    name: "namespaces can be selected by phase",
    async run({ expect, namespace }) {
      const selector = encodeURIComponent(`status.phase=Active,metadata.name=${namespace}`);
      assert.deepEqual(names(await expect(200, "GET", `/api/v1/namespaces?fieldSelector=${selector}`)), [namespace]);
    },
  },
  {
    name: "a page of a collection can be deleted, with its preconditions, and the list says what was there",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      for (const name of ["a", "b", "c"]) await expect(201, "POST", path, widget(name));
      assert.deepEqual(names(await expect(200, "DELETE", `${path}?dryRun=All`)), ["a", "b", "c"]);
      const page = await expect(200, "DELETE", `${path}?limit=1`);
      assert.deepEqual([names(page), page.metadata.remainingItemCount], [["a"], 2]);
      await expect(409, "DELETE", path, { preconditions: { resourceVersion: "1" } });
      assert.deepEqual(names(await expect(200, "DELETE", `${path}?fieldSelector=metadata.name%3Db`)), ["b"]);
      assert.deepEqual(names(await expect(200, "GET", path)), ["c"]);
    },
  },
  {
    name: "a deleted collection keeps what has finalizers, marked",
    async run({ expect, core }) {
      const labels = { own: "1" };
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, { labels, finalizers: ["a.b/c"] }));
      await expect(201, "POST", `${core}/configmaps`, configMap("b", {}, { labels }));
      await expect(200, "DELETE", `${core}/configmaps?labelSelector=own`);
      const [left, ...more] = (await expect(200, "GET", `${core}/configmaps?labelSelector=own`)).items;
      assert.equal(more.length, 0);
      assert.ok(left.metadata.deletionTimestamp);
      await expect(200, "PATCH", `${core}/configmaps/a`, { metadata: { finalizers: null } }, merge);
    },
  },
  {
    name: "options of a deletion may come in its body",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const path = `${core}/configmaps/a`;
      const options = (more: Body, apiVersion = "v1"): Body => ({ kind: "DeleteOptions", apiVersion, ...more });
      await expect(200, "DELETE", path, options({ dryRun: ["All"] }));
      await expect(200, "DELETE", path, options({ dryRun: ["All"] }, "meta.k8s.io/v1"));
      await expect(422, "DELETE", path, options({ dryRun: ["Some"] }));
      await expect(422, "DELETE", path, options({ propagationPolicy: "Bad" }));
      await expect(400, "DELETE", path, { kind: "Foo", apiVersion: "v1" });
      await expect(400, "DELETE", path, "nonsense");
      assert.equal(
        (await expect(400, "DELETE", `${path}?gracePeriodSeconds=abc`)).message,
        'strconv.ParseInt: parsing "abc": invalid syntax',
      );
      await expect(200, "DELETE", path, options({ gracePeriodSeconds: 0 }));
    },
  },
  {
    name: "what waits for its finalizers can be changed, not brought back",
    async run({ expect, core }) {
      const path = `${core}/configmaps/a`;
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, { finalizers: ["a.b/c", "a.b/d"] }));
      const { metadata } = await expect(200, "DELETE", path);
      assert.deepEqual((await expect(200, "PATCH", path, { data: { x: "1" } }, merge)).data, { x: "1" });
      const same = await expect(200, "PATCH", path, { metadata: { deletionTimestamp: null } }, merge);
      assert.equal(same.metadata.deletionTimestamp, metadata.deletionTimestamp);
      assert.equal((await expect(409, "POST", `${core}/configmaps`, configMap("a"))).reason, "AlreadyExists");
      const one = await expect(200, "PATCH", path, { metadata: { finalizers: ["a.b/d"] } }, merge);
      assert.deepEqual(one.metadata.finalizers, ["a.b/d"]);
      await expect(200, "PUT", path, configMap("a"));
      await expect(404, "GET", path);
    },
  },
  {
    name: "an object that comes again under the same name is another one",
    async run({ expect, core }) {
      const first = await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      await expect(200, "DELETE", `${core}/configmaps/a`);
      const second = await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      assert.notEqual(second.metadata.uid, first.metadata.uid);
      assert.equal((await expect(409, "PUT", `${core}/configmaps/a`, first)).reason, "Conflict");
      const options = { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid: first.metadata.uid } };
      await expect(409, "DELETE", `${core}/configmaps/a`, options);
    },
  },
  {
    name: "a generated name that does not fit is refused, a long prefix is cut, and a name wins over it",
    async run({ expect, core }) {
      const make = (metadata: Body): Body => ({ apiVersion: "v1", kind: "ConfigMap", metadata });
      const status = await expect(422, "POST", `${core}/configmaps`, make({ generateName: "Bad_" }));
      assert.deepEqual(
        status.details.causes.map(({ field }: Body) => field),
        ["metadata.generateName", "metadata.name"],
      );
      const long = await expect(201, "POST", `${core}/configmaps`, make({ generateName: "x".repeat(250) }));
      assert.equal(long.metadata.name.length, 63);
      assert.equal(
        (await expect(201, "POST", `${core}/configmaps`, make({ name: "own", generateName: "x-" }))).metadata.name,
        "own",
      );
    },
  },
  {
    name: "a definition may not take names of another in its group",
    async run({ expect, eventually, defineWidget, namespace }) {
      await defineWidget();
      const rival = widgetDefinition(`${namespace}.example.com`);
      Object.assign(rival.spec.names, {
        plural: "gadgets",
        singular: "gadget",
        kind: "Widget",
        listKind: "GadgetList",
        shortNames: [],
      });
      rival.metadata.name = `gadgets.${namespace}.example.com`;
      await expect(201, "POST", definitions, rival);
      await eventually(async () => {
        const { status } = await expect(200, "GET", `${definitions}/${rival.metadata.name}`);
        const conditions = new Map<string, Body>(status.conditions.map((one: Body) => [one.type, one]));
        assert.deepEqual(
          [conditions.get("NamesAccepted")?.status, conditions.get("Established")?.status],
          ["False", "False"],
        );
      });
      await expect(200, "DELETE", `${definitions}/${rival.metadata.name}`);
    },
  },
  {
    name: "a changed schema holds for the next writes, and for what is read, not for what is stored",
    async run({ expect, eventually, defineWidget }) {
      const { path, widget, definitionPath } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a", { size: 9, replicas: 2 }));
      const schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
      const operations = [
        { op: "replace", path: `${schema}/size/maximum`, value: 5 },
        { op: "add", path: `${schema}/fresh`, value: { type: "string", default: "new" } },
      ];
      await expect(200, "PATCH", definitionPath, operations, { contentType: "application/json-patch+json" });
      await eventually(async () => {
        assert.equal((await expect(422, "POST", `${path}?dryRun=All`, widget("b", { size: 9 }))).reason, "Invalid");
      });
      const read = await eventually(async () => {
        const found = await expect(200, "GET", `${path}/a`);
        assert.equal(found.spec.fresh, "new");
        return found;
      });
      assert.deepEqual([read.spec.size, read.metadata.resourceVersion], [9, made.metadata.resourceVersion]);
      await expect(200, "PATCH", `${path}/a`, { metadata: { labels: { l: "1" } } }, merge);
      await expect(422, "PATCH", `${path}/a`, { spec: { size: 8 } }, merge);
    },
  },
  {
    name: "a version that is no longer served answers 404, and a stored one cannot be dropped",
    async run({ expect, call, eventually, defineWidget }) {
      const { path, widget, definitionPath, apiVersion } = await defineWidget((definition) => {
        const [first] = definition.spec.versions;
        definition.spec.versions.push({ ...first, name: "v2", storage: false });
      });
      await expect(201, "POST", path, widget("a"));
      const second = path.replace(apiVersion, apiVersion.replace("/v1", "/v2"));
      await eventually(async () =>
        assert.equal((await expect(200, "GET", `${second}/a`)).apiVersion, apiVersion.replace("/v1", "/v2")),
      );
      const json = { contentType: "application/json-patch+json" };
      await expect(
        200,
        "PATCH",
        definitionPath,
        [{ op: "replace", path: "/spec/versions/1/served", value: false }],
        json,
      );
      await eventually(async () => assert.equal((await call("GET", second)).status, 404));
      const swap = [
        { op: "replace", path: "/spec/versions/0/storage", value: false },
        { op: "replace", path: "/spec/versions/1/storage", value: true },
      ];
      const { status } = await expect(200, "PATCH", definitionPath, swap, json);
      assert.deepEqual(status.storedVersions.toSorted(), ["v1", "v2"]);
      const refused = await expect(422, "PATCH", definitionPath, [{ op: "remove", path: "/spec/versions/0" }], json);
      assert.match(refused.message, /status\.storedVersions\[0\]: Invalid value: "v1": missing from spec\.versions; /);
    },
  },
  {
    name: "a definition that is being deleted takes nothing new, and waits for its objects",
    async run({ expect, call, eventually, defineWidget }) {
      const { path, widget, definitionPath } = await defineWidget();
      const held = widget("a");
      held.metadata.finalizers = ["example.com/keep"];
      await expect(201, "POST", path, held);
      await expect(200, "DELETE", definitionPath);
      await eventually(async () => assert.equal((await call("POST", path, widget("b"))).status, 403));
      await eventually(async () => assert.ok((await expect(200, "GET", `${path}/a`)).metadata.deletionTimestamp));
      const { status } = await expect(200, "GET", definitionPath);
      assert.equal(status.conditions.find(({ type }: Body) => type === "Terminating")?.status, "True");
      await expect(200, "PATCH", `${path}/a`, { metadata: { finalizers: null } }, merge);
      await eventually(async () => assert.equal((await call("GET", definitionPath)).status, 404));
    },
  },
  {
    name: "the group, kind and scope of a definition stay",
    async run({ expect, defineWidget }) {
      const { definitionPath } = await defineWidget();
      const status = await expect(422, "PATCH", definitionPath, { spec: { scope: "Cluster" } }, merge);
      assert.match(status.message, /spec\.scope: Invalid value: "Cluster": field is immutable/);
    },
  },
  {
    name: "objects of a cluster-wide kind have no namespace",
    async run({ expect, defineWidget }) {
      const { apiVersion, widget, path } = await defineWidget((definition) => {
        definition.spec.scope = "Cluster";
      });
      assert.match(path, /\/v1\/widgets$/);
      const made = await expect(201, "POST", `/apis/${apiVersion}/widgets`, widget("a"));
      assert.equal(made.metadata.namespace, undefined);
      assert.deepEqual(names(await expect(200, "GET", `/apis/${apiVersion}/widgets`)), ["a"]);
    },
  },
  {
    name: "what is wrong with paths of a scale or of selectable fields",
    async run({ call, namespace }) {
      const definition = widgetDefinition(`${namespace}.example.com`);
      const [version] = definition.spec.versions;
      version.subresources.scale = {
        specReplicasPath: "spec.x",
        statusReplicasPath: ".spec.y",
        labelSelectorPath: ".metadata.x",
      };
      version.selectableFields = [
        "",
        "spec",
        ".spec.nope",
        ".spec",
        ".spec.ports",
        ".spec.ports[0]",
        ".metadata.name",
        ".spec.size",
        ".spec.size",
      ].map((jsonPath) => ({ jsonPath }));
      const { status, body } = await call("POST", definitions, definition);
      assert.equal(status, 422);
      const kind =
        "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
      assert.deepEqual(
        body.details.causes.map(({ field, message }: Body) => `${field.replace("spec.s", "s")}: ${message}`).toSorted(),
        [
          "selectableFields[0].jsonPath: Required value",
          'selectableFields[1].jsonPath: Invalid value: "spec": is an invalid path: expected [ or . but got: spec',
          'selectableFields[2].jsonPath: Invalid value: ".spec.nope": is an invalid path: does not refer to a valid field',
          `selectableFields[3].jsonPath: Invalid value: ".spec": ${kind}`,
          `selectableFields[4].jsonPath: Invalid value: ".spec.ports": ${kind}`,
          'selectableFields[5].jsonPath: Invalid value: ".spec.ports[0]": is an invalid path: array notation is not allowed',
          'selectableFields[6].jsonPath: Invalid value: ".metadata.name": is an invalid path: does not refer to a valid field',
          'selectableFields[8].jsonPath: Duplicate value: ".spec.size"',
          'subresources.scale.labelSelectorPath: Invalid value: ".metadata.x": should be a json path under either .spec or .status',
          'subresources.scale.specReplicasPath: Invalid value: "spec.x": must be a simple json path starting with .',
          'subresources.scale.statusReplicasPath: Invalid value: ".spec.y": should be a json path under .status',
        ],
      );
    },
  },
  {
    name: "a rule in CEL",
    differs: "rules are accepted and not evaluated here",
    async run({ call, either, defineWidget }) {
      const { path, widget } = await defineWidget((definition) => {
        const { size } = definition.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties;
        size["x-kubernetes-validations"] = [{ rule: "self != 7", message: "seven is taken" }];
      });
      assert.equal((await call("POST", path, widget("a", { size: 7 }))).status, either(422, 201));
    },
  },
  {
    name: "a conversion by webhook",
    differs: "webhooks are not called here, and refused where they are asked for",
    async run({ call, either, namespace }) {
      const definition = widgetDefinition(`${namespace}.example.com`);
      definition.spec.conversion = {
        strategy: "Webhook",
        webhook: { conversionReviewVersions: ["v1"], clientConfig: { url: "https://127.0.0.1:1/convert" } },
      };
      const { status } = await call("POST", `${definitions}?dryRun=All`, definition);
      assert.equal(status, either(201, 422));
    },
  },
];
