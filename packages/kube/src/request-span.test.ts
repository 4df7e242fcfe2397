import { context as contexts, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFlakyApi } from "./flaky-api.test.support.ts";
import { pathTemplate } from "./request-span.ts";

describe("pathTemplate", () => {
  it.each([
    ["/api/v1/namespaces/default/pods/web-0/status", "/api/v1/namespaces/{namespace}/pods/{name}/status"],
    ["/apis/apps/v1/namespaces/default/deployments", "/apis/apps/v1/namespaces/{namespace}/deployments"],
    ["/apis/apps/v1/deployments", "/apis/apps/v1/deployments"],
    ["/api/v1/namespaces/default", "/api/v1/namespaces/{name}"],
    ["/api/v1/nodes/n1", "/api/v1/nodes/{name}"],
    ["/api/v1/namespaces", "/api/v1/namespaces"],
    ["/version", "/version"],
  ])("of %s is %s", (path, template) => {
    expect(pathTemplate(path)).toBe(template);
  });
});

describe("a client's spans", () => {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  beforeAll(() => void contexts.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
  afterAll(() => contexts.disable());

  it("are made below an active span only, one per try, and name no object", async () => {
    await using api = await startFlakyApi();
    const client = api.client({ tracerProvider });
    const maps = client.resource({
      group: "",
      version: "v1",
      plural: "configmaps",
      kind: "ConfigMap",
      namespaced: true,
    });
    await maps.create({ metadata: { namespace: "default", name: "a" } });
    expect(spans.getFinishedSpans()).toHaveLength(0);

    let tries = 0;
    api.fault = () =>
      tries++ === 0 ? { type: "status", status: 429, headers: { "retry-after": "0" }, body: {} } : undefined;
    const parent = tracerProvider.getTracer("test").startSpan("reconcile");
    await contexts.with(trace.setSpan(contexts.active(), parent), async () => {
      await maps.get({ namespace: "default", name: "a" });
      await maps.get({ namespace: "default", name: "b" }).catch(() => {});
    });
    const made = spans.getFinishedSpans().map(({ name, kind, attributes, parentSpanContext }) => ({
      name,
      kind,
      below: parentSpanContext?.spanId === parent.spanContext().spanId,
      status: attributes["http.response.status_code"],
      error: attributes["error.type"],
      resend: attributes["http.request.resend_count"],
    }));
    const common = { name: "GET /api/v1/namespaces/{namespace}/configmaps/{name}", kind: 2, below: true };
    expect(made).toEqual([
      { ...common, status: 429, error: "429", resend: undefined },
      { ...common, status: 200, error: undefined, resend: 1 },
      { ...common, status: 404, error: "404", resend: undefined },
    ]);
  });

  it("are left out where a request succeeds at once, if that is asked for", async () => {
    await using api = await startFlakyApi();
    const client = api.client({ tracerProvider, traceOverMs: 200 });
    const maps = client.resource({
      group: "",
      version: "v1",
      plural: "configmaps",
      kind: "ConfigMap",
      namespaced: true,
    });
    await maps.create({ metadata: { namespace: "default", name: "c" } });
    spans.reset();
    const parent = tracerProvider.getTracer("test").startSpan("reconcile");
    await contexts.with(trace.setSpan(contexts.active(), parent), async () => {
      await maps.get({ namespace: "default", name: "c" });
      expect(spans.getFinishedSpans()).toHaveLength(0);
      await maps.get({ namespace: "default", name: "b" }).catch(() => {});
      api.fault = () => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
        return undefined;
      };
      await maps.get({ namespace: "default", name: "c" });
    });
    const made = spans.getFinishedSpans();
    expect(made.map(({ attributes }) => attributes["http.response.status_code"])).toEqual([404, 200]);
    const [seconds = 0, nanos = 0] = made[1]?.duration ?? [];
    expect(seconds * 1_000 + nanos / 1e6).toBeGreaterThanOrEqual(200);
  });
});
