import assert from "node:assert/strict";
import { createApiServer } from "@almanac/apiserver";
import { createController, done, runControllers } from "@almanac/controller";
import { bearerToken, createFaultyClient, createInformer, createKubeClient } from "@almanac/kube";
import { createNoopTelemetry } from "@almanac/telemetry";

await using api = await createApiServer();
using client = createKubeClient({ server: api.url, auth: bearerToken(api.token) });
const faulty = createFaultyClient(client);
const definition = { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap", namespaced: true };
const maps = faulty.resource(definition);

// The first three patches fail, one is carried out though its answer is lost, and watches break after every event.
faulty.inject({ verbs: ["watch"], dropAfterEvents: 1 });
faulty.inject({ verbs: ["patch"], resources: ["configmaps"], times: 1, loseAnswer: true });
faulty.inject({ verbs: ["patch"], resources: ["configmaps"], times: 3, error: "unavailable", latencyMs: 5 });

const informer = createInformer(maps, { namespace: "default" });
const outcomes: string[] = [];
const controller = createController({
  name: "label",
  informer,
  telemetry: createNoopTelemetry(),
  async reconcile(request, { signal, observe }) {
    const found = informer.get(request.namespace, request.name);
    if (found === undefined || found.metadata.labels?.["seen"] === "yes") return done();
    observe(await maps.patch(request, { metadata: { labels: { seen: "yes" } } }, { type: "merge", signal }));
    return done();
  },
  onReconciled: ({ outcome }) => void outcomes.push(outcome),
});
const stop = new AbortController();
const running = runControllers({ controllers: [controller], signal: stop.signal });
await client.resource(definition).create({ metadata: { namespace: "default", name: "a" } });
while (!outcomes.includes("success")) await new Promise((resolve) => setTimeout(resolve, 10));
stop.abort();
await running;

const { metadata } = await client.resource(definition).get({ namespace: "default", name: "a" });
assert.equal(metadata.labels?.["seen"], "yes");
assert.equal(outcomes.filter((outcome) => outcome === "error").length, 4);
console.log("labelled in spite of", faulty.hits, "faults:", outcomes.join(", "));
