/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body, Client } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const table = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };

function names(list: Body): string[] {
  return list.items.map((one: Body) => one.metadata.name);
}

async function fill({ expect }: Client, path: string, count: number, prefix = "m"): Promise<void> {
  for (let index = 0; index < count; index++) {
    const labels = { parity: index % 2 === 0 ? "even" : "odd", index: String(index) };
    await expect(201, "POST", path, configMap(`${prefix}${index}`, {}, { labels }));
  }
}

/** The labels keep what a real cluster puts into every namespace out of the way. */
const own = "labelSelector=index";

/** Lists, selectors, pages, tables. */
export const collectionCases: readonly ConformanceCase[] = [
  {
    name: "a list has a kind, a resourceVersion and its items in name order",
    async run(context) {
      await fill(context, `${context.core}/configmaps`, 3);
      const list = await context.expect(200, "GET", `${context.core}/configmaps?${own}`);
      assert.equal(list.kind, "ConfigMapList");
      assert.equal(list.apiVersion, "v1");
      assert.match(list.metadata.resourceVersion, /^\d+$/);
      assert.deepEqual(names(list), ["m0", "m1", "m2"]);
    },
  },
  {
    name: "an empty list has an empty array",
    async run({ expect, core }) {
      assert.deepEqual((await expect(200, "GET", `${core}/secrets?labelSelector=none`)).items, []);
    },
  },
  ...(
    [
      ["parity=even", ["m0", "m2"]],
      ["parity==odd", ["m1"]],
      ["parity!=even,index", ["m1"]],
      ["index in (0,2)", ["m0", "m2"]],
      ["index notin (0,2),index", ["m1"]],
      ["index,!nothing", ["m0", "m1", "m2"]],
      ["index>1", ["m2"]],
      ["index<1", ["m0"]],
    ] as const
  ).map(([selector, expected]): ConformanceCase => ({
    name: `the label selector ${selector} selects ${expected.join(", ")}`,
    async run(context) {
      await fill(context, `${context.core}/configmaps`, 3);
      const list = await context.expect(
        200,
        "GET",
        `${context.core}/configmaps?labelSelector=${encodeURIComponent(selector)}`,
      );
      assert.deepEqual(names(list), expected);
    },
  })),
  {
    name: "names that objects of JavaScript have by nature mean nothing",
    async run({ expect, core }) {
      await expect(
        201,
        "POST",
        `${core}/configmaps`,
        configMap("a", { constructor: "1", __proto: "2" }, { labels: { l: "1" } }),
      );
      await expect(201, "POST", `${core}/secrets`, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "s" },
        type: "constructor",
      });
      assert.deepEqual(names(await expect(200, "GET", `${core}/configmaps?labelSelector=constructor`)), []);
      assert.deepEqual(names(await expect(200, "GET", `${core}/configmaps?labelSelector=l,toString!%3Dx`)), ["a"]);
    },
  },
  {
    name: "a label selector that cannot be parsed answers 400",
    async run({ expect, core }) {
      const status = await expect(400, "GET", `${core}/configmaps?labelSelector=${encodeURIComponent("a in b")}`);
      assert.match(status.message, /^unable to parse requirement: found 'b',? expected: '\('/);
    },
  },
  {
    name: "the field selector metadata.name selects one object",
    async run(context) {
      await fill(context, `${context.core}/configmaps`, 3);
      const list = await context.expect(200, "GET", `${context.core}/configmaps?fieldSelector=metadata.name%3Dm1`);
      assert.deepEqual(names(list), ["m1"]);
      const others = await context.expect(
        200,
        "GET",
        `${context.core}/configmaps?${own}&fieldSelector=metadata.name!%3Dm1`,
      );
      assert.deepEqual(names(others), ["m0", "m2"]);
    },
  },
  {
    name: "a field that cannot be selected answers 400",
    async run({ expect, core, defineWidget }) {
      const status = await expect(400, "GET", `${core}/configmaps?fieldSelector=data.x%3D1`);
      assert.match(
        status.message,
        /"data\.x" is not a known field selector: only "metadata\.name", "metadata\.namespace"/,
      );
      const { path } = await defineWidget();
      const other = await expect(400, "GET", `${path}?fieldSelector=spec.size%3D1`);
      assert.match(other.message, /field label not supported: spec\.size/);
    },
  },
  {
    name: "selectableFields of a definition can be selected",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 1, color: "red" }));
      await expect(201, "POST", path, widget("b", { size: 1, color: "blue" }));
      assert.deepEqual(names(await expect(200, "GET", `${path}?fieldSelector=spec.color%3Dblue`)), ["b"]);
    },
  },
  {
    name: "Secrets can be selected by type, Events by what they are about",
    async run({ expect, core, namespace }) {
      await expect(201, "POST", `${core}/secrets`, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "a" },
        type: "example.com/a",
      });
      await expect(201, "POST", `${core}/secrets`, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "b" },
        type: "example.com/b",
      });
      assert.deepEqual(names(await expect(200, "GET", `${core}/secrets?fieldSelector=type%3Dexample.com/a`)), ["a"]);
      for (const name of ["x", "y"]) {
        const involvedObject = { apiVersion: "v1", kind: "ConfigMap", name, namespace };
        const event = {
          apiVersion: "v1",
          kind: "Event",
          metadata: { name: `e-${name}` },
          involvedObject,
          reason: "Tested",
          type: "Normal",
        };
        await expect(201, "POST", `${core}/events`, event);
      }
      const selector = encodeURIComponent("involvedObject.kind=ConfigMap,involvedObject.name=x");
      assert.deepEqual(names(await expect(200, "GET", `${core}/events?fieldSelector=${selector}`)), ["e-x"]);
    },
  },
  {
    name: "events.k8s.io shows core events under its own field names",
    async run({ expect, core, namespace }) {
      const involvedObject = { kind: "ConfigMap", name: "x", namespace };
      await expect(201, "POST", `${core}/events`, {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: "e" },
        involvedObject,
        message: "hello",
        reason: "Tested",
        type: "Normal",
      });
      const event = await expect(200, "GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events/e`);
      assert.equal(event.apiVersion, "events.k8s.io/v1");
      assert.equal(event.note, "hello");
      assert.deepEqual(event.regarding, involvedObject);
    },
  },
  {
    name: "pages are consistent with the first one",
    async run(context) {
      const { expect, core } = context;
      const path = `${core}/configmaps`;
      await fill(context, path, 5);
      const first = await expect(200, "GET", `${path}?limit=2&${own}`);
      assert.deepEqual(names(first), ["m0", "m1"]);
      await expect(200, "DELETE", `${path}/m3`);
      await expect(201, "POST", path, configMap("m2a", {}, { labels: { index: "9" } }));
      const second = await expect(200, "GET", `${path}?limit=2&${own}&continue=${first.metadata.continue}`);
      assert.deepEqual(names(second), ["m2", "m3"]);
      assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
      const third = await expect(200, "GET", `${path}?limit=2&${own}&continue=${second.metadata.continue}`);
      assert.deepEqual(names(third), ["m4"]);
      assert.equal(third.metadata.continue ?? "", "");
    },
  },
  {
    name: "a page without selectors says how many objects remain",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      for (const name of ["a", "b", "c"]) await expect(201, "POST", path, widget(name));
      const first = await expect(200, "GET", `${path}?limit=1`);
      assert.equal(first.metadata.remainingItemCount, 2);
    },
  },
  {
    name: "a bad continue token answers 400",
    async run({ expect, core }) {
      const status = await expect(400, "GET", `${core}/configmaps?limit=1&continue=nonsense`);
      assert.match(status.message, /^invalid continue token: continue key is not valid/);
    },
  },
  {
    name: "resourceVersionMatch without a resourceVersion answers 422",
    async run({ expect, core }) {
      const status = await expect(422, "GET", `${core}/configmaps?resourceVersionMatch=Exact`);
      assert.equal(
        status.message,
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
      );
    },
  },
  {
    name: "an exact resourceVersion shows the past",
    async run({ expect, core }) {
      const made = await expect(
        201,
        "POST",
        `${core}/configmaps`,
        configMap("a", { x: "1" }, { labels: { index: "1" } }),
      );
      const changed = await expect(
        200,
        "PUT",
        `${core}/configmaps/a`,
        configMap("a", { x: "2" }, { labels: { index: "1" } }),
      );
      const then = await expect(
        200,
        "GET",
        `${core}/configmaps?${own}&resourceVersion=${made.metadata.resourceVersion}&resourceVersionMatch=Exact`,
      );
      assert.equal(then.metadata.resourceVersion, made.metadata.resourceVersion);
      assert.deepEqual(then.items[0].data, { x: "1" });
      // The cache that answers may lag behind, until it is asked for the newest.
      await expect(200, "GET", `${core}/configmaps?${own}&resourceVersion=${changed.metadata.resourceVersion}`);
      const now = await expect(
        200,
        "GET",
        `${core}/configmaps?${own}&resourceVersion=${made.metadata.resourceVersion}&resourceVersionMatch=NotOlderThan`,
      );
      assert.deepEqual(now.items[0].data, { x: "2" });
    },
  },
  {
    name: "a resourceVersion of the future times out",
    async run({ expect, core }) {
      const status = await expect(504, "GET", `${core}/configmaps?resourceVersion=999999999`);
      assert.equal(status.reason, "Timeout");
      assert.match(status.message, /Too large resource version: 999999999, current: \d+/);
    },
  },
  {
    name: "a table has the columns of the definition",
    async run({ expect, defineWidget }) {
      const { path, widget } = await defineWidget();
      await expect(201, "POST", path, widget("a", { size: 4 }));
      await expect(
        200,
        "PATCH",
        `${path}/a/status`,
        { status: { ips: ["10.0.0.1", "10.0.0.2"] } },
        { contentType: "application/merge-patch+json" },
      );
      const shown = await expect(200, "GET", path, undefined, table);
      assert.equal(shown.kind, "Table");
      assert.equal(shown.apiVersion, "meta.k8s.io/v1");
      assert.deepEqual(
        shown.columnDefinitions.map((one: Body) => [one.name, one.type]),
        [
          ["Name", "string"],
          ["Size", "integer"],
          ["IPs", "string"],
          ["Age", "date"],
        ],
      );
      assert.deepEqual(shown.rows[0].cells.slice(0, 3), ["a", 4, "10.0.0.1"]);
      assert.match(shown.rows[0].cells[3], /^\d+s$/);
      assert.equal(shown.rows[0].object.kind, "PartialObjectMetadata");
      assert.equal(shown.rows[0].object.metadata.name, "a");
      const full = await expect(200, "GET", `${path}/a?includeObject=Object`, undefined, table);
      assert.equal(full.rows[0].object.kind, "Widget");
    },
  },
  {
    name: "metadata alone can be asked for",
    async run(context) {
      await fill(context, `${context.core}/configmaps`, 1);
      const accept = { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" };
      const list = await context.expect(200, "GET", `${context.core}/configmaps?${own}`, undefined, accept);
      assert.equal(list.kind, "PartialObjectMetadataList");
      assert.equal(list.items[0].metadata.name, "m0");
      assert.equal(list.items[0].data, undefined);
    },
  },
  {
    name: "an Accept header that nothing fits answers 406",
    async run({ call, core }) {
      const { status } = await call("GET", `${core}/configmaps`, undefined, { accept: "text/html" });
      assert.equal(status, 406);
    },
  },
];
