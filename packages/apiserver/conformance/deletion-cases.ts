/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call -- answers are read as the JSON they are */
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

/** Deletion: preconditions, finalizers, dependents, contents. */
export const deletionCases: readonly ConformanceCase[] = [
  {
    name: "delete answers Success with the uid",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const status = await expect(200, "DELETE", `${core}/configmaps/a`);
      assert.deepEqual(status, {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Success",
        details: { name: "a", kind: "configmaps", uid: made.metadata.uid },
      });
      await expect(404, "DELETE", `${core}/configmaps/a`);
    },
  },
  {
    name: "delete with a wrong uid precondition answers Conflict",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const options = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid: "other" } };
      const status = await expect(409, "DELETE", `${core}/configmaps/a`, options);
      assert.equal(
        status.message,
        `Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID in record (${made.metadata.uid}). The object might have been deleted and then recreated`,
      );
      await expect(200, "DELETE", `${core}/configmaps/a`, { ...options, preconditions: { uid: made.metadata.uid } });
    },
  },
  {
    name: "delete with a wrong resourceVersion precondition answers Conflict",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const options = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { resourceVersion: "1" } };
      const status = await expect(409, "DELETE", `${core}/configmaps/a`, options);
      assert.match(
        status.message,
        /^Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition \(1\) does not match the ResourceVersion in record \(\d+\)\. The object might have been modified$/,
      );
    },
  },
  ...(
    [
      [
        "propagationPolicy=Bad",
        'propagationPolicy: Unsupported value: "Bad": supported values: "Foreground", "Background", "Orphan", "nil"',
      ],
      ["dryRun=Bad", 'dryRun: Unsupported value: ["Bad"]: supported values: "All"'],
      [
        "orphanDependents=true&propagationPolicy=Orphan",
        'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
      ],
    ] as const
  ).map(([query, problem]): ConformanceCase => ({
    name: `delete with ${query} answers 422 and deletes nothing`,
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      const status = await expect(422, "DELETE", `${core}/configmaps/a?${query}`);
      assert.equal(status.message, `DeleteOptions.meta.k8s.io "" is invalid: ${problem}`);
      await expect(200, "GET", `${core}/configmaps/a`);
    },
  })),
  {
    name: "delete of a Service answers with the Service",
    async run({ expect, core }) {
      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "s" },
        spec: { type: "ExternalName", externalName: "a.b" },
      };
      await expect(201, "POST", `${core}/services`, service);
      assert.equal((await expect(200, "DELETE", `${core}/services/s`)).kind, "Service");
    },
  },
  {
    name: "a finalizer keeps a deleted object until it is removed",
    async run({ expect, core }) {
      const path = `${core}/configmaps/a`;
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, { finalizers: ["example.com/keep"] }));
      const marked = await expect(200, "DELETE", path);
      assert.equal(marked.kind, "ConfigMap");
      assert.match(marked.metadata.deletionTimestamp, /Z$/);
      assert.equal(marked.metadata.deletionGracePeriodSeconds, 0);
      const again = await expect(200, "DELETE", path);
      assert.equal(again.metadata.resourceVersion, marked.metadata.resourceVersion);
      const merge = { contentType: "application/merge-patch+json" };
      const last = await expect(200, "PATCH", path, { metadata: { finalizers: null } }, merge);
      assert.equal(last.metadata.finalizers, undefined);
      await expect(404, "GET", path);
    },
  },
  {
    name: "a deleted object takes no new finalizer",
    async run({ expect, core }) {
      const path = `${core}/configmaps/a`;
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, { finalizers: ["example.com/keep"] }));
      await expect(200, "DELETE", path);
      const merge = { contentType: "application/merge-patch+json" };
      const status = await expect(
        422,
        "PATCH",
        path,
        { metadata: { finalizers: ["example.com/keep", "example.com/more"] } },
        merge,
      );
      assert.equal(status.details.causes[0].field, "metadata.finalizers");
      assert.equal(
        status.details.causes[0].message,
        'Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/more"}',
      );
      await expect(200, "PATCH", path, { metadata: { finalizers: null } }, merge);
    },
  },
  {
    name: "deletion counts up the generation of a custom resource",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      const object = widget("a");
      object.metadata.finalizers = ["example.com/keep"];
      await expect(201, "POST", path, object);
      const marked = await expect(200, "DELETE", `${path}/a`);
      assert.equal(marked.metadata.generation, 2);
      await expect(
        200,
        "PATCH",
        `${path}/a`,
        { metadata: { finalizers: null } },
        { contentType: "application/merge-patch+json" },
      );
    },
  },
  {
    name: "deletion of a collection keeps what the selector does not match",
    async run({ expect, core }) {
      for (const [name, tier] of [
        ["a", "x"],
        ["b", "y"],
        ["c", "x"],
      ] as const) {
        await expect(201, "POST", `${core}/configmaps`, configMap(name, {}, { labels: { tier } }));
      }
      const list = await expect(200, "DELETE", `${core}/configmaps?labelSelector=tier%3Dx`);
      assert.equal(list.kind, "ConfigMapList");
      const left = await expect(200, "GET", `${core}/configmaps`);
      const names = left.items.map((one: { metadata: { name: string } }) => one.metadata.name);
      assert.ok(names.includes("b") && !names.includes("a") && !names.includes("c"), String(names));
    },
  },
  {
    name: "the default namespace cannot be deleted",
    async run({ expect }) {
      const status = await expect(403, "DELETE", "/api/v1/namespaces/default");
      assert.equal(status.message, 'namespaces "default" is forbidden: this namespace may not be deleted');
    },
  },
  {
    name: "dependents go when their owner has gone",
    needs: "kube-controller-manager",
    async run({ expect, call, core }) {
      const owner = await expect(201, "POST", `${core}/configmaps`, configMap("owner"));
      const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: owner.metadata.uid }];
      await expect(201, "POST", `${core}/configmaps`, configMap("dependent", {}, { ownerReferences }));
      await expect(200, "DELETE", `${core}/configmaps/owner`);
      for (let attempt = 0; (await call("GET", `${core}/configmaps/dependent`)).status !== 404; attempt++) {
        assert.ok(attempt < 100, "still there after ten seconds");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  },
  {
    name: "orphaning keeps dependents without the reference",
    needs: "kube-controller-manager",
    async run({ expect, call, core }) {
      const owner = await expect(201, "POST", `${core}/configmaps`, configMap("owner"));
      const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: owner.metadata.uid }];
      await expect(201, "POST", `${core}/configmaps`, configMap("dependent", {}, { ownerReferences }));
      await expect(200, "DELETE", `${core}/configmaps/owner?propagationPolicy=Orphan`);
      for (let attempt = 0; (await call("GET", `${core}/configmaps/owner`)).status !== 404; attempt++) {
        assert.ok(attempt < 100, "still there after ten seconds");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.equal((await expect(200, "GET", `${core}/configmaps/dependent`)).metadata.ownerReferences, undefined);
    },
  },
  {
    name: "foreground deletion waits for dependents that block it",
    needs: "kube-controller-manager",
    async run({ expect, call, core }) {
      const owner = await expect(201, "POST", `${core}/configmaps`, configMap("owner"));
      const reference = {
        apiVersion: "v1",
        kind: "ConfigMap",
        name: "owner",
        uid: owner.metadata.uid,
        blockOwnerDeletion: true,
      };
      const metadata = { ownerReferences: [reference], finalizers: ["example.com/keep"] };
      await expect(201, "POST", `${core}/configmaps`, configMap("dependent", {}, metadata));
      const marked = await expect(200, "DELETE", `${core}/configmaps/owner?propagationPolicy=Foreground`);
      assert.deepEqual(marked.metadata.finalizers, ["foregroundDeletion"]);
      for (let attempt = 0; ; attempt++) {
        const dependent = await expect(200, "GET", `${core}/configmaps/dependent`);
        if (dependent.metadata.deletionTimestamp !== undefined) break;
        assert.ok(attempt < 100, "the dependent is not deleted after ten seconds");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await expect(200, "GET", `${core}/configmaps/owner`);
      await expect(
        200,
        "PATCH",
        `${core}/configmaps/dependent`,
        { metadata: { finalizers: null } },
        { contentType: "application/merge-patch+json" },
      );
      for (let attempt = 0; (await call("GET", `${core}/configmaps/owner`)).status !== 404; attempt++) {
        assert.ok(attempt < 100, "the owner is still there after ten seconds");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  },
  {
    name: "a deleted namespace takes its contents along and takes nothing new",
    needs: "kube-controller-manager",
    async run({ expect, call, namespace }) {
      const name = `${namespace}-x`;
      await expect(201, "POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
      const path = `/api/v1/namespaces/${name}`;
      await expect(201, "POST", `${path}/configmaps`, configMap("kept", {}, { finalizers: ["example.com/keep"] }));
      const marked = await expect(200, "DELETE", path);
      assert.equal(marked.status.phase, "Terminating");
      const status = await expect(403, "POST", `${path}/configmaps`, configMap("late"));
      assert.equal(
        status.message,
        `configmaps "late" is forbidden: unable to create new content in namespace ${name} because it is being terminated`,
      );
      assert.equal(status.details.causes[0].reason, "NamespaceTerminating");
      await expect(
        200,
        "PATCH",
        `${path}/configmaps/kept`,
        { metadata: { finalizers: null } },
        { contentType: "application/merge-patch+json" },
      );
      for (let attempt = 0; (await call("GET", path)).status !== 404; attempt++) {
        assert.ok(attempt < 300, "the namespace is still there after thirty seconds");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  },
];
