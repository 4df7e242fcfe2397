/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body } from "./client.ts";
import type { CaseContext, ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };
const needs = "kube-controller-manager";
const seconds = 60;

function reference(owner: Body, more: Body = {}): Body {
  return { apiVersion: "v1", kind: "ConfigMap", name: owner.metadata.name, uid: owner.metadata.uid, ...more };
}

async function create({ expect, core }: CaseContext, name: string, metadata: Body = {}): Promise<Body> {
  return expect(201, "POST", `${core}/configmaps`, configMap(name, {}, metadata));
}

async function gone({ call, core, eventually }: CaseContext, name: string): Promise<void> {
  await eventually(async () => assert.equal((await call("GET", `${core}/configmaps/${name}`)).status, 404), seconds);
}

/** What becomes of dependents. */
export const garbageCases: readonly ConformanceCase[] = [
  {
    name: "a dependent of two owners stays for the second, without the reference to the first",
    needs,
    async run(context) {
      const { expect, core, eventually } = context;
      const [one, two] = [await create(context, "one"), await create(context, "two")];
      await create(context, "dependent", { ownerReferences: [reference(one), reference(two)] });
      await expect(200, "DELETE", `${core}/configmaps/one?propagationPolicy=Background`);
      await eventually(async () => {
        const { metadata } = await expect(200, "GET", `${core}/configmaps/dependent`);
        assert.deepEqual(metadata.ownerReferences, [reference(two)]);
      }, seconds);
      await expect(200, "DELETE", `${core}/configmaps/two`);
      await gone(context, "dependent");
    },
  },
  {
    name: "a dependent of an owner that never was goes",
    needs,
    async run(context) {
      const ownerReferences = [
        { apiVersion: "v1", kind: "ConfigMap", name: "nobody", uid: "00000000-0000-0000-0000-000000000000" },
      ];
      await create(context, "dependent", { ownerReferences });
      await gone(context, "dependent");
    },
  },
  {
    name: "a dependent of an owner that has been replaced under its name goes",
    needs,
    async run(context) {
      const { expect, core } = context;
      const first = await create(context, "owner");
      await expect(200, "DELETE", `${core}/configmaps/owner`);
      await create(context, "owner");
      await create(context, "dependent", { ownerReferences: [reference(first)] });
      await gone(context, "dependent");
      await expect(200, "GET", `${core}/configmaps/owner`);
    },
  },
  {
    name: "deletion goes on through dependents of dependents",
    needs,
    async run(context) {
      const { expect, core } = context;
      const one = await create(context, "one");
      const two = await create(context, "two", { ownerReferences: [reference(one)] });
      await create(context, "three", { ownerReferences: [reference(two)] });
      await expect(200, "DELETE", `${core}/configmaps/one`);
      await gone(context, "two");
      await gone(context, "three");
    },
  },
  {
    name: "a dependent with a finalizer is marked, and goes when it is let go",
    needs,
    async run(context) {
      const { expect, core, eventually } = context;
      const owner = await create(context, "owner");
      await create(context, "dependent", { ownerReferences: [reference(owner)], finalizers: ["example.com/keep"] });
      await expect(200, "DELETE", `${core}/configmaps/owner`);
      await eventually(async () => {
        const { metadata } = await expect(200, "GET", `${core}/configmaps/dependent`);
        assert.ok(metadata.deletionTimestamp);
      }, seconds);
      await expect(200, "PATCH", `${core}/configmaps/dependent`, { metadata: { finalizers: null } }, merge);
      await gone(context, "dependent");
    },
  },
  {
    name: "foreground deletion does not wait for dependents that do not block it",
    needs,
    async run(context) {
      const { expect, core, eventually } = context;
      const owner = await create(context, "owner");
      await create(context, "dependent", { ownerReferences: [reference(owner)], finalizers: ["example.com/keep"] });
      await expect(200, "DELETE", `${core}/configmaps/owner?propagationPolicy=Foreground`);
      await gone(context, "owner");
      const { metadata } = await eventually(async () => {
        const found = await expect(200, "GET", `${core}/configmaps/dependent`);
        assert.ok(found.metadata.deletionTimestamp);
        return found;
      }, seconds);
      assert.deepEqual(metadata.finalizers, ["example.com/keep"]);
      await expect(200, "PATCH", `${core}/configmaps/dependent`, { metadata: { finalizers: null } }, merge);
    },
  },
  {
    name: "a collection deleted with Orphan leaves the dependents of its objects",
    needs,
    async run(context) {
      const { expect, core } = context;
      const owner = await create(context, "owner", { labels: { role: "owner" } });
      await create(context, "dependent", { ownerReferences: [reference(owner)] });
      await expect(200, "DELETE", `${core}/configmaps?labelSelector=role%3Downer&propagationPolicy=Orphan`);
      await gone(context, "owner");
      const { metadata } = await expect(200, "GET", `${core}/configmaps/dependent`);
      assert.deepEqual([metadata.ownerReferences, metadata.deletionTimestamp], [undefined, undefined]);
    },
  },
  {
    name: "a custom resource owns built-in objects, and they go with it",
    needs,
    async run(context) {
      const { expect, defineWidget } = context;
      const { path, widget, apiVersion } = await defineWidget();
      const owner = await expect(201, "POST", path, widget("owner"));
      const ownerReferences = [
        { ...reference(owner), apiVersion, kind: "Widget", controller: true, blockOwnerDeletion: true },
      ];
      await create(context, "dependent", { ownerReferences });
      await expect(200, "DELETE", `${path}/owner`);
      await gone(context, "dependent");
    },
  },
];
