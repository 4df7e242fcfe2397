import { createApiServer } from "@almanac/apiserver";
import { createController, done, ownerRequests, runControllers, watch } from "@almanac/controller";
import { bearerToken, createInformer, createKubeClient, type KubeObject } from "@almanac/kube";
import { startTelemetry } from "@almanac/telemetry";

interface Website extends KubeObject {
  readonly spec: { readonly title: string };
}

// An API server of its own. With a cluster: createKubeClient(await loadKubeConfig()).
await using api = await createApiServer();
await using telemetry = await startTelemetry({ serviceName: "websites", owner: "websites", catalogs: [], metrics: {} });
using kube = createKubeClient({ server: api.url, auth: bearerToken(api.token) });
await kube.request({
  method: "POST",
  path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  body: {
    metadata: { name: "websites.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { kind: "Website", plural: "websites" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema() } }],
    },
  },
});
const websites = kube.resource<Website>({
  group: "example.com",
  version: "v1",
  plural: "websites",
  kind: "Website",
  namespaced: true,
});
const pages = kube.resource({ group: "", version: "v1", plural: "configmaps", kind: "ConfigMap", namespaced: true });
const stop = new AbortController();

// The controller: a page for every website, made again when someone deletes it.
const informer = createInformer(websites);
const controller = createController({
  name: "website",
  informer,
  watches: [watch(createInformer(pages), { map: ownerRequests("Website") })],
  telemetry,
  async reconcile(request, { signal }) {
    const site = informer.get(request.namespace, request.name);
    if (site !== undefined) await pages.patch(request, pageOf(site), { type: "apply", signal });
    return done();
  },
});
const running = runControllers({ controllers: [controller], signal: stop.signal });

await websites.create({ metadata: { namespace: "default", name: "hello" }, spec: { title: "Hello" } });
console.log("made:", await page());
await pages.delete({ namespace: "default", name: "hello" });
console.log("made again:", await page());
stop.abort();
await running;

function pageOf({ apiVersion = "", kind = "", metadata, spec }: Website) {
  const { name, uid = "" } = metadata;
  const owner = { apiVersion, kind, name, uid, controller: true };
  return { metadata: { ownerReferences: [owner] }, data: { "index.html": `<h1>${spec.title}</h1>` } };
}

async function page(): Promise<unknown> {
  for (;;) {
    const found = await pages.find({ namespace: "default", name: "hello" });
    if (found !== undefined) return (found as { data?: unknown }).data;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function schema() {
  const spec = { type: "object", properties: { title: { type: "string" } } };
  return { type: "object", properties: { spec } };
}
