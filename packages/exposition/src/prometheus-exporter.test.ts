import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { catalogViews, liqo, stack, virtrigaud, type Catalog } from "@almanac/catalog";
import { createMeterProvider } from "@almanac/metrics";
import { diag } from "@opentelemetry/api";
import { PrometheusExporter as OfficialExporter } from "@opentelemetry/exporter-prometheus";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, type IMetricReader } from "@opentelemetry/sdk-metrics";
import { afterEach, describe, expect, it, vi } from "vitest";
import { readPage } from "./page.test.helper.ts";
import { PrometheusExporter, type PrometheusExporterConfig } from "./prometheus-exporter.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function start(config: PrometheusExporterConfig = {}) {
  const exporter = await new Promise<PrometheusExporter>((resolve, reject) => {
    const created = new PrometheusExporter({ port: 0, ...config }, (error) => {
      if (error) reject(error);
      else resolve(created);
    });
  });
  cleanUps.push(() => exporter.stopServer());
  const resource = resourceFromAttributes({ "service.name": "x", region: "eu" });
  const provider = new MeterProvider({ readers: [exporter], resource });
  return { exporter, provider, meter: provider.getMeter("m", "2"), url: `http://localhost:${exporter.port}` };
}

describe("PrometheusExporter", () => {
  it("serves what the official exporter serves, in the settings they share", async () => {
    const { meter, url } = await start({
      prefix: "app",
      withResourceConstantLabels: /region/,
      withoutScopeInfo: false,
    });
    meter.createCounter("http.requests", { unit: "By" }).add(2, { "http.method": "GET" });
    const page = readPage(await (await fetch(`${url}/metrics`)).text(), "text");
    expect([...page.keys()]).toEqual(["app_http_requests_bytes_total", "target_info"]);
    expect([...(page.get("app_http_requests_bytes_total")?.samples ?? [])]).toEqual([
      ['app_http_requests_bytes_total{http_method="GET",otel_scope_name="m",otel_scope_version="2",region="eu"}', 2],
    ]);
    expect((await fetch(`${url}/other`)).status).toBe(404);
    const openMetrics = await fetch(`${url}/metrics`, { headers: { accept: "application/openmetrics-text" } });
    expect(openMetrics.headers.get("content-type")).toContain("openmetrics");
  });

  it("takes another path, and starts and stops on demand", async () => {
    const { exporter, provider, url } = await start({ endpoint: "own", withoutTargetInfo: true });
    expect(await (await fetch(`${url}/own?x=1`)).text()).toBe("");
    await exporter.startServer();
    await exporter.stopServer();
    await expect(fetch(`${url}/own`)).rejects.toThrow();
    await exporter.startServer();
    expect((await fetch(`http://localhost:${exporter.port}/own`)).status).toBe(200);
    await provider.shutdown();
    await expect(fetch(`http://localhost:${exporter.port}/own`)).rejects.toThrow();
  });

  it("hands its pages to a server of one's own", async () => {
    const exporter = new PrometheusExporter({ preventServerStart: true, withoutTargetInfo: true });
    createMeterProvider({ readers: [exporter] })
      .getMeter("m")
      .createGauge("g")
      .record(1);
    const server: Server = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUps.push(() => server.close());
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    expect(await answer.text()).toBe("# TYPE g gauge\ng 1\n");
  });

  it("answers methods other than GET with headers alone or 405, and leaves none waiting", async () => {
    const { exporter, meter, url } = await start({ withoutTargetInfo: true });
    meter.createGauge("g").record(1);
    const own = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
    own.listen(0, "127.0.0.1");
    await once(own, "listening");
    cleanUps.push(() => own.close());
    for (const address of [`${url}/metrics`, `http://127.0.0.1:${(own.address() as AddressInfo).port}/`]) {
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
        const body = method === "POST" ? { body: "x" } : {};
        const answer = await fetch(address, { method, ...body, signal: AbortSignal.timeout(2_000) });
        expect([answer.status, answer.headers.get("allow")], method).toEqual([405, "GET, HEAD"]);
        expect(await answer.text()).toContain("only GET and HEAD");
      }
      const headers = { "accept-encoding": "identity" };
      const head = await fetch(address, { method: "HEAD", headers, signal: AbortSignal.timeout(2_000) });
      expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "19", ""]);
    }
  });

  it("reads host and port from the environment, where the configuration has none", async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, "close");
    vi.stubEnv("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1");
    vi.stubEnv("OTEL_EXPORTER_PROMETHEUS_PORT", String(port));
    const exporter = new PrometheusExporter();
    cleanUps.push(() => exporter.stopServer());
    await exporter.startServer();
    expect(exporter.port).toBe(port);
    const error = await new Promise((resolve) => new PrometheusExporter({}, resolve));
    expect(error).toMatchObject({ code: "address_in_use" });
  });

  it.each(["abc", "99999", "-1", "94 64"])("ignores the port %j of the environment and says so", (value) => {
    const warn = vi.spyOn(diag, "warn").mockImplementation(() => {});
    cleanUps.push(() => warn.mockRestore());
    vi.stubEnv("OTEL_EXPORTER_PROMETHEUS_PORT", value);
    expect(new PrometheusExporter({ preventServerStart: true }).port).toBe(9464);
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      `OTEL_EXPORTER_PROMETHEUS_PORT must be a whole number from 0 to 65535, got "${value}"; it is ignored`,
    );
  });
});

/** Series names of a page, whatever else is wrong with it. */
function seriesNames(page: string): Set<string> {
  return new Set([...page.matchAll(/^([a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]/gm)].map(([, name = ""]) => name));
}

/** Records something in every family of a catalog and returns the page of a reader's endpoint. */
async function pageOf(catalog: Catalog, exporter: IMetricReader, serve: (server: Server) => void): Promise<string> {
  const provider = new MeterProvider({ readers: [exporter], views: catalogViews(catalog) });
  const meter = provider.getMeter("test");
  for (const { name, type, instrument, observed } of Object.values(catalog.families).map((family, index) => ({
    ...family,
    name: Object.keys(catalog.families)[index] ?? "",
  }))) {
    if (type === "histogram") meter.createHistogram(name).record(1);
    else if (type === "counter" && observed)
      meter.createObservableCounter(name).addCallback((result) => result.observe(1));
    else if (type === "counter") meter.createCounter(name).add(1);
    else if (instrument === "upDownCounter") meter.createUpDownCounter(name).add(1);
    else meter.createGauge(name).record(1);
  }
  const server = createServer();
  serve(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(() => server.close());
  return (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).text();
}

describe("families of the catalogs", () => {
  const catalogs: Record<string, Catalog> = { virtrigaud, liqo, stack };

  it("all keep their names here, and lose some with the official exporter", async () => {
    const lost: string[] = [];
    for (const catalog of Object.values(catalogs)) {
      const ours = new PrometheusExporter({ preventServerStart: true, withoutTargetInfo: true, catalogs: [catalog] });
      const official = new OfficialExporter({ preventServerStart: true, withoutTargetInfo: true });
      const handle = (exporter: Pick<PrometheusExporter, "getMetricsRequestHandler">) => (server: Server) =>
        void server.on("request", (request, response) => exporter.getMetricsRequestHandler(request, response));
      const ourNames = seriesNames(await pageOf(catalog, ours, handle(ours)));
      const officialNames = seriesNames(await pageOf(catalog, official, handle(official)));
      for (const [name, { type }] of Object.entries(catalog.families)) {
        const series = type === "histogram" ? `${name}_bucket` : name;
        expect(ourNames, name).toContain(series);
        if (!officialNames.has(series)) lost.push(name);
      }
    }
    // It appends `_total` to every counter that lacks it.
    expect(lost).toEqual(["liqo_virtual_kubelet_reflection_error_counter"]);
  });
});
