import { PrometheusExporter as OfficialExporter } from "@opentelemetry/exporter-prometheus";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { IMetricReader } from "@opentelemetry/sdk-metrics";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createPrometheusReader, parsePage, PrometheusExporter } from "@almanac/exposition";
import type { ParsedPage } from "@almanac/exposition";
import { createMeterProvider } from "@almanac/metrics";
import { describe, expect, it } from "vitest";
import { familiesOf, pageOf, printed, seriesOf } from "../page.test.helper.ts";

const folder = "from-the-opentelemetry-sdk";

/** What docs/guides/from-the-opentelemetry-sdk.md says. */
describe("moving from the OpenTelemetry SDK", () => {
  it("changes scope labels and names with a unit when the exporter is exchanged, and nothing else", async () => {
    const [before, after] = await Promise.all([pageOf(`${folder}/before.ts`), pageOf(`${folder}/step-1-exporter.ts`)]);
    const translated = Object.entries(seriesOf(before)).map(([name, value]) => [
      name
        .replace(/otel_scope_name=shop,otel_scope_version=1\.0\.0,?/, "")
        .replace(/,\}$/, "}")
        .replace("shop_order_duration", "shop_order_duration_seconds"),
      value,
    ]);
    expect(translated).toHaveLength(1 + 1 + 7 + 1);
    expect(seriesOf(after)).toEqual(Object.fromEntries(translated));
    const { shop_order_duration, ...others } = familiesOf(before);
    expect(familiesOf(after)).toEqual({ ...others, shop_order_duration_seconds: shop_order_duration });
  });

  it("gives the same page, byte by byte, when the provider is exchanged too", async () => {
    const [before, after] = await Promise.all([
      printed(`${folder}/step-1-exporter.ts`),
      printed(`${folder}/step-2-provider.ts`),
    ]);
    expect(after).toBe(before);
  });

  it("adds zeros of closed labels, and what the catalog watches about itself, with a catalog", async () => {
    const [before, after] = await Promise.all([
      pageOf(`${folder}/step-2-provider.ts`),
      pageOf(`${folder}/step-3-catalog.ts`),
    ]);
    const old = seriesOf(before);
    const now = seriesOf(after);
    expect(now).toMatchObject(old);
    expect(familiesOf(after)).toMatchObject(familiesOf(before));
    const added = Object.entries(now).filter(([name]) => !(name in old));
    expect(added).toHaveLength(7 + 1 + 1);
    for (const [name, value] of added) {
      expect(name).toMatch(/outcome=refused|^almanac_collection_errors_total/);
      expect(value).toBe(0);
    }
  });

  it("shows what the global API records when one call starts it all", async () => {
    const [before, after] = await Promise.all([
      pageOf(`${folder}/step-2-provider.ts`),
      pageOf(`${folder}/step-4-telemetry.ts`),
    ]);
    expect(seriesOf(after, /^shop_/)).toEqual(seriesOf(before, /^shop_/));
    expect(familiesOf(after, /^shop_/)).toEqual(familiesOf(before, /^shop_/));
    expect(before.has("target_info")).toBe(true);
    expect(after.has("target_info")).toBe(false);
    expect(after.has("process_resident_memory_bytes")).toBe(true);
  });
});

describe("an instrument without a description", () => {
  it("has no help text, where the official exporter makes one up", async () => {
    const pages = [];
    for (const exporter of [
      new OfficialExporter({ preventServerStart: true }),
      new PrometheusExporter({ preventServerStart: true }),
    ]) {
      const meterProvider = new MeterProvider({ readers: [exporter] });
      meterProvider.getMeter("shop").createCounter("shop.orders").add(1);
      pages.push((await scrape(exporter)).get("shop_orders_total")?.help);
      await meterProvider.shutdown();
    }
    expect(pages).toEqual(["description missing", ""]);
  });
});

describe("names and labels as they were", () => {
  it.each(["official", "engine"] as const)("has them on the %s provider", async (provider) => {
    const official = new OfficialExporter({ preventServerStart: true });
    const theirs = new MeterProvider({ readers: [official] });
    const exporter = new PrometheusExporter({
      preventServerStart: true,
      withoutScopeInfo: false,
      translationStrategy: "UnderscoreEscapingWithoutSuffixes",
    });
    const options = {
      readers: [exporter as IMetricReader],
      views: [{ instrumentName: "shop.orders", name: "shop.orders.total" }],
    };
    const ours = provider === "engine" ? createMeterProvider(options) : new MeterProvider(options);
    for (const meterProvider of [theirs, ours]) {
      const meter = meterProvider.getMeter("shop", "1.0.0");
      meter.createCounter("shop.orders", { description: "Orders." }).add(3, { outcome: "paid" });
      meter.createHistogram("shop.order.duration", { description: "Time.", unit: "s" }).record(0.3);
    }
    const [old, now] = await Promise.all([scrape(official), scrape(exporter)]);
    expect(Object.keys(seriesOf(old, /^shop_orders_total$|^shop_order_duration_sum$/))).toHaveLength(2);
    expect(seriesOf(now, /^shop_/)).toEqual(seriesOf(old, /^shop_/));
    expect(familiesOf(now, /^shop_/)).toEqual(familiesOf(old, /^shop_/));
    await Promise.all([theirs.shutdown(), ours.shutdown()]);
  });
});

describe("a push", () => {
  it("has the exemplar of a measurement in a sampled span", async () => {
    const [message = "", ...more] = (await printed(`${folder}/push.ts`)).trim().split("\n");
    expect(more).toEqual([]);
    const sent: unknown = JSON.parse(message);
    const exemplar = { asDouble: 0.3, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) };
    const point = { count: "1", exemplars: [expect.objectContaining(exemplar)] };
    const metric = { name: "shop.order.duration", unit: "s", histogram: { dataPoints: [point] } };
    expect(sent).toMatchObject({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] });
  });
});

describe("official readers and exporters", () => {
  it("work on the engine, beside a page", async () => {
    const pushed = new InMemoryMetricExporter(AggregationTemporality.DELTA);
    const push = new PeriodicExportingMetricReader({ exporter: pushed, exportIntervalMillis: 3_600_000 });
    const page = createPrometheusReader();
    const meterProvider = createMeterProvider({ readers: [page, push] });
    const orders = meterProvider.getMeter("shop").createCounter("shop.orders");
    orders.add(2);
    await meterProvider.forceFlush();
    orders.add(1);
    await meterProvider.forceFlush();
    const points = pushed
      .getMetrics()
      .flatMap(({ scopeMetrics }) =>
        scopeMetrics.flatMap(({ metrics }) =>
          metrics.flatMap(({ dataPoints }) => dataPoints.map(({ value }) => value)),
        ),
      );
    expect(points).toEqual([2, 1]);
    const { body } = await page.render();
    expect(seriesOf(parsePage(body, "text"))).toEqual({ "shop_orders_total{}": 3 });
    await meterProvider.shutdown();
  });
});

interface Handler {
  getMetricsRequestHandler(request: IncomingMessage, response: ServerResponse): void;
}

async function scrape(exporter: Handler): Promise<ParsedPage> {
  const server = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    const { port } = server.address() as AddressInfo;
    // The official page has UNIT lines, which its format knows as comments only.
    return parsePage(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(), "text");
  } finally {
    server.close();
  }
}
