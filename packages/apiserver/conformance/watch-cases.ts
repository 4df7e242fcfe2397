/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument -- answers are read as the JSON they are */
import type { Watch, WatchLine } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };
const labelled = { labels: { w: "1" } };
const own = "labelSelector=w";

async function take(watch: Watch, count: number): Promise<WatchLine[]> {
  const lines: WatchLine[] = [];
  while (lines.length < count) {
    const line = await watch.next();
    assert.ok(line !== undefined, `the watch ended after ${lines.length} of ${count} lines`);
    lines.push(line);
  }
  return lines;
}

function brief(lines: readonly WatchLine[]): string[] {
  return lines.map(({ type, object }) => `${type} ${object.metadata?.name ?? object.reason}`);
}

/** Watches: where they begin, what they say, how they end. */
export const watchCases: readonly ConformanceCase[] = [
  {
    name: "a watch without a resourceVersion begins with what is there",
    async run({ expect, watch, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, labelled));
      await using stream = await watch(`${core}/configmaps?watch=true&${own}`);
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED a"]);
      await expect(201, "POST", `${core}/configmaps`, configMap("b", {}, labelled));
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED b"]);
    },
  },
  {
    name: "a watch from a list's resourceVersion sees every later change once, in order",
    async run({ expect, watch, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, labelled));
      const list = await expect(200, "GET", `${core}/configmaps`);
      await expect(200, "PATCH", `${core}/configmaps/a`, { data: { x: "1" } }, merge);
      await using stream = await watch(
        `${core}/configmaps?watch=1&${own}&resourceVersion=${list.metadata.resourceVersion}`,
      );
      await expect(201, "POST", `${core}/configmaps`, configMap("b", {}, labelled));
      await expect(200, "DELETE", `${core}/configmaps/a`);
      const lines = await take(stream, 3);
      assert.deepEqual(brief(lines), ["MODIFIED a", "ADDED b", "DELETED a"]);
      const versions = lines.map(({ object }) => BigInt(object.metadata.resourceVersion));
      assert.ok(
        versions.every((one, index) => index === 0 || one > (versions[index - 1] ?? 0n)),
        String(versions),
      );
      assert.deepEqual(lines[2]?.object.data, { x: "1" });
    },
  },
  {
    name: "leaving and joining a selector looks like DELETED and ADDED",
    async run({ expect, watch, core }) {
      const made = await expect(
        201,
        "POST",
        `${core}/configmaps`,
        configMap("a", { x: "1" }, { labels: { tier: "in" } }),
      );
      await using stream = await watch(
        `${core}/configmaps?watch=true&labelSelector=tier%3Din&resourceVersion=${made.metadata.resourceVersion}`,
      );
      const out = await expect(
        200,
        "PATCH",
        `${core}/configmaps/a`,
        { metadata: { labels: { tier: "out" } }, data: { x: "2" } },
        merge,
      );
      await expect(200, "PATCH", `${core}/configmaps/a`, { data: { x: "3" } }, merge);
      await expect(200, "PATCH", `${core}/configmaps/a`, { metadata: { labels: { tier: "in" } } }, merge);
      const lines = await take(stream, 2);
      assert.deepEqual(brief(lines), ["DELETED a", "ADDED a"]);
      assert.equal(lines[0]?.object.metadata.labels.tier, "in");
      assert.equal(lines[0]?.object.metadata.resourceVersion, out.metadata.resourceVersion);
      assert.deepEqual(lines[0]?.object.data, { x: "1" });
    },
  },
  {
    name: "a watch of one object sees that object only",
    async run({ expect, watch, core }) {
      await using stream = await watch(`${core}/configmaps?watch=true&fieldSelector=metadata.name%3Db`);
      await expect(201, "POST", `${core}/configmaps`, configMap("a"));
      await expect(201, "POST", `${core}/configmaps`, configMap("b"));
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED b"]);
    },
  },
  {
    name: "deletion with a finalizer looks like MODIFIED, then DELETED",
    async run({ expect, watch, core }) {
      const made = await expect(
        201,
        "POST",
        `${core}/configmaps`,
        configMap("a", {}, { finalizers: ["example.com/keep"], ...labelled }),
      );
      await using stream = await watch(
        `${core}/configmaps?watch=true&${own}&resourceVersion=${made.metadata.resourceVersion}`,
      );
      await expect(200, "DELETE", `${core}/configmaps/a`);
      await expect(200, "PATCH", `${core}/configmaps/a`, { metadata: { finalizers: null } }, merge);
      const lines = await take(stream, 2);
      assert.deepEqual(brief(lines), ["MODIFIED a", "DELETED a"]);
      assert.ok(lines[1]?.object.metadata.deletionTimestamp);
    },
  },
  {
    name: "a watch ends after timeoutSeconds",
    async run({ watch, core }) {
      await using stream = await watch(`${core}/configmaps?watch=true&labelSelector=none&timeoutSeconds=1`);
      assert.equal(await stream.next(), undefined);
    },
  },
  {
    name: "sendInitialEvents marks the end of what was there",
    async run({ expect, watch, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, labelled));
      const query = `watch=true&${own}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`;
      await using stream = await watch(`${core}/configmaps?${query}`);
      const [added, mark] = await take(stream, 2);
      assert.equal(added?.type, "ADDED");
      assert.equal(mark?.type, "BOOKMARK");
      assert.equal(mark.object.kind, "ConfigMap");
      assert.equal(mark.object.metadata.annotations["k8s.io/initial-events-end"], "true");
      assert.ok(BigInt(mark.object.metadata.resourceVersion) >= BigInt(added.object.metadata.resourceVersion));
    },
  },
  {
    name: "sendInitialEvents without resourceVersionMatch answers 422",
    async run({ expect, core }) {
      const status = await expect(422, "GET", `${core}/configmaps?watch=true&sendInitialEvents=true`);
      assert.equal(
        status.message,
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      );
    },
  },
  {
    name: "a watch as tables names the columns once",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true`, {
        accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
      });
      await expect(201, "POST", path, widget("b"));
      const [first, second] = await take(stream, 2);
      assert.equal(first?.object.kind, "Table");
      assert.equal(first.object.columnDefinitions.length, 4);
      assert.equal(first.object.rows[0].cells[0], "a");
      assert.equal(second?.object.columnDefinitions?.length ?? 0, 0);
      assert.equal(second?.object.rows[0].cells[0], "b");
    },
  },
  {
    name: "a watch of custom resources sees their status change",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
      await expect(200, "PATCH", `${path}/a/status`, { status: { phase: "Ready" } }, merge);
      const [line] = await take(stream, 1);
      assert.equal(line?.type, "MODIFIED");
      assert.equal(line.object.status.phase, "Ready");
    },
  },
];
