/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Answer, Body } from "./client.ts";
import type { CaseContext, ConformanceCase, WidgetApi } from "./case.ts";
import assert from "node:assert/strict";
import { configMap } from "./case.ts";

const merge = { contentType: "application/merge-patch+json" };
const applyType = { contentType: "application/apply-patch+yaml" };
const text = { type: "string" };

interface Things extends WidgetApi {
  /** Applies `spec` to the object `a` as `manager`. */
  readonly apply: (manager: string, spec: Body, query?: string) => Promise<Answer>;
  /** The same, expecting 200 or 201. */
  readonly applied: (manager: string, spec: Body, query?: string) => Promise<Body>;
  /** The same, expecting a refusal; returns its message. */
  readonly refused: (status: number, manager: string, spec: Body, query?: string) => Promise<string>;
}

/** A kind with a list or map of every merge type. */
async function defineThings({ defineWidget, call }: CaseContext): Promise<Things> {
  const api = await defineWidget((definition) => {
    const { spec } = definition.spec.versions[0].schema.openAPIV3Schema.properties;
    delete spec.required;
    spec.properties.size.default = 3;
    Object.assign(spec.properties, {
      set: { type: "array", "x-kubernetes-list-type": "set", items: text },
      atom: { type: "array", "x-kubernetes-list-type": "atomic", items: text },
      amap: { type: "object", "x-kubernetes-map-type": "atomic", properties: { a: text, b: text } },
      gmap: { type: "object", additionalProperties: text },
      deep: { type: "object", properties: { er: { type: "object", properties: { a: text, b: text } } } },
      flag: { type: "boolean" },
      ports: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "proto"],
        items: {
          type: "object",
          required: ["name"],
          properties: { name: text, proto: { ...text, default: "tcp" }, port: { type: "integer" } },
        },
      },
    });
  });
  const apply: Things["apply"] = (manager, spec, query = "") =>
    call("PATCH", `${api.path}/a?fieldManager=${manager}${query}`, api.widget("a", spec), applyType);
  return {
    ...api,
    apply,
    async applied(manager, spec, query) {
      const { status, body } = await apply(manager, spec, query);
      assert.ok(status === 200 || status === 201, JSON.stringify(body));
      return body;
    },
    async refused(expected, manager, spec, query) {
      const { status, body } = await apply(manager, spec, query);
      assert.equal(status, expected, JSON.stringify(body));
      return body.message as string;
    },
  };
}

function fieldsOf(object: Body, manager: string): Body {
  return object.metadata.managedFields.find((one: Body) => one.manager === manager)?.fieldsV1["f:spec"];
}

const conflict = (field: string, manager = "one"): string =>
  `Apply failed with 1 conflict: conflict with "${manager}": ${field}`;
const port = (name: string, number: number, proto?: string): Body => ({
  name,
  port: number,
  ...(proto === undefined ? {} : { proto }),
});

/** What is owned by whom under each merge type, and how it is lost. */
export const ownershipCases: readonly ConformanceCase[] = [
  {
    name: "the values of a set belong to whoever applies them, several managers at once",
    async run(context) {
      const { applied } = await defineThings(context);
      await applied("one", { set: ["x", "y"] });
      const both = await applied("two", { set: ["y", "z"] });
      assert.deepEqual(both.spec.set, ["x", "y", "z"]);
      assert.deepEqual(fieldsOf(both, "two"), { "f:set": { 'v:"y"': {}, 'v:"z"': {} } });
      assert.deepEqual((await applied("one", {})).spec.set, ["y", "z"]);
      assert.deepEqual((await applied("two", { set: ["z"] })).spec.set, ["z"]);
    },
  },
  {
    name: "a value twice in an applied set answers 500",
    async run(context) {
      const { refused } = await defineThings(context);
      assert.match(await refused(500, "one", { set: ["x", "x"] }), /\.spec\.set: duplicate entries for key \[="x"\]$/);
    },
  },
  {
    name: "an atomic list has one owner, who is the last to force it",
    async run(context) {
      const { applied, refused } = await defineThings(context);
      await applied("one", { atom: ["x"] });
      assert.equal(await refused(409, "two", { atom: ["y"] }), conflict(".spec.atom"));
      await applied("two", { atom: ["x"] });
      const forced = await applied("two", { atom: ["y"] }, "&force=true");
      assert.deepEqual(forced.spec.atom, ["y"]);
      assert.equal(fieldsOf(forced, "one"), undefined);
      assert.equal(await refused(409, "one", { atom: ["x"] }), conflict(".spec.atom", "two"));
    },
  },
  {
    name: "an atomic map has one owner",
    async run(context) {
      const { applied, refused } = await defineThings(context);
      await applied("one", { amap: { a: "1" } });
      assert.equal(await refused(409, "two", { amap: { b: "1" } }), conflict(".spec.amap"));
      const forced = await applied("two", { amap: { b: "1" } }, "&force=true");
      assert.deepEqual(forced.spec.amap, { b: "1" });
      assert.deepEqual(fieldsOf(forced, "two"), { "f:amap": {} });
    },
  },
  {
    name: "the keys of a granular map belong to whoever applies them",
    async run(context) {
      const { applied, refused } = await defineThings(context);
      await applied("one", { gmap: { a: "1" } });
      assert.deepEqual((await applied("two", { gmap: { b: "2" } })).spec.gmap, { a: "1", b: "2" });
      assert.equal(await refused(409, "two", { gmap: { a: "2", b: "2" } }), conflict(".spec.gmap.a"));
      assert.deepEqual((await applied("one", {})).spec.gmap, { b: "2" });
    },
  },
  {
    name: "nested fields belong to different managers, and the map around them goes with the last",
    async run(context) {
      const { applied } = await defineThings(context);
      await applied("one", { deep: { er: { a: "1" } } });
      assert.deepEqual((await applied("two", { deep: { er: { b: "2" } } })).spec.deep, { er: { a: "1", b: "2" } });
      assert.deepEqual((await applied("one", {})).spec.deep, { er: { b: "2" } });
      assert.equal((await applied("two", {})).spec.deep, undefined);
    },
  },
  {
    name: "items of a list map are told apart by all keys, defaults included",
    async run(context) {
      const { applied, refused } = await defineThings(context);
      await applied("one", { ports: [port("a", 1)] });
      const both = await applied("two", { ports: [port("a", 2, "udp")] });
      assert.deepEqual(both.spec.ports, [port("a", 1, "tcp"), port("a", 2, "udp")]);
      assert.deepEqual(Object.keys(fieldsOf(both, "two")["f:ports"]), ['k:{"name":"a","proto":"udp"}']);
      assert.equal(
        await refused(409, "two", { ports: [port("a", 2)] }),
        conflict('.spec.ports[name="a",proto="tcp"].port'),
      );
      const left = await applied("one", {});
      assert.deepEqual(left.spec.ports, [port("a", 2, "udp")]);
    },
  },
  {
    name: "an applied item without a required key is told by the keys it has, and refused by the schema",
    async run(context) {
      const { refused, group } = await defineThings(context);
      assert.equal(
        await refused(422, "one", { ports: [{ proto: "x" }] }),
        `Widget.${group} "a" is invalid: spec.ports[0].name: Required value`,
      );
    },
  },
  {
    name: "applied items keep their order among what others have",
    async run(context) {
      const { applied } = await defineThings(context);
      await applied("one", { set: ["a", "b", "c"] });
      assert.deepEqual((await applied("two", { set: ["d", "b"] })).spec.set, ["a", "d", "b", "c"]);
      assert.deepEqual((await applied("one", { set: ["c", "b", "a"] })).spec.set.toSorted(), ["a", "b", "c", "d"]);
    },
  },
  {
    name: "defaults have no owner, and come back when the owner of the field leaves",
    async run(context) {
      const { applied } = await defineThings(context);
      const made = await applied("one", { size: 5, color: "blue", flag: true });
      assert.deepEqual(fieldsOf(made, "one"), { "f:size": {}, "f:color": {}, "f:flag": {} });
      const left = await applied("one", { flag: true });
      assert.deepEqual(left.spec, { size: 3, color: "red", flag: true });
      assert.deepEqual(fieldsOf(left, "one"), { "f:flag": {} });
    },
  },
  {
    name: "an apply that leaves nothing in an object that it still names",
    differs:
      "the object is left empty, as the configuration says; the real server makes it null, and its schema refuses that",
    async run(context) {
      const { apply, applied } = await defineThings(context);
      await applied("one", { size: 5, color: "blue" });
      assert.equal((await apply("one", {})).status, context.either(422, 200));
    },
  },
  {
    name: "a second manager with the same value shares the field, and it stays when one of them leaves",
    async run(context) {
      const { applied, refused } = await defineThings(context);
      await applied("one", { size: 5 });
      await applied("two", { size: 5 });
      assert.equal(await refused(409, "two", { size: 6 }), conflict(".spec.size"));
      assert.equal((await applied("one", {})).spec.size, 5);
      assert.equal((await applied("two", { size: 6 })).spec.size, 6);
    },
  },
  {
    name: "an apply that changes owners alone writes no time",
    async run(context) {
      const { applied, expect, path } = { ...(await defineThings(context)), expect: context.expect };
      const made = await applied("one", { size: 5 });
      const shared = await applied("two", { size: 5 });
      assert.notEqual(shared.metadata.resourceVersion, made.metadata.resourceVersion);
      const [first] = shared.metadata.managedFields;
      assert.deepEqual([first.manager, first.time], ["two", undefined]);
      assert.equal((await expect(200, "GET", `${path}/a`)).metadata.generation, 1);
    },
  },
  {
    name: "a field that another manager updates is lost to it, without a word",
    async run(context) {
      const { applied, path, refused } = await defineThings(context);
      await applied("one", { size: 5, flag: true });
      const patch = { spec: { size: 6 } };
      const updated = await context.expect(200, "PATCH", `${path}/a?fieldManager=hand`, patch, merge);
      assert.deepEqual(fieldsOf(updated, "one"), { "f:flag": {} });
      assert.deepEqual(fieldsOf(updated, "hand"), { "f:size": {} });
      assert.match(await refused(409, "one", { size: 5, flag: true }), /conflict with "hand" using \S+: \.spec\.size$/);
      assert.equal((await applied("one", { flag: true })).spec.size, 6);
    },
  },
  {
    name: "force takes several fields of several managers at once",
    async run(context) {
      const { applied, apply } = await defineThings(context);
      await applied("one", { size: 5, gmap: { a: "1" } });
      await applied("two", { flag: true });
      const { status, body } = await apply("three", { size: 6, gmap: { a: "2" }, flag: false });
      assert.equal(status, 409);
      assert.equal(
        body.message,
        'Apply failed with 3 conflicts: conflicts with "one":\n- .spec.size\n- .spec.gmap.a\nconflicts with "two":\n- .spec.flag',
      );
      assert.deepEqual(body.details.causes.map(({ field }: Body) => field).toSorted(), [
        ".spec.flag",
        ".spec.gmap.a",
        ".spec.size",
      ]);
      const forced = await applied("three", { size: 6, gmap: { a: "2" }, flag: false }, "&force=true");
      assert.deepEqual([fieldsOf(forced, "one"), fieldsOf(forced, "two")], [undefined, undefined]);
    },
  },
  ...(
    [
      ["a text for a number", { size: "x" }, ".spec.size: expected numeric (int or float), got string"],
      ["a number for a text", { color: 5 }, ".spec.color: expected string, got &value.valueUnstructured{Value:5}"],
      [
        "a number in a set of texts",
        { set: [1] },
        ".spec.set[=1]: expected string, got &value.valueUnstructured{Value:1}",
      ],
      ["a text for a list", { set: "x" }, ".spec.set: expected list, got &{x}"],
      [
        "a number in a map of texts",
        { gmap: { a: 5 } },
        ".spec.gmap.a: expected string, got &value.valueUnstructured{Value:5}",
      ],
      [
        "a number in a list map",
        { ports: [5] },
        ".spec.ports: element 0: associative list with keys may not have non-map elements",
      ],
      [
        "null in a list map",
        { ports: [null] },
        ".spec.ports: element 0: associative list with keys may not have a null element",
      ],
      ["an unknown field", { bogus: 1 }, ".spec.bogus: field not declared in schema"],
    ] as [string, Body, string][]
  ).map(([what, spec, problem]): ConformanceCase => ({
    name: `an applied configuration with ${what} answers 500, whatever the field validation`,
    async run(context) {
      const { refused, apiVersion } = await defineThings(context);
      const message = `failed to create typed patch object (/a; ${apiVersion}, Kind=Widget): ${problem}`;
      assert.equal(await refused(500, "one", spec), message);
      assert.equal(await refused(500, "one", spec, "&fieldValidation=Ignore"), message);
    },
  })),
  {
    name: "values of the wrong type in an applied ConfigMap are refused",
    differs: "built-in kinds are decoded before they are merged here",
    async run({ expect, either, core }) {
      const status = await expect(
        either(500, 400),
        "PATCH",
        `${core}/configmaps/a?fieldManager=one`,
        { ...configMap("a"), data: { a: 1 } },
        applyType,
      );
      assert.match(status.message, /data\.a/);
    },
  },
  {
    name: "what an applied configuration leaves is validated",
    async run(context) {
      const { refused, group } = await defineThings(context);
      assert.equal(
        await refused(422, "one", { size: 99 }),
        `Widget.${group} "a" is invalid: spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10`,
      );
    },
  },
  {
    name: "a dry run of an apply shows the owners and stores nothing",
    async run(context) {
      const { applied, path } = await defineThings(context);
      assert.deepEqual(fieldsOf(await applied("one", { size: 5 }, "&dryRun=All"), "one"), { "f:size": {} });
      await context.expect(404, "GET", `${path}/a`);
      const made = await applied("one", { size: 5 });
      assert.equal((await applied("one", { size: 6 }, "&dryRun=All")).spec.size, 6);
      assert.deepEqual(await context.expect(200, "GET", `${path}/a`), made);
    },
  },
  {
    name: "an applied resourceVersion must be the current one",
    async run(context) {
      const { applied, path, widget } = await defineThings(context);
      const { metadata } = await applied("one", { size: 5 });
      const configuration = (resourceVersion: string): Body => ({
        ...widget("a", { size: 6 }),
        metadata: { name: "a", resourceVersion },
      });
      const url = `${path}/a?fieldManager=one`;
      await context.expect(409, "PATCH", url, configuration("1"), applyType);
      await context.expect(200, "PATCH", url, configuration(metadata.resourceVersion), applyType);
    },
  },
  {
    name: "an applied uid must be the object's",
    async run(context) {
      const { applied, path, widget, group } = await defineThings(context);
      const { metadata } = await applied("one", {});
      const configuration = (uid: string): Body => ({ ...widget("a", {}), metadata: { name: "a", uid } });
      const url = `${path}/a?fieldManager=one`;
      const status = await context.expect(422, "PATCH", url, configuration("x"), applyType);
      assert.equal(
        status.message,
        `Widget.${group} "a" is invalid: metadata.uid: Invalid value: "x": field is immutable`,
      );
      await context.expect(200, "PATCH", url, configuration(metadata.uid), applyType);
    },
  },
  {
    name: "labels, annotations, finalizers and owners are applied item by item",
    async run(context) {
      const { path, widget } = await defineThings(context);
      const owner = (uid: string): Body => ({ apiVersion: "v1", kind: "X", name: uid, uid });
      const apply = (manager: string, metadata: Body): Promise<Body> =>
        context
          .call(
            "PATCH",
            `${path}/a?fieldManager=${manager}`,
            { ...widget("a", {}), metadata: { name: "a", ...metadata } },
            applyType,
          )
          .then(({ status, body }) => (assert.ok(status < 300, JSON.stringify(body)), body.metadata));
      await apply("one", {
        labels: { a: "1" },
        annotations: { b: "1" },
        finalizers: ["a.b/c"],
        ownerReferences: [owner("u1")],
      });
      const both = await apply("two", { labels: { c: "1" }, finalizers: ["a.b/d"], ownerReferences: [owner("u2")] });
      assert.deepEqual(both.labels, { a: "1", c: "1" });
      assert.deepEqual(both.finalizers, ["a.b/c", "a.b/d"]);
      assert.deepEqual(
        both.ownerReferences.map(({ uid }: Body) => uid),
        ["u1", "u2"],
      );
      const left = await apply("one", {});
      assert.deepEqual([left.labels, left.annotations, left.finalizers], [{ c: "1" }, undefined, ["a.b/d"]]);
      await apply("two", {});
    },
  },
  {
    name: "managedFields are nobody's to apply, and one empty entry of an update resets them",
    async run(context) {
      const { applied, path, widget } = await defineThings(context);
      await applied("one", { size: 5 });
      const body = { ...widget("a", {}), metadata: { name: "a", managedFields: [{ manager: "x" }] } };
      const status = await context.expect(400, "PATCH", `${path}/a?fieldManager=one`, body, applyType);
      assert.equal(status.message, "metadata.managedFields must be nil");
      const patch = (managedFields: Body[]): Promise<Body> =>
        context.expect(200, "PATCH", `${path}/a`, { metadata: { managedFields } }, merge);
      assert.equal((await patch([])).metadata.managedFields.length, 1);
      assert.equal((await patch([{}])).metadata.managedFields, undefined);
    },
  },
  {
    name: "an object whose owners were reset belongs to before-first-apply",
    async run(context) {
      const { applied, path, refused } = await defineThings(context);
      await applied("one", { size: 5 });
      await context.expect(200, "PATCH", `${path}/a`, { metadata: { managedFields: [{}] } }, merge);
      assert.match(
        await refused(409, "two", { size: 6 }),
        /conflict with "before-first-apply" using \S+: \.spec\.size$/,
      );
      const applied2 = await applied("two", { size: 5 });
      assert.ok(applied2.metadata.managedFields.some(({ manager }: Body) => manager === "before-first-apply"));
    },
  },
  {
    name: "the ports of a Service are applied by port and protocol, its selector as a whole",
    async run({ call, core }) {
      const apply = async (manager: string, spec: Body): Promise<Answer> =>
        call(
          "PATCH",
          `${core}/services/s?fieldManager=${manager}`,
          { apiVersion: "v1", kind: "Service", metadata: { name: "s" }, spec },
          applyType,
        );
      assert.equal((await apply("one", { ports: [{ port: 80, name: "a" }], selector: { a: "1" } })).status, 201);
      const refused = await apply("two", { ports: [{ port: 80, protocol: "UDP", name: "b" }], selector: { b: "1" } });
      assert.equal(refused.body.message, conflict(".spec.selector"));
      const { body } = await apply("two", { ports: [{ port: 80, protocol: "UDP", name: "b" }] });
      assert.deepEqual(
        body.spec.ports.map((one: Body) => [one.name, one.protocol]),
        [
          ["a", "TCP"],
          ["b", "UDP"],
        ],
      );
    },
  },
  {
    name: "force that is not wanted is no force, and an apply needs YAML that can be read",
    async run(context) {
      const { applied, refused, path } = await defineThings(context);
      await applied("one", { size: 5 });
      assert.equal(await refused(409, "two", { size: 6 }, "&force=false"), conflict(".spec.size"));
      const status = await context.expect(400, "PATCH", `${path}/a?fieldManager=one`, "apiVersion: [", applyType);
      assert.match(status.message, /^error decoding YAML: error converting YAML to JSON: yaml: /);
    },
  },
];
