/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call -- answers are read as the JSON they are */
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

/** Creating, reading and changing single objects. */
export const objectCases: readonly ConformanceCase[] = [
  {
    name: "create sets uid, resourceVersion, creationTimestamp and namespace",
    async run({ expect, core, namespace }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      assert.match(made.metadata.uid, /^[0-9a-f-]{36}$/);
      assert.match(made.metadata.resourceVersion, /^\d+$/);
      assert.match(made.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.equal(made.metadata.namespace, namespace);
      assert.deepEqual(await expect(200, "GET", `${core}/configmaps/a`), made);
    },
  },
  {
    name: "create of a taken name answers AlreadyExists",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const status = await expect(409, "POST", `${core}/configmaps`, configMap("a"));
      assert.equal(status.kind, "Status");
      assert.equal(status.reason, "AlreadyExists");
      assert.equal(status.message, 'configmaps "a" already exists');
      assert.deepEqual(status.details, { name: "a", kind: "configmaps" });
    },
  },
  {
    name: "create in a namespace that does not exist answers 404 about the namespace",
    async run({ expect }) {
      const status = await expect(404, "POST", "/api/v1/namespaces/no-such-one/configmaps", configMap("a"));
      assert.equal(status.message, 'namespaces "no-such-one" not found');
      assert.deepEqual(status.details, { name: "no-such-one", kind: "namespaces" });
    },
  },
  {
    name: "create with another namespace in the body answers 400",
    async run({ expect, core }) {
      const status = await expect(400, "POST", `${core}/configmaps`, configMap("a", {}, { namespace: "default" }));
      assert.equal(
        status.message,
        "the namespace of the provided object does not match the namespace sent on the request",
      );
    },
  },
  {
    name: "generateName adds five characters to the prefix",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { generateName: "job-" },
      });
      assert.match(made.metadata.name, /^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
      assert.equal(made.metadata.generateName, "job-");
    },
  },
  {
    name: "create ignores a client's uid and creationTimestamp",
    async run({ expect, core }) {
      const metadata = { uid: "mine", creationTimestamp: "2001-01-01T00:00:00Z" };
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, metadata));
      assert.notEqual(made.metadata.uid, "mine");
      assert.notEqual(made.metadata.creationTimestamp, metadata.creationTimestamp);
    },
  },
  {
    name: "create with a resourceVersion is refused",
    async run({ call, core }) {
      const { status, body } = await call("POST", `${core}/configmaps`, configMap("a", {}, { resourceVersion: "5" }));
      assert.equal(body.message, "resourceVersion should not be set on objects to be created");
      assert.ok(status >= 400);
    },
  },
  {
    name: "create with the body of another kind answers 400",
    async run({ expect, core }) {
      const status = await expect(400, "POST", `${core}/configmaps`, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "a" },
      });
      assert.equal(status.reason, "BadRequest");
      assert.match(status.message, /Secret in version "v1" cannot be handled as a ConfigMap/);
    },
  },
  {
    name: "create with another API version in the body answers 400",
    async run({ expect, defineWidget }) {
      const { path, widget, group } = await defineWidget();
      const status = await expect(400, "POST", path, { ...widget("a"), apiVersion: `${group}/v9` });
      assert.equal(
        status.message,
        `the API version in the data (${group}/v9) does not match the expected API version (${group}/v1)`,
      );
    },
  },
  {
    name: "create with a field of the wrong type answers 400",
    async run({ expect, core }) {
      const status = await expect(400, "POST", `${core}/configmaps`, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "a" },
        data: { x: 1 },
      });
      assert.match(
        status.message,
        /^ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap\.data/,
      );
    },
  },
  {
    name: "malformed JSON answers 400",
    async run({ expect, core }) {
      const status = await expect(400, "POST", `${core}/configmaps`, '{"apiVersion":');
      assert.equal(status.reason, "BadRequest");
    },
  },
  {
    name: "a body in YAML is accepted",
    async run({ expect, core }) {
      const yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: '1'\n";
      const made = await expect(201, "POST", `${core}/configmaps`, yaml, { contentType: "application/yaml" });
      assert.deepEqual(made.data, { x: "1" });
    },
  },
  {
    name: "a body in an unknown format answers 415",
    async run({ expect, core }) {
      const status = await expect(415, "POST", `${core}/configmaps`, "x", { contentType: "text/plain" });
      assert.equal(status.reason, "UnsupportedMediaType");
      assert.match(
        status.message,
        /^the body of the request was in an unknown format - accepted media types include: /,
      );
    },
  },
  {
    name: "a body that is too long answers 413",
    async run({ expect, core }) {
      const status = await expect(
        413,
        "POST",
        `${core}/configmaps`,
        configMap("a", { x: "y".repeat(3 * 1024 * 1024) }),
      );
      assert.equal(status.reason, "RequestEntityTooLarge");
      assert.equal(status.message, "Request entity too large: limit is 3145728");
    },
  },
  {
    name: "get of a missing object answers NotFound",
    async run({ expect, core }) {
      const status = await expect(404, "GET", `${core}/configmaps/none`);
      assert.deepEqual(status, {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: 'configmaps "none" not found',
        reason: "NotFound",
        details: { name: "none", kind: "configmaps" },
        code: 404,
      });
    },
  },
  {
    name: "get of a missing custom resource qualifies the resource",
    async run({ expect, defineWidget }) {
      const { path, group } = await defineWidget();
      const status = await expect(404, "GET", `${path}/none`);
      assert.equal(status.message, `widgets.${group} "none" not found`);
      assert.deepEqual(status.details, { name: "none", group, kind: "widgets" });
    },
  },
  {
    name: "an unknown resource answers 404",
    async run({ call, core }) {
      assert.equal((await call("GET", `${core}/nothings`)).status, 404);
      assert.equal((await call("GET", "/apis/nowhere.example.com/v1/things")).status, 404);
    },
  },
  {
    name: "a method that a path does not take answers 405",
    async run({ expect, core }) {
      const status = await expect(405, "PUT", `${core}/configmaps`, configMap("a"));
      assert.equal(status.reason, "MethodNotAllowed");
    },
  },
  {
    name: "a wrong token answers 401",
    async run({ expect, core }) {
      const status = await expect(401, "GET", `${core}/configmaps`, undefined, { token: "wrong-token" });
      assert.equal(status.reason, "Unauthorized");
      assert.equal(status.message, "Unauthorized");
      assert.equal(status.code, 401);
    },
  },
  {
    name: "update with the current resourceVersion changes the object and its resourceVersion",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const changed = await expect(200, "PUT", `${core}/configmaps/a`, { ...made, data: { x: "2" } });
      assert.deepEqual(changed.data, { x: "2" });
      assert.equal(changed.metadata.uid, made.metadata.uid);
      assert.equal(changed.metadata.creationTimestamp, made.metadata.creationTimestamp);
      assert.ok(BigInt(changed.metadata.resourceVersion) > BigInt(made.metadata.resourceVersion));
    },
  },
  {
    name: "update with an old resourceVersion answers Conflict",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      await expect(200, "PUT", `${core}/configmaps/a`, { ...made, data: { x: "2" } });
      const status = await expect(409, "PUT", `${core}/configmaps/a`, { ...made, data: { x: "3" } });
      assert.equal(status.reason, "Conflict");
      assert.equal(
        status.message,
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
      );
      assert.deepEqual(status.details, { name: "a", kind: "configmaps" });
    },
  },
  {
    name: "update without a resourceVersion is unconditional for a ConfigMap",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const changed = await expect(200, "PUT", `${core}/configmaps/a`, configMap("a", { x: "2" }));
      assert.deepEqual(changed.data, { x: "2" });
    },
  },
  {
    name: "update without a resourceVersion is refused for a custom resource",
    async run({ expect, defineWidget }) {
      const { path, widget, group } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const status = await expect(422, "PUT", `${path}/a`, widget("a", { size: 2 }));
      assert.equal(
        status.message,
        `widgets.${group} "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`,
      );
    },
  },
  {
    name: "update that changes nothing keeps the resourceVersion",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const same = await expect(200, "PUT", `${core}/configmaps/a`, made);
      assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion);
    },
  },
  {
    name: "update of a missing object answers NotFound",
    async run({ expect, core }) {
      const status = await expect(404, "PUT", `${core}/configmaps/none`, configMap("none"));
      assert.equal(status.message, 'configmaps "none" not found');
    },
  },
  {
    name: "update of a missing Lease creates it",
    async run({ expect, namespace }) {
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/l`;
      const lease = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: "l" },
        spec: { holderIdentity: "me" },
      };
      const made = await expect(201, "PUT", path, lease);
      assert.equal(made.spec.holderIdentity, "me");
    },
  },
  {
    name: "update with another name than the path's answers 400",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const status = await expect(400, "PUT", `${core}/configmaps/a`, configMap("b"));
      assert.equal(status.message, "the name of the object (b) does not match the name on the URL (a)");
    },
  },
  {
    name: "update with another namespace in the body answers 400, whatever its name",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const text = "the namespace of the provided object does not match the namespace sent on the request";
      const merge = { contentType: "application/merge-patch+json" };
      for (const name of ["a", "b"]) {
        const body = configMap(name, {}, { namespace: "default" });
        assert.equal((await expect(400, "PUT", `${core}/configmaps/a`, body)).message, text);
        assert.equal((await expect(400, "PATCH", `${core}/configmaps/a`, body, merge)).message, text);
      }
    },
  },
  {
    name: "update with another uid answers Conflict",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const status = await expect(409, "PUT", `${core}/configmaps/a`, configMap("a", {}, { uid: "other" }));
      // The real server puts its storage key in between.
      assert.match(
        status.message,
        /^Operation cannot be fulfilled on configmaps "a": .*Precondition failed: UID in precondition: other, UID in object meta: /,
      );
      assert.ok(status.message.endsWith(made.metadata.uid), status.message);
    },
  },
  {
    name: "dry run of a create stores nothing",
    async run({ expect, core }) {
      const shown = await expect(201, "POST", `${core}/configmaps?dryRun=All`, configMap("a", { x: "1" }));
      assert.deepEqual(shown.data, { x: "1" });
      assert.match(shown.metadata.uid, /^[0-9a-f-]{36}$/);
      await expect(404, "GET", `${core}/configmaps/a`);
    },
  },
  {
    name: "dry run of an update, a patch and a delete changes nothing",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }));
      const path = `${core}/configmaps/a`;
      assert.deepEqual((await expect(200, "PUT", `${path}?dryRun=All`, configMap("a", { x: "2" }))).data, { x: "2" });
      const merge = { contentType: "application/merge-patch+json" };
      assert.deepEqual((await expect(200, "PATCH", `${path}?dryRun=All`, { data: { x: "3" } }, merge)).data, {
        x: "3",
      });
      await expect(200, "DELETE", `${path}?dryRun=All`);
      assert.deepEqual(await expect(200, "GET", path), made);
    },
  },
  {
    name: "an unknown dryRun answers 422",
    async run({ expect, core }) {
      const status = await expect(422, "POST", `${core}/configmaps?dryRun=Some`, configMap("a"));
      assert.equal(
        status.message,
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
      );
    },
  },
  {
    name: "a Service gets an address that nobody owns",
    async run({ expect, core }) {
      const service = { apiVersion: "v1", kind: "Service", metadata: { name: "s" }, spec: { ports: [{ port: 80 }] } };
      const made = await expect(201, "POST", `${core}/services`, service);
      assert.match(made.spec.clusterIP, /^10\./);
      assert.deepEqual(made.spec.ports, [{ port: 80, protocol: "TCP", targetPort: 80 }]);
      assert.equal(made.metadata.managedFields[0].fieldsV1["f:spec"]["f:clusterIP"], undefined);
      const changed = await expect(200, "PUT", `${core}/services/s`, { ...service, spec: { ports: [{ port: 81 }] } });
      assert.equal(changed.spec.clusterIP, made.spec.clusterIP);
    },
  },
  {
    name: "a Secret's stringData becomes base64 data",
    async run({ expect, core }) {
      const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { p: "q" } };
      const made = await expect(201, "POST", `${core}/secrets`, secret);
      assert.deepEqual(made.data, { p: "cQ==" });
      assert.equal(made.type, "Opaque");
      assert.equal(made.stringData, undefined);
    },
  },
  {
    name: "an immutable ConfigMap keeps its data",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, { ...configMap("a", { x: "1" }), immutable: true });
      const status = await expect(422, "PUT", `${core}/configmaps/a`, {
        ...configMap("a", { x: "2" }),
        immutable: true,
      });
      assert.equal(
        status.message,
        'ConfigMap "a" is invalid: data: Forbidden: field is immutable when `immutable` is set',
      );
    },
  },
  {
    name: "a namespace gets its name as a label, a phase and a finalizer",
    async run({ expect, namespace }) {
      const object = await expect(200, "GET", `/api/v1/namespaces/${namespace}`);
      assert.equal(object.metadata.labels["kubernetes.io/metadata.name"], namespace);
      assert.deepEqual(object.spec, { finalizers: ["kubernetes"] });
      assert.equal(object.status.phase, "Active");
    },
  },
];
