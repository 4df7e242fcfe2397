import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { context, metrics, propagation, trace } from "@opentelemetry/api";
import { liqo, stack, virtrigaud } from "@almanac/catalog";
import { afterEach, describe, expect, it } from "vitest";
import { createNoopTelemetry } from "./noop.ts";
import { startReceiver, type ReceivedMetric } from "./otlp-receiver.test.helper.ts";
import { startGrpcReceiver, startHttpReceiver } from "./otlp/receiver.test.helper.ts";
import { startTelemetry } from "./telemetry.ts";
import type { Telemetry, TelemetryOptions } from "./types.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function receiver(answer?: () => number) {
  const started = await startReceiver(answer);
  cleanUps.push(() => started.close());
  return started;
}

async function start(options: Partial<TelemetryOptions> = {}): Promise<{ telemetry: Telemetry; log: () => string }> {
  let log = "";
  const destination = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      log += chunk.toString();
      callback();
    },
  });
  const telemetry = await startTelemetry({
    serviceName: "virtrigaud-manager",
    owner: "manager",
    catalogs: [virtrigaud],
    env: {},
    logs: { destination, level: "debug" },
    ...options,
  });
  cleanUps.push(() => telemetry.shutdown());
  return { telemetry, log: () => log };
}

async function scrape(telemetry: Telemetry): Promise<string> {
  const answer = await fetch(`${telemetry.metricsUrl}/metrics`);
  expect(answer.status).toBe(200);
  return await answer.text();
}

/** The value of one sample line, or undefined. */
function sample(page: string, series: string): number | undefined {
  const line = page.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

const otlp = (url: string, more: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  ...more,
});

describe("startTelemetry", () => {
  it("serves the catalogs' families, zero from the start, its own accounts included", async () => {
    const { telemetry } = await start({ metrics: {}, known: { provider_type: ["libvirt"], provider: ["lab"] } });
    const instruments = telemetry.instruments(virtrigaud);
    instruments.virtrigaud_manager_reconcile_total.add(1, { kind: "Provider", outcome: "success" });
    expect(telemetry.instruments(virtrigaud)).toBe(instruments);
    expect(telemetry.instruments(stack)).toBe(telemetry.stack);
    await scrape(telemetry);
    const page = await scrape(telemetry);
    expect(sample(page, 'virtrigaud_manager_reconcile_total{kind="Provider",outcome="success"}')).toBe(1);
    expect(sample(page, 'virtrigaud_circuit_breaker_failures_total{provider_type="libvirt",provider="lab"}')).toBe(0);
    expect(sample(page, 'almanac_spans_dropped_total{cause="queue_full"}')).toBe(0);
    expect(sample(page, 'almanac_series{family="virtrigaud_circuit_breaker_failures_total"}')).toBe(1);
    expect(sample(page, 'almanac_scrape_duration_seconds_count{format="text"}')).toBe(1);
    expect(sample(page, 'almanac_scrape_size_bytes{format="text"}')).toBeGreaterThan(1000);
    expect(sample(page, "process_resident_memory_bytes")).toBeGreaterThan(0);
    expect(page).not.toMatch(/target_info|otel_scope/);
  });

  it("holds nothing that no catalog declares", async () => {
    const { telemetry } = await start({ metrics: {} });
    const page = await scrape(telemetry);
    const declared = new Set([...Object.keys(stack.families), ...Object.keys(virtrigaud.families)]);
    const served = [...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(served.length).toBeGreaterThan(10);
    expect(served.filter((name) => !declared.has(name ?? ""))).toEqual([]);
  });

  it("starts histograms at zero too, where label values are known", async () => {
    const { telemetry } = await start({ metrics: {} });
    const page = await scrape(telemetry);
    expect(sample(page, 'virtrigaud_manager_reconcile_duration_seconds_count{kind="VirtualMachine"}')).toBe(0);
    expect(sample(page, 'virtrigaud_manager_reconcile_duration_seconds_bucket{kind="Provider",le="+Inf"}')).toBe(0);
  });

  it("removes the series of what is gone, after a while, and of nothing else", async () => {
    const { telemetry } = await start({ metrics: {}, retireAfterMs: 300 });
    const { virtrigaud_circuit_breaker_failures_total: failures } = telemetry.instruments(virtrigaud);
    const name = "virtrigaud_circuit_breaker_failures_total";
    for (const provider of ["gone", "back", "here"]) failures.add(1, { provider_type: "libvirt", provider });
    telemetry.retireSeries({ provider_type: "libvirt", provider: "gone" });
    telemetry.retireSeries({ provider_type: "libvirt", provider: "back" });
    telemetry.retainSeries({ provider_type: "libvirt", provider: "back" });
    const value = (page: string, provider: string) =>
      sample(page, `${name}{provider_type="libvirt",provider="${provider}"}`);
    expect(value(await scrape(telemetry), "gone")).toBe(1);
    const deadline = Date.now() + 10_000;
    while (value(await scrape(telemetry), "gone") !== undefined && Date.now() < deadline) await delay(50);
    const page = await scrape(telemetry);
    expect(["gone", "back", "here"].map((provider) => value(page, provider))).toEqual([undefined, 1, 1]);
    failures.add(1, { provider_type: "libvirt", provider: "gone" });
    expect(value(await scrape(telemetry), "gone")).toBe(1);
  });

  it("leads from a bucket to the trace that filled it", async () => {
    const { telemetry } = await start({ metrics: {} });
    const span = telemetry.tracerProvider.getTracer("test").startSpan("reconcile");
    context.with(trace.setSpan(context.active(), span), () =>
      telemetry
        .instruments(virtrigaud)
        .virtrigaud_manager_reconcile_duration_seconds.record(0.2, { kind: "VirtualMachine" }),
    );
    span.end();
    const answer = await fetch(`${telemetry.metricsUrl}/metrics`, {
      headers: { accept: "application/openmetrics-text;version=1.0.0" },
    });
    const line = (await answer.text())
      .split("\n")
      .find((candidate) => candidate.includes('reconcile_duration_seconds_bucket{kind="VirtualMachine",le="0.25"}'));
    const { traceId, spanId } = span.spanContext();
    expect(line).toContain(` # {trace_id="${traceId}",span_id="${spanId}"} 0.2 `);
  });

  it("answers for health as the checks say", async () => {
    const { telemetry } = await start({ metrics: {} });
    telemetry.health.readiness.add("informers", () => "not synced");
    expect((await fetch(`${telemetry.metricsUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${telemetry.metricsUrl}/healthz`)).status).toBe(200);
  });

  it("lets in whom the web configuration file names, and nobody when that cannot be used", async () => {
    const folder = await mkdtemp(join(tmpdir(), "telemetry-"));
    cleanUps.push(() => rm(folder, { recursive: true }));
    const webConfigFile = join(folder, "web.yml");
    await writeFile(join(folder, "token"), "open-sesame\n");
    await writeFile(webConfigFile, "bearer_token_files: [token]\n");
    const { telemetry } = await start({ metrics: { webConfigFile } });
    const ask = async (headers: Record<string, string>) =>
      (await fetch(`${telemetry.metricsUrl}/metrics`, { headers })).status;
    expect(await ask({})).toBe(401);
    expect(await ask({ authorization: "Bearer open-sesame" })).toBe(200);
    await writeFile(webConfigFile, "bearer_token_filez: [token]\n");
    await expect(start({ metrics: { webConfigFile } })).rejects.toThrow(/bearer_token_filez/);
  });

  it("serves nothing unless asked", async () => {
    for (const options of [{}, { metrics: false } as const]) {
      const { telemetry } = await start(options);
      expect(telemetry.metricsUrl).toBeUndefined();
    }
  });

  it("pushes spans and metrics over OTLP with exact names and without units", async () => {
    const collector = await receiver();
    const { telemetry } = await start({
      catalogs: [virtrigaud, liqo],
      version: "1.2.3",
      resourceAttributes: { "deployment.environment.name": "lab", team: "a" },
      env: otlp(collector.url, { OTEL_RESOURCE_ATTRIBUTES: "team=b", OTEL_EXPORTER_OTLP_HEADERS: "api-key=abc" }),
    });
    const labels = { kind: "VirtualMachine", outcome: "success" } as const;
    telemetry.instruments(virtrigaud).virtrigaud_manager_reconcile_total.add(3, labels);
    telemetry
      .instruments(virtrigaud)
      .virtrigaud_manager_reconcile_duration_seconds.record(0.2, { kind: "VirtualMachine" });
    const item = { namespace: "n", reflector_resource: "Pod", cluster_id: "c", node_name: "v" } as const;
    telemetry.instruments(liqo).liqo_virtual_kubelet_reflection_error_counter.add(1, item);
    const tracer = telemetry.tracerProvider.getTracer("test");
    tracer.startActiveSpan("reconcile", (parent) => {
      tracer.startSpan("create").end();
      parent.end();
    });
    await telemetry.flush();

    const names = collector.spans.map(({ name }) => name);
    expect(names).toEqual(["create", "reconcile"]);
    expect(collector.spans[0]?.parentSpanId).toBe(collector.spans[1]?.spanId);
    expect(collector.resource("traces")).toMatchObject({
      "service.name": "virtrigaud-manager",
      "service.version": "1.2.3",
      "service.instance.id": expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      "deployment.environment.name": "lab",
      team: "b",
      "process.pid": process.pid,
      "telemetry.sdk.name": "opentelemetry",
    });
    expect(collector.resource("metrics")).toEqual(collector.resource("traces"));
    expect(JSON.stringify(collector.resource("traces"))).not.toContain("process.command");
    expect(collector.headers.every((headers) => headers["api-key"] === "abc")).toBe(true);

    const metric = (name: string): ReceivedMetric | undefined =>
      collector.metrics.find((candidate) => candidate.name === name);
    const declared = new Set([stack, virtrigaud, liqo].flatMap((catalog) => Object.keys(catalog.families)));
    expect(collector.metrics.filter(({ name }) => !declared.has(name))).toEqual([]);
    expect(collector.metrics.filter(({ unit }) => (unit ?? "") !== "")).toEqual([]);
    // 2 is cumulative.
    expect(metric("virtrigaud_manager_reconcile_total")?.sum).toMatchObject({
      isMonotonic: true,
      aggregationTemporality: 2,
    });
    expect(metric("virtrigaud_manager_reconcile_duration_seconds")?.histogram?.aggregationTemporality).toBe(2);
    expect(metric("liqo_virtual_kubelet_reflection_error_counter")?.sum?.dataPoints[0]?.asDouble).toBe(1);
  });

  it("flushes at shutdown, counting the spans' export in the last push", async () => {
    const collector = await receiver();
    const { telemetry } = await start({ env: otlp(collector.url) });
    telemetry.tracerProvider.getTracer("test").startSpan("last").end();
    const first = telemetry.shutdown();
    expect(telemetry.shutdown()).toBe(first);
    await first;
    expect(collector.spans.map(({ name }) => name)).toEqual(["last"]);
    const exports = collector.metrics.findLast(({ name }) => name === "almanac_otlp_exports_total")?.sum?.dataPoints;
    const point = exports?.find(
      ({ attributes }) =>
        JSON.stringify(attributes).includes("traces") && JSON.stringify(attributes).includes("success"),
    );
    expect(point?.asDouble).toBe(1);
  });

  it("exports nothing and connects nowhere without an endpoint, and still gives spans their ids", async () => {
    const { telemetry } = await start({ metrics: {} });
    const span = telemetry.tracerProvider.getTracer("test").startSpan("s");
    expect(trace.isSpanContextValid(span.spanContext())).toBe(true);
    span.end();
    await telemetry.flush();
    const page = await scrape(telemetry);
    for (const signal of ["traces", "metrics"]) {
      expect(sample(page, `almanac_otlp_exports_total{signal="${signal}",outcome="failure"}`)).toBe(0);
      expect(sample(page, `almanac_otlp_exports_total{signal="${signal}",outcome="success"}`)).toBe(0);
    }
  });

  it("counts spans an endpoint refuses, and says so once until it works again", async () => {
    let status = 400;
    const collector = await receiver(() => status);
    const { telemetry, log } = await start({
      metrics: {},
      env: otlp(collector.url, { OTEL_METRICS_EXPORTER: "none" }),
    });
    const send = async (): Promise<void> => {
      telemetry.tracerProvider.getTracer("test").startSpan("s").end();
      await telemetry.flush();
    };
    await send();
    await send();
    status = 200;
    await send();
    const page = await scrape(telemetry);
    expect(sample(page, 'almanac_spans_dropped_total{cause="retries_exhausted"}')).toBe(2);
    expect(sample(page, 'almanac_otlp_exports_total{signal="traces",outcome="failure"}')).toBe(2);
    expect(sample(page, 'almanac_otlp_exports_total{signal="traces",outcome="success"}')).toBe(1);
    expect(log().match(/export over OTLP fails/g)).toHaveLength(1);
    expect(log().match(/export over OTLP works again/g)).toHaveLength(1);
  });

  it.each([
    ["answers 503", async () => (await receiver(() => 503)).url],
    ["is down", () => "http://127.0.0.1:1"],
  ])("keeps spans for an endpoint that %s", async (_name, url) => {
    // Too short for a second attempt.
    const env = otlp(await url(), { OTEL_EXPORTER_OTLP_TIMEOUT: "300", OTEL_METRICS_EXPORTER: "none" });
    const { telemetry } = await start({ metrics: {}, env });
    telemetry.tracerProvider.getTracer("test").startSpan("s").end();
    await telemetry.flush();
    const page = await scrape(telemetry);
    expect(sample(page, 'almanac_otlp_exports_total{signal="traces",outcome="failure"}')).toBe(1);
    for (const cause of ["retries_exhausted", "shutdown", "queue_full"]) {
      expect(sample(page, `almanac_spans_dropped_total{cause="${cause}"}`)).toBe(0);
    }
  });

  it.each(["grpc", "http/protobuf", "http/json"])(
    "loses no span while an endpoint is down over %s",
    async (protocol) => {
      const probe = createTcpServer().listen(0, "127.0.0.1");
      await once(probe, "listening");
      const { port } = probe.address() as AddressInfo;
      await new Promise((resolve) => probe.close(resolve));
      const { telemetry } = await start({
        metrics: {},
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_METRICS_EXPORTER: "none",
          OTEL_BSP_SCHEDULE_DELAY: "10",
        },
      });
      const tracer = telemetry.tracerProvider.getTracer("test");
      for (let number = 0; number < 1000; number++) tracer.startSpan(`span-${number}`).end();
      await delay(500);
      const collector =
        protocol === "grpc"
          ? await startGrpcReceiver(() => ({}), port)
          : await startHttpReceiver(() => ({ body: protocol === "http/json" ? "{}" : "" }), undefined, port);
      cleanUps.push(() => collector.close());
      const names = () =>
        new Set(collector.received.flatMap(({ body }) => body.toString("latin1").match(/span-\d+/g) ?? []));
      const deadline = Date.now() + 15_000;
      while (names().size < 1000 && Date.now() < deadline) await delay(50);
      expect(names().size).toBe(1000);
      const page = await scrape(telemetry);
      for (const cause of ["retries_exhausted", "queue_full"]) {
        expect(sample(page, `almanac_spans_dropped_total{cause="${cause}"}`)).toBe(0);
      }
    },
  );

  it("counts failed pushes of metrics", async () => {
    const collector = await receiver(() => 400);
    const { telemetry } = await start({ metrics: {}, env: otlp(collector.url) });
    await telemetry.flush();
    expect(sample(await scrape(telemetry), 'almanac_otlp_exports_total{signal="metrics",outcome="failure"}')).toBe(1);
  });

  it("ends its shutdown in time when the endpoint never answers", async () => {
    const silent = createTcpServer(() => {});
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    cleanUps.push(() => silent.close());
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const { telemetry } = await start({
      env: otlp(url, { OTEL_EXPORTER_OTLP_TIMEOUT: "4000" }),
      shutdownTimeoutMs: 200,
    });
    telemetry.tracerProvider.getTracer("test").startSpan("s").end();
    const stopped = telemetry.shutdown().then(() => "stopped");
    // Well below the exporter's own limit of four seconds.
    expect(await Promise.race([stopped, delay(3000, "hangs")])).toBe("stopped");
  });

  it.each(["grpc", "http/protobuf", "http/json"])(
    "leaves nothing behind that keeps the process after shutdown, nor a warning, when nobody listens over %s",
    async (protocol) => {
      const { telemetry, log } = await start({
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL: protocol },
        shutdownTimeoutMs: 400,
      });
      telemetry.tracerProvider.getTracer("test").startSpan("s").end();
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
      const before = timers();
      await telemetry.shutdown();
      // What was cancelled ends within a turn or two.
      await delay(20);
      const [left, logged] = [timers(), log()];
      expect(left).toBeLessThanOrEqual(before);
      await delay(1500);
      expect(log()).toBe(logged);
    },
  );

  it("pushes at the interval of the environment and keeps the page's series countable", async () => {
    const collector = await receiver();
    const { telemetry } = await start({ env: otlp(collector.url, { OTEL_METRIC_EXPORT_INTERVAL: "50" }) });
    const deadline = Date.now() + 10_000;
    const seriesOf = () => collector.metrics.filter(({ name }) => name === "almanac_series").length;
    while (seriesOf() < 2 && Date.now() < deadline) await delay(20);
    expect(seriesOf()).toBeGreaterThanOrEqual(2);
    expect(telemetry.metricsUrl).toBeUndefined();
  });

  it("collects for a page only when it is asked for, so that one nobody scrapes costs nothing", async () => {
    const collector = await receiver();
    const { telemetry } = await start({ metrics: {}, env: otlp(collector.url, { OTEL_METRIC_EXPORT_INTERVAL: "50" }) });
    let collections = 0;
    telemetry.meterProvider
      .getMeter("own")
      .createObservableGauge("own")
      .addCallback(() => void collections++);
    const pushes = () => collector.headers.length;
    const deadline = Date.now() + 10_000;
    while (pushes() < 6 && Date.now() < deadline) await delay(20);
    expect(pushes()).toBeGreaterThanOrEqual(6);
    // A push may be under way.
    expect(collections).toBeLessThanOrEqual(pushes() + 1);
    await scrape(telemetry);
    expect(collections).toBeGreaterThanOrEqual(7);
  });

  it("speaks gRPC", async () => {
    const paths: string[] = [];
    const server = createHttp2Server();
    server.on("stream", (stream: ServerHttp2Stream, headers) => {
      paths.push(String(headers[":path"]));
      stream.resume();
      stream.on("end", () => {
        stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        // An empty, uncompressed message.
        stream.end(Buffer.alloc(5));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUps.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { telemetry } = await start({
      metrics: {},
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    });
    telemetry.tracerProvider.getTracer("test").startSpan("s").end();
    await telemetry.flush();
    expect(paths.toSorted()).toEqual([
      "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
      "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    ]);
    const page = await scrape(telemetry);
    for (const signal of ["traces", "metrics"]) {
      expect(sample(page, `almanac_otlp_exports_total{signal="${signal}",outcome="success"}`)).toBe(1);
    }
  });

  it.each([
    ["http/protobuf", "application/x-protobuf"],
    ["http/json", "application/json"],
  ])("speaks %s, compressed when asked", async (protocol, contentType) => {
    const collector = await receiver();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
    };
    const { telemetry } = await start({ env });
    telemetry.tracerProvider.getTracer("test").startSpan("s").end();
    await telemetry.flush();
    expect(collector.headers.length).toBe(2);
    for (const headers of collector.headers) {
      expect(headers).toMatchObject({ "content-type": contentType, "content-encoding": "gzip" });
    }
  });

  it("samples as the environment says", async () => {
    const collector = await receiver();
    const { telemetry } = await start({ env: otlp(collector.url, { OTEL_TRACES_SAMPLER: "always_off" }) });
    telemetry.tracerProvider.getTracer("test").startSpan("s").end();
    await telemetry.flush();
    expect(collector.spans).toEqual([]);
    expect(collector.metrics.length).toBeGreaterThan(0);
  });

  it("records nothing when the SDK is disabled, but answers for health and logs", async () => {
    const collector = await receiver();
    const { telemetry, log } = await start({ metrics: {}, env: otlp(collector.url, { OTEL_SDK_DISABLED: "true" }) });
    telemetry
      .instruments(virtrigaud)
      .virtrigaud_manager_reconcile_total.add(1, { kind: "Provider", outcome: "success" });
    const span = telemetry.tracerProvider.getTracer("test").startSpan("s");
    expect(span.isRecording()).toBe(false);
    span.end();
    telemetry.logger.info("still here");
    await telemetry.flush();
    expect(await scrape(telemetry)).toBe("");
    expect((await fetch(`${telemetry.metricsUrl}/readyz`)).status).toBe(200);
    expect(collector.headers).toEqual([]);
    expect(log()).toContain("still here");
  });

  it("logs with service, trace and span id", async () => {
    const { telemetry, log } = await start({ env: { OTEL_SERVICE_NAME: "renamed" } });
    const span = telemetry.tracerProvider.getTracer("test").startActiveSpan("s", (active) => {
      telemetry.logger.info("inside");
      return active;
    });
    span.end();
    const { traceId, spanId } = span.spanContext();
    expect(JSON.parse(log())).toMatchObject({ service: "renamed", msg: "inside", trace_id: traceId, span_id: spanId });
  });

  it("warns of variables it does not understand", async () => {
    const { log } = await start({ env: { OTEL_TRACES_SAMPLER: "sometimes" } });
    expect(JSON.parse(log())).toMatchObject({ level: "warn", variable: "OTEL_TRACES_SAMPLER", value: "sometimes" });
  });

  it("counts what could not be collected and serves the rest", async () => {
    const { telemetry } = await start({ metrics: {} });
    telemetry.meterProvider
      .getMeter("own")
      .createObservableGauge("own")
      .addCallback(() => Promise.reject(new Error("no device")));
    telemetry.meterProvider.getMeter("own").createGauge("virtrigaud_errors_total").record(1);
    await scrape(telemetry);
    const page = await scrape(telemetry);
    expect(sample(page, 'almanac_collection_errors_total{source="callback"}')).toBe(1);
    expect(sample(page, 'almanac_collection_errors_total{source="exposition"}')).toBe(1);
  });

  it("registers the context manager alone, and takes it away at shutdown", async () => {
    const key = Symbol("key");
    const follows = () => context.with(context.active().setValue(key, 1), () => context.active().getValue(key) === 1);
    const { telemetry } = await start();
    expect(follows()).toBe(true);
    expect(trace.getTracer("x").startSpan("s").isRecording()).toBe(false);
    expect(propagation.fields()).toEqual([]);
    await telemetry.shutdown();
    expect(follows()).toBe(false);
  });

  it("registers the rest on demand, until shutdown", async () => {
    const { telemetry } = await start({ registerGlobals: true });
    expect(trace.getTracer("x").startSpan("s").isRecording()).toBe(true);
    expect(metrics.getMeterProvider()).toBe(telemetry.meterProvider);
    expect(propagation.fields()).toContain("traceparent");
    await telemetry.shutdown();
    expect(trace.getTracer("x").startSpan("s").isRecording()).toBe(false);
    expect(metrics.getMeterProvider()).not.toBe(telemetry.meterProvider);
    expect(propagation.fields()).toEqual([]);
  });

  it("frees its port at shutdown and starts again", async () => {
    const { telemetry } = await start({ metrics: {} });
    const port = Number(new URL(telemetry.metricsUrl ?? "").port);
    await telemetry.shutdown();
    const { telemetry: second } = await start({ metrics: { port } });
    expect(await scrape(second)).toContain("process_cpu");
  });

  it("leaves nothing behind when its port is taken", async () => {
    const { telemetry } = await start({ metrics: {} });
    const port = Number(new URL(telemetry.metricsUrl ?? "").port);
    await telemetry.shutdown();
    const blocker = createTcpServer().listen(port, "127.0.0.1");
    await once(blocker, "listening");
    cleanUps.push(() => blocker.close());
    await expect(start({ metrics: { port } })).rejects.toMatchObject({ code: "address_in_use" });
    const key = Symbol("key");
    expect(context.with(context.active().setValue(key, 1), () => context.active().getValue(key))).toBeUndefined();
  });

  it.each([
    [{ serviceName: " " }, /serviceName is empty/],
    [{ shutdownTimeoutMs: 0 }, /shutdownTimeoutMs must be/],
    [{ env: { OTEL_EXPORTER_OTLP_ENDPOINT: "collector" } }, /OTEL_EXPORTER_OTLP_ENDPOINT must be/],
  ])("refuses %j", async (options, message) => {
    await expect(start(options)).rejects.toThrow(message);
  });
});

describe("createNoopTelemetry", () => {
  it("takes everything and does nothing", async () => {
    await using telemetry = createNoopTelemetry();
    telemetry
      .instruments(virtrigaud)
      .virtrigaud_manager_reconcile_total.add(1, { kind: "Provider", outcome: "success" });
    telemetry.stack.almanac_series.observe(() => {});
    expect(telemetry.tracerProvider.getTracer("x").startSpan("s").isRecording()).toBe(false);
    expect(telemetry.propagator.fields()).toEqual([]);
    telemetry.logger.error("nobody hears");
    await telemetry.flush();
    await telemetry.shutdown();
    expect(telemetry.metricsUrl).toBeUndefined();
  });
});
