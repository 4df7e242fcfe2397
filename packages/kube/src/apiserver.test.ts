import { createApiServer, type ApiServer } from "@almanac/apiserver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKubeClient, type KubeClient } from "./client.ts";
import { bearerToken } from "./connection.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { eventually } from "./flaky-api.test.support.ts";
import { createInformer, type Informer } from "./informer.ts";
import { createLeaderElector } from "./leader-elector.ts";
import type { KubeObject, ResourceDefinition } from "./objects.ts";
import type { ResourceClient } from "./resource.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

const namespace = "default";
const configMaps: ResourceDefinition = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};

let api: ApiServer;
let client: KubeClient;
let maps: ResourceClient<ConfigMap>;
let stop: AbortController;

beforeEach(async () => {
  api = await createApiServer({ bookmarkIntervalMs: 20 });
  client = createKubeClient({ server: api.url, auth: bearerToken(api.token) }, { userAgent: "tester" });
  maps = client.resource<ConfigMap>(configMaps);
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort(new Error("the test is over"));
  client[Symbol.dispose]();
  await api.close();
});

function versions(informer: Informer<ConfigMap>): string[] {
  return informer
    .list()
    .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
    .sort();
}

describe("this package with the embedded API server", () => {
  it("writes in all its ways", async () => {
    const key = { namespace, name: "a" };
    const created = await maps.create({ metadata: key, data: { a: "1" } });
    await expect(maps.create({ metadata: key })).rejects.toMatchObject({ code: "already_exists" });
    await maps.replace({ ...created, data: { a: "2" } });
    await expect(maps.replace({ ...created, data: { a: "3" } })).rejects.toMatchObject({ code: "conflict" });
    await maps.patch(key, { data: { b: "1" } }, { type: "merge" });
    await maps.patch(key, [{ op: "add", path: "/data/c", value: "1" }], { type: "json" });
    await maps.patch(key, { data: { d: "1" } }, { type: "strategic" });
    await maps.patch(key, { data: { e: "1" } }, { type: "apply", fieldManager: "one" });
    await expect(maps.patch(key, { data: { e: "2" } }, { type: "apply", fieldManager: "two" })).rejects.toMatchObject({
      code: "conflict",
    });
    await maps.patch(key, { data: { e: "2" } }, { type: "apply", fieldManager: "two", force: true });
    expect((await maps.get(key)).data).toEqual({ a: "2", b: "1", c: "1", d: "1", e: "2" });
    await expect(maps.delete(key, { preconditions: { uid: "another" } })).rejects.toMatchObject({ code: "conflict" });
    expect(await maps.delete(key)).toBeUndefined();
  });

  it("says what an object under finalizers still is after its deletion", async () => {
    const key = { namespace, name: "a" };
    await maps.create({ metadata: { ...key, finalizers: ["example.dev/hold"] } });
    expect((await maps.delete(key))?.metadata.deletionTimestamp).toBeDefined();
    await maps.patch(key, { metadata: { finalizers: null } }, { type: "merge" });
    expect(await maps.find(key)).toBeUndefined();
  });

  it("follows hundreds of changes and several pages, through a forgotten history", async () => {
    const names = Array.from({ length: 30 }, (_, index) => `map-${index}`);
    await Promise.all(names.map((name) => maps.create({ metadata: { namespace, name } })));
    const informer = createInformer(maps, { namespace, random: () => 0 });
    informer.start(stop.signal);
    await informer.synced();
    expect(informer.list()).toHaveLength(30);
    expect((await maps.list({ namespace, limit: 7 })).items).toHaveLength(30);
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        names.map((name) => maps.patch({ namespace, name }, { data: { round: String(round) } }, { type: "merge" })),
      );
      if (round === 2) api.store.forgetHistory();
    }
    await maps.delete({ namespace, name: "map-0" });
    const expected = async (): Promise<string[]> => {
      const { items } = await maps.list({ namespace });
      return items.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).sort();
    };
    const wanted = await expected();
    await eventually(() => JSON.stringify(versions(informer)) === JSON.stringify(wanted));
    expect(wanted).toHaveLength(29);
  });

  it("gets 410 for a version that the server has forgotten", async () => {
    await maps.create({ metadata: { namespace, name: "a" } });
    const { resourceVersion } = await maps.list();
    await maps.create({ metadata: { namespace, name: "b" } });
    api.store.forgetHistory();
    await expect(maps.watch({ resourceVersion }).next()).rejects.toMatchObject({ code: "gone" });
  });

  it("elects a leader on a real Lease", async () => {
    const elector = createLeaderElector(client, { namespace, name: "manager" });
    await elector.run(stop.signal, (_signal, term) => {
      expect(term.identity).toBe(elector.identity);
      expect(elector.leading).toBe(true);
      return Promise.resolve();
    });
    expect(api.store.get("leases.coordination.k8s.io", namespace, "manager")).toMatchObject({
      spec: { leaseTransitions: 0 },
    });
  });

  it("records Events that the server takes", async () => {
    const recorder = createEventRecorder(client, { component: "tester" });
    const about = await maps.create({ metadata: { namespace, name: "a" } });
    recorder.record(about, { type: "Warning", reason: "Failed", message: "no room" });
    recorder.record(about, { type: "Warning", reason: "Failed", message: "no room" });
    await recorder[Symbol.asyncDispose]();
    expect(api.store.list("events", namespace)).toMatchObject([
      { reason: "Failed", count: 2, involvedObject: { kind: "ConfigMap", name: "a" } },
    ]);
  });

  it("is told unauthorized without a token", async () => {
    const stranger = createKubeClient({ server: api.url });
    await expect(stranger.resource(configMaps).list()).rejects.toMatchObject({ code: "unauthorized" });
    stranger[Symbol.dispose]();
  });
});
