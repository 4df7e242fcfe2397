/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument -- answers are read as the JSON they are */
import type { Body, Watch, WatchLine } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };

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

const listOptions = 'ListOptions.meta.k8s.io "" is invalid: ';
const onlyWithInitial =
  "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
const notSupported = (value: string): string =>
  `resourceVersionMatch: Unsupported value: "${value}": supported values: "NotOlderThan"`;
const needsMatch =
  "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";

const refusals: readonly [query: string, status: number, message: string][] = [
  ["resourceVersionMatch=NotOlderThan", 422, listOptions + onlyWithInitial],
  ["resourceVersionMatch=Exact", 422, `${listOptions}[${onlyWithInitial}, ${notSupported("Exact")}]`],
  ["sendInitialEvents=false", 422, listOptions + needsMatch],
  ["sendInitialEvents=true&resourceVersionMatch=Exact", 422, `${listOptions}[${needsMatch}, ${notSupported("Exact")}]`],
  ["timeoutSeconds=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'],
  ["fieldSelector=spec.size%3D1", 400, "field label not supported: spec.size"],
];

/** Where watches begin and end, and which of them see what. */
export const watchStartCases: readonly ConformanceCase[] = [
  ...refusals.map(([query, code, message]): ConformanceCase => ({
    name: `a watch with "${query}" answers ${code}`,
    async run({ expect, defineWidget }) {
      const { path } = await defineWidget();
      assert.equal((await expect(code, "GET", `${path}?watch=true&${query}`)).message, message);
    },
  })),
  {
    name: "a watch from a resourceVersion that is no number is refused",
    differs: "the real server opens the watch before it reads the number, and its answer is then 500",
    async run({ expect, either, defineWidget }) {
      const { path } = await defineWidget();
      const status = await expect(either(500, 400), "GET", `${path}?watch=true&resourceVersion=abc`);
      assert.match(
        status.message,
        /resourceVersion: Invalid value: "abc": strconv\.ParseUint: parsing "abc": invalid syntax$/,
      );
    },
  },
  {
    name: "a watch from a resourceVersion of the future is not answered with the past",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true&resourceVersion=999999999999&timeoutSeconds=1`);
      assert.equal(await stream.next(), undefined);
    },
  },
  {
    name: "a watch from 0 begins with what is there",
    async run({ expect, watch, eventually, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      await eventually(async () => {
        await using stream = await watch(`${path}?watch=true&resourceVersion=0&timeoutSeconds=2`);
        assert.deepEqual(brief(await take(stream, 1)), ["ADDED a"]);
      });
    },
  },
  {
    name: "a watch that begins with what is there sends it in name order, and then what changes",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      for (const name of ["c", "a", "b"]) await expect(201, "POST", path, widget(name));
      // A watch may begin with what a cache has, which may lag behind, until a list asks for the newest.
      await expect(200, "GET", path);
      await using stream = await watch(`${path}?watch=true`);
      assert.deepEqual(brief(await take(stream, 3)), ["ADDED a", "ADDED b", "ADDED c"]);
      await expect(200, "PATCH", `${path}/a`, { spec: { size: 2 } }, merge);
      assert.deepEqual(brief(await take(stream, 1)), ["MODIFIED a"]);
    },
  },
  {
    name: "a watch from a write's resourceVersion sees the next write, not this one",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      const next = await expect(200, "PATCH", `${path}/a`, { spec: { size: 2 } }, merge);
      await using stream = await watch(`${path}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
      const [line] = await take(stream, 1);
      assert.equal(line?.type, "MODIFIED");
      assert.deepEqual(line.object, next);
    },
  },
  {
    name: "a DELETED line carries the last state under the resourceVersion of the deletion",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
      await expect(200, "DELETE", `${path}/a`);
      const later = await expect(201, "POST", path, widget("b"));
      const [line] = await take(stream, 1);
      assert.equal(line?.type, "DELETED");
      const { resourceVersion, ...metadata } = line.object.metadata;
      const { resourceVersion: before, ...known } = made.metadata;
      assert.deepEqual(metadata, known);
      assert.deepEqual(line.object.spec, made.spec);
      assert.ok(BigInt(resourceVersion) > BigInt(before));
      assert.ok(BigInt(resourceVersion) < BigInt(later.metadata.resourceVersion));
    },
  },
  {
    name: "a write that changes nothing makes no line",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
      await expect(200, "PUT", `${path}/a`, made);
      await expect(200, "PATCH", `${path}/a`, {}, merge);
      await expect(200, "PATCH", `${path}/a`, { spec: { size: 2 } }, merge);
      const [line] = await take(stream, 1);
      assert.equal(line?.object.spec.size, 2);
    },
  },
  {
    name: "a dry run makes no line",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
      await expect(201, "POST", `${path}?dryRun=All`, widget("b"));
      await expect(200, "DELETE", `${path}/a?dryRun=All`);
      await expect(201, "POST", path, widget("c"));
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED c"]);
    },
  },
  {
    name: "a watch with a field selector sees objects come and go as their field changes",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, color: "red" }));
      await using stream = await watch(`${path}?watch=true&fieldSelector=spec.color%3Dblue`);
      await expect(200, "PATCH", `${path}/a`, { spec: { color: "blue" } }, merge);
      await expect(200, "PATCH", `${path}/a`, { spec: { size: 2 } }, merge);
      await expect(200, "PATCH", `${path}/a`, { spec: { color: "red" } }, merge);
      const lines = await take(stream, 3);
      assert.deepEqual(brief(lines), ["ADDED a", "MODIFIED a", "DELETED a"]);
      assert.deepEqual(lines[2]?.object.spec, { size: 2, color: "blue" });
    },
  },
  {
    name: "an object that is deleted while it does not match is not announced",
    async run({ expect, watch, core }) {
      const inside = configMap("in", {}, { labels: { tier: "in" } });
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("out"));
      const query = `watch=true&labelSelector=tier%3Din&resourceVersion=${made.metadata.resourceVersion}`;
      await using stream = await watch(`${core}/configmaps?${query}`);
      await expect(200, "DELETE", `${core}/configmaps/out`);
      await expect(201, "POST", `${core}/configmaps`, inside);
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED in"]);
    },
  },
  {
    name: "a watch by a negated label sees an object leave when it gets the label",
    async run({ expect, watch, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, { labels: { own: "1" } }));
      const query = `watch=true&labelSelector=own,!gone&resourceVersion=${made.metadata.resourceVersion}`;
      await using stream = await watch(`${core}/configmaps?${query}`);
      await expect(200, "PATCH", `${core}/configmaps/a`, { metadata: { labels: { gone: "1" } } }, merge);
      assert.deepEqual(brief(await take(stream, 1)), ["DELETED a"]);
    },
  },
  {
    name: "a watch of all namespaces sees them all, one of a namespace its own",
    async run({ expect, watch, defineWidget, namespace }) {
      const { path, apiVersion, widget } = await defineWidget();
      const other = `${namespace}z`;
      await expect(201, "POST", "/api/v1/namespaces", {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: other },
      });
      await using all = await watch(`/apis/${apiVersion}/widgets?watch=true`);
      await using own = await watch(`${path}?watch=true`);
      await expect(201, "POST", `/apis/${apiVersion}/namespaces/${other}/widgets`, widget("there"));
      await expect(201, "POST", path, widget("here"));
      assert.deepEqual(brief(await take(all, 2)), ["ADDED there", "ADDED here"]);
      assert.deepEqual(brief(await take(own, 1)), ["ADDED here"]);
      await expect(200, "DELETE", `/api/v1/namespaces/${other}`);
    },
  },
  {
    name: "the watch parameter means nothing to the path of one object",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      assert.deepEqual(await expect(200, "GET", `${path}/a?watch=true`), made);
    },
  },
  {
    name: "a watch under the old path of watches sees the same",
    differs: "the embedded API serves the watch parameter alone, as clients have used for years",
    async run({ call, watch, expect, either, defineWidget, namespace }) {
      const { apiVersion, path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const old = `/apis/${apiVersion}/watch/namespaces/${namespace}/widgets`;
      await using stream = await watch(`${old}?timeoutSeconds=1`);
      assert.equal(stream.status, either(200, 404));
      assert.ok((await call("GET", path)).status === 200);
    },
  },
  {
    name: "sendInitialEvents=false sends what comes later alone",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      const query = `watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=${made.metadata.resourceVersion}`;
      await using stream = await watch(`${path}?${query}`);
      await expect(201, "POST", path, widget("b"));
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED b"]);
    },
  },
  {
    name: "sendInitialEvents from a resourceVersion begins with a state that is not older, and goes on from there",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      const made = await expect(201, "POST", path, widget("b"));
      const query = `watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&resourceVersion=${made.metadata.resourceVersion}`;
      await using stream = await watch(`${path}?${query}`);
      const lines = await take(stream, 3);
      assert.deepEqual(
        lines.map(({ type }) => type),
        ["ADDED", "ADDED", "BOOKMARK"],
      );
      const mark = lines[2]?.object;
      assert.equal(mark.metadata.annotations["k8s.io/initial-events-end"], "true");
      assert.ok(BigInt(mark.metadata.resourceVersion) >= BigInt(made.metadata.resourceVersion));
      await expect(200, "DELETE", `${path}/a`);
      assert.deepEqual(brief(await take(stream, 1)), ["DELETED a"]);
    },
  },
  {
    name: "sendInitialEvents without bookmarks sends the state and no mark",
    async run({ expect, watch, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`);
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED a"]);
      await expect(201, "POST", path, widget("b"));
      assert.deepEqual(brief(await take(stream, 1)), ["ADDED b"]);
    },
  },
  {
    name: "the mark after the initial events has the kind of the objects and nothing of them",
    async run({ watch, defineWidget }) {
      const { path, apiVersion } = await defineWidget();
      const query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
      await using stream = await watch(`${path}?${query}`);
      const [mark] = await take(stream, 1);
      assert.equal(mark?.type, "BOOKMARK");
      assert.equal(mark.object.kind, "Widget");
      assert.equal(mark.object.apiVersion, apiVersion);
      assert.deepEqual(Object.keys(mark.object).sort(), ["apiVersion", "kind", "metadata"]);
    },
  },
  {
    name: "a watch of metadata alone sends PartialObjectMetadata",
    async run({ expect, watch, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", { x: "1" }, { labels: { w: "1" } }));
      await using stream = await watch(`${core}/configmaps?watch=true&labelSelector=w`, {
        accept: "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
      });
      const [line] = await take(stream, 1);
      assert.equal(line?.object.kind, "PartialObjectMetadata");
      assert.equal(line.object.metadata.name, "a");
      assert.equal(line.object.data, undefined);
    },
  },
  {
    name: "lines of typed kinds carry apiVersion and kind",
    async run({ expect, watch, core }) {
      await expect(201, "POST", `${core}/configmaps`, configMap("a", {}, { labels: { w: "1" } }));
      await using stream = await watch(`${core}/configmaps?watch=true&labelSelector=w`);
      const [line] = await take(stream, 1);
      assert.deepEqual([line?.object.apiVersion, line?.object.kind], ["v1", "ConfigMap"]);
    },
  },
  {
    name: "any value but false and 0 makes a list a watch",
    async run({ watch, defineWidget }) {
      const { path } = await defineWidget();
      for (const value of ["true", "1", "True", "yes"]) {
        await using stream = await watch(`${path}?watch=${value}&timeoutSeconds=1`);
        assert.equal(await stream.next(), undefined, value);
      }
    },
  },
  {
    name: "a watch of a kind whose definition is deleted ends after its objects are gone",
    async run({ expect, watch, defineWidget }) {
      const { path, widget, definitionPath } = await defineWidget();
      const made = await expect(201, "POST", path, widget("a"));
      await using stream = await watch(`${path}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
      await expect(200, "DELETE", definitionPath);
      const types: string[] = [];
      for (let line = await stream.next(); line !== undefined; line = await stream.next()) types.push(line.type);
      assert.deepEqual(types, ["DELETED"]);
    },
  },
  {
    name: "a watch from a resourceVersion that has been forgotten says so in its first line",
    forgets: true,
    async run({ expect, watch, server, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a"));
      await server.compact();
      await using stream = await watch(`${path}?watch=true&resourceVersion=1`);
      const [line] = await take(stream, 1);
      assert.equal(stream.status, 200);
      assert.equal(line?.type, "ERROR");
      const { message, ...status }: Body = line.object;
      assert.match(message, /^too old resource version: 1 \(\d+\)$/);
      assert.deepEqual(status, {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        reason: "Expired",
        code: 410,
      });
      assert.equal(await stream.next(), undefined);
    },
  },
];
