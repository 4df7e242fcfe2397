import assert from "node:assert/strict";
import { createApiServer } from "@almanac/apiserver";
import { createController, done, ownerRequests, runControllers, watch } from "@almanac/controller";
import { bearerToken, createFaultyClient, createInformer, createKubeClient } from "@almanac/kube";
import { createNoopTelemetry } from "@almanac/telemetry";

await using api = await createApiServer();
using client = createKubeClient({ server: api.url, auth: bearerToken(api.token) });
const faulty = createFaultyClient(client);
const core = { group: "", version: "v1", namespaced: true };
const apps = faulty.resource({ ...core, plural: "configmaps", kind: "ConfigMap" });
const tokens = faulty.resource({ ...core, plural: "secrets", kind: "Secret" });

// The watch of Secrets brings nothing for as long as this runs.
faulty.inject({ verbs: ["watch"], resources: ["secrets"], latencyMs: 20_000 });

const namespace = "default";
const informer = createInformer(apps, { namespace });
const owned = createInformer(tokens, {
  namespace,
  indexers: { owner: ({ metadata }) => (metadata.ownerReferences ?? []).map(({ uid }) => uid) },
});
let reconciles = 0;
const controller = createController({
  name: "token",
  informer,
  watches: [watch(owned, { map: ownerRequests("ConfigMap") })],
  telemetry: createNoopTelemetry(),
  async reconcile({ name }, { signal }) {
    reconciles += 1;
    const app = informer.get(namespace, name);
    if (app === undefined) return done();
    const { uid = "" } = app.metadata;
    if (owned.byIndex("owner", uid).length > 0) return done();
    const owner = { apiVersion: "v1", kind: "ConfigMap", name, uid, controller: true };
    const metadata = { namespace, generateName: `${name}-`, ownerReferences: [owner] };
    owned.observe(await tokens.create({ metadata }, { signal }));
    return done();
  },
});
const stop = new AbortController();
const running = runControllers({ controllers: [controller], signal: stop.signal });
await apps.create({ metadata: { namespace, name: "shop" } });
for (const step of [1, 2, 3]) {
  while (reconciles < step) await new Promise((resolve) => setTimeout(resolve, 10));
  await apps.patch({ namespace, name: "shop" }, { data: { step: String(step) } }, { type: "merge" });
}
while (reconciles < 4) await new Promise((resolve) => setTimeout(resolve, 10));
stop.abort();
await running;

const { items } = await client.resource(tokens.definition).list({ namespace });
assert.equal(items.length, 1);
console.log(reconciles, "reconciles made one Secret");
