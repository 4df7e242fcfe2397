import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileSchema } from "../schema/compile.ts";
import type { Json, JsonObject } from "../schema/json.ts";
import { builtinSchema } from "./builtin-schemas.ts";
import type { TrackUpdateOptions } from "./track-update.ts";
import { trackUpdate } from "./track-update.ts";

const schema = compileSchema({
  type: "object",
  properties: {
    spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  },
});
const apiVersion = "test.example/v1";
const times = ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"] as const;

function track(
  live: JsonObject | undefined,
  change: JsonObject,
  options: Partial<TrackUpdateOptions> = {},
): JsonObject {
  const base = live ?? { apiVersion, kind: "Thing", metadata: { name: "t" } };
  return trackUpdate({
    live,
    updated: { ...base, ...change },
    manager: "m",
    apiVersion,
    schema,
    time: times[0],
    ...options,
  });
}

function managed(object: JsonObject): JsonObject[] {
  return ((object["metadata"] as JsonObject)["managedFields"] ?? []) as JsonObject[];
}

describe("trackUpdate", () => {
  it("gives the creator every field, but for identity and what the server sets", () => {
    const metadata = {
      name: "t",
      namespace: "n",
      uid: "u",
      labels: { a: "b" },
      creationTimestamp: times[0],
      generation: 1,
    };
    expect(managed(track(undefined, { metadata, spec: { a: 1, b: { c: [1] } } }))).toEqual([
      {
        manager: "m",
        operation: "Update",
        apiVersion,
        time: times[0],
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:metadata": { "f:labels": { ".": {}, "f:a": {} } },
          "f:spec": { ".": {}, "f:a": {}, "f:b": { ".": {}, "f:c": {} } },
        },
      },
    ]);
  });

  it("moves fields to whoever changes them, and keeps the rest", () => {
    const created = track(undefined, { spec: { a: 1, b: 1 } });
    const changed = track(created, { spec: { a: 2, b: 1 } }, { manager: "other", time: times[1] });
    expect(managed(changed)).toMatchObject([
      { manager: "m", time: times[0], fieldsV1: { "f:spec": { ".": {}, "f:b": {} } } },
      { manager: "other", time: times[1], fieldsV1: { "f:spec": { "f:a": {} } } },
    ]);
  });

  it("changes no entry and no time when nothing changes", () => {
    const created = track(undefined, { spec: { a: 1 } });
    expect(track(created, {}, { time: times[1] })).toEqual(created);
    expect(track(created, {}, { manager: "other", time: times[1] })).toEqual(created);
  });

  it("lets removed fields go from every owner", () => {
    const created = track(undefined, { spec: { a: 1, b: 1 } });
    const removed = track(created, { spec: { b: 1 } }, { manager: "other" });
    expect(managed(removed)).toMatchObject([{ manager: "m", fieldsV1: { "f:spec": { ".": {}, "f:b": {} } } }]);
  });

  it("tracks subresources apart, without what they cannot change", () => {
    const created = track(undefined, { spec: { a: 1 } });
    const status = track(created, { spec: { a: 9 }, status: { ready: true } }, { subresource: "status" });
    expect(managed(status)).toMatchObject([
      { manager: "m", fieldsV1: { "f:spec": { ".": {}, "f:a": {} } } },
      { manager: "m", subresource: "status", fieldsV1: { "f:status": { ".": {}, "f:ready": {} } } },
    ]);
    const main = track(created, { spec: { a: 1 }, status: {} }, { resetFields: ["status"] });
    expect(managed(main)).toEqual(managed(created));
  });

  it.each<[string, Json]>([["one empty entry", [{}]]])(
    "starts afresh when the client sends %s",
    (_name, managedFields) => {
      const created = track(undefined, { spec: { a: 1 } });
      const reset = track(created, { metadata: { name: "t", managedFields }, spec: { a: 2 } });
      expect(managed(reset)).toEqual([]);
      expect(managed(track(reset, { spec: { a: 3 } }))).toEqual([]);
    },
  );

  it("keeps the stored entries when the client sends none, an empty list, or nonsense", () => {
    const created = track(undefined, { spec: { a: 1 } });
    for (const managedFields of [null, [], [{ operation: "Eat" }], "x", [1]] as Json[]) {
      expect(track(created, { metadata: { name: "t", managedFields } })).toEqual(created);
    }
    expect(track(created, { metadata: { name: "t" } })).toEqual(created);
  });

  it("takes the entries that the client sends, except through a subresource", () => {
    const created = track(undefined, { spec: { a: 1 } });
    const renamed = managed(created).map((entry) => ({ ...entry, manager: "renamed" }));
    const change = { metadata: { name: "t", managedFields: renamed } };
    expect(managed(track(created, change)).map((entry) => entry["manager"])).toEqual(["renamed"]);
    expect(managed(track(created, change, { subresource: "status" })).map((entry) => entry["manager"])).toEqual(["m"]);
  });

  it("keeps at most ten updaters, the oldest merged", () => {
    let object = track(undefined, { spec: { a0: 0 } }, { manager: "m00" });
    const spec: JsonObject = { a0: 0 };
    for (let index = 1; index < 15; index++) {
      spec[`a${index}`] = index;
      const time = `2024-01-01T00:00:${String(index).padStart(2, "0")}Z`;
      object = track(object, { spec: { ...spec } }, { manager: `m${String(index).padStart(2, "0")}`, time });
    }
    const entries = managed(object);
    expect(entries).toHaveLength(10);
    expect(entries[0]).toMatchObject({
      manager: "ancient-changes",
      fieldsV1: { "f:spec": { "f:a0": {}, "f:a5": {} } },
    });
    expect(entries.slice(1).map((entry) => entry["manager"])).toEqual([
      "m06",
      "m07",
      "m08",
      "m09",
      "m10",
      "m11",
      "m12",
      "m13",
      "m14",
    ]);
  });

  it("does not own the structs that Go never leaves out", () => {
    const updated = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        replicas: 1,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } },
        template: {
          metadata: { labels: { a: "b" } },
          spec: { containers: [{ name: "app", image: "i", resources: {} }] },
        },
      },
    };
    const created = trackUpdate({
      live: undefined,
      updated,
      manager: "m",
      apiVersion: "apps/v1",
      schema: builtinSchema("Deployment"),
      time: times[0],
    });
    expect(managed(created)[0]?.["fieldsV1"]).toEqual({
      "f:spec": {
        "f:replicas": {},
        "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} }, "f:type": {} },
        "f:template": {
          "f:metadata": { "f:labels": { ".": {}, "f:a": {} } },
          "f:spec": {
            "f:containers": { 'k:{"name":"app"}': { ".": {}, "f:image": {}, "f:name": {}, "f:resources": {} } },
          },
        },
      },
    });
  });

  it("never throws, changes nothing but managedFields, and gives every leaf exactly one owner", () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
    const spec = fc.dictionary(fc.constantFrom("a", "b", "c"), json);
    fc.assert(
      fc.property(spec, fc.array(spec, { maxLength: 4 }), (first, changes) => {
        let object = track(undefined, { spec: first }, { manager: "m0" });
        for (const [index, change] of changes.entries()) {
          object = track(object, { spec: change }, { manager: `m${index + 1}` });
          expect(object["spec"]).toEqual(change);
        }
        const owners = managed(object).flatMap((entry) => leaves(entry["fieldsV1"] ?? {}));
        expect(new Set(owners).size).toBe(owners.length);
      }),
    );
  });
});

function leaves(fields: Json, path = ""): string[] {
  const entries = Object.entries(fields as JsonObject);
  return entries.length === 0 ? [path] : entries.flatMap(([key, below]) => leaves(below, `${path}/${key}`));
}
