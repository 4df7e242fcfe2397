import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { anyValue, defineCatalog, oneOf, stack } from "@almanac/catalog";
import { createPrometheusReader, parsePage } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { collectDefaultMetrics, Counter, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { familiesOf, pageOf, printed, seriesOf } from "../page.test.helper.ts";

/** What docs/guides/from-prom-client.md says. */
describe("moving from prom-client", () => {
  it("keeps every family and every value, and starts closed labels at zero", async () => {
    const [before, after] = await Promise.all([
      pageOf("from-prom-client/before.ts"),
      pageOf("from-prom-client/after.ts"),
    ]);
    expect(familiesOf(after, /^shop_/)).toEqual(familiesOf(before, /^shop_/));
    const old = seriesOf(before, /^shop_/);
    const now = seriesOf(after, /^shop_/);
    expect(Object.keys(old)).toHaveLength(7 + 1 + 1 + 1);
    expect(now).toMatchObject(old);
    const added = Object.entries(now).filter(([name]) => !(name in old));
    expect(added).toHaveLength(7 + 1);
    for (const [name, value] of added) {
      expect(name).toContain("outcome=refused");
      expect(value).toBe(0);
    }
  });

  it("adds some 400 lines of the stack's families, most of them violations at zero", async () => {
    const page = await printed("from-prom-client/after.ts");
    const lines = page.trim().split("\n");
    // As the guide has it: grep -E '^(# .... )?shop_'
    const others = lines.filter((line) => !/^(# .... )?shop_/.test(line));
    // How many depends on which kinds of garbage collection there were.
    expect(others.length).toBeGreaterThan(350);
    expect(lines.length - others.length).toBe(4 * 2 + 2 + 2 * 7 + 1 + 1);
    const violations = others.filter((line) => line.startsWith("almanac_catalog_violations_total{"));
    const samples = others.filter((line) => !line.startsWith("#"));
    expect(violations.length).toBeGreaterThan(samples.length / 2);
    for (const line of violations) expect(line).toMatch(/ 0$/);
  });

  it("keeps the names and types of the default metrics, active handles and requests apart", async () => {
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const theirs = (await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)] as const);
    registry.clear();
    expect(theirs.length).toBeGreaterThan(20);
    const types: Readonly<Record<string, string | undefined>> = Object.fromEntries(
      Object.values(stack.families).map(({ name, type }) => [name, type]),
    );
    const missing = theirs.map(([name]) => name).filter((name) => types[name] === undefined);
    expect(missing.sort()).toEqual([
      "nodejs_active_handles",
      "nodejs_active_handles_total",
      "nodejs_active_requests",
      "nodejs_active_requests_total",
    ]);
    for (const [name, type] of theirs) if (!missing.includes(name)) expect([name, types[name]]).toEqual([name, type]);
  });

  it("serves a page of the catalog's families alone on a server of one's own", async () => {
    const page = await pageOf("from-prom-client/own-server.ts");
    expect(seriesOf(page)).toEqual({ "shop_orders_total{outcome=paid}": 3, "shop_orders_total{outcome=refused}": 0 });
  });

  it("writes exemplars of sampled spans without being told", async () => {
    const [first = "", ...page] = (await printed("with-exemplars.ts")).split("\n");
    const histogram = parsePage(page.join("\n"), "openmetrics").get("shop_order_duration_seconds");
    const exemplars = histogram?.samples.flatMap(({ name, exemplar }) => (exemplar ? [[name, exemplar] as const] : []));
    expect(exemplars).toHaveLength(1);
    const [[sample, exemplar] = []] = exemplars ?? [];
    expect(sample).toBe("shop_order_duration_seconds_bucket");
    expect(`trace ${exemplar?.labels.get("trace_id")}`).toBe(first);
    expect(exemplar?.value).toBe(0.3);
  });
});

describe("an endpoint in the environment", () => {
  it("gets the metrics with their exemplars, without a change of the code", async () => {
    const messages: string[] = [];
    await using receiver = createServer((request, response) => {
      void text(request).then((message) => {
        if (request.url === "/v1/metrics") messages.push(message);
        response.setHeader("content-type", "application/json").end("{}");
      });
    }).listen(0, "127.0.0.1");
    await once(receiver, "listening");
    const { port } = receiver.address() as AddressInfo;
    const page = await printed("with-exemplars.ts", {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    });
    const trace = /^trace ([0-9a-f]{32})$/m.exec(page)?.[1];
    expect(trace).toBeDefined();
    expect(messages.join()).toContain('"name":"shop_order_duration_seconds"');
    expect(messages.join()).toContain(`"traceId":"${trace}"`);
  });
});

describe("labels that do not fit", () => {
  it("throw in prom-client, and are repaired or dropped and counted here", async () => {
    const theirs = new Counter({ name: "shop_orders_total", help: "Orders.", labelNames: ["outcome"], registers: [] });
    expect(() => theirs.inc({ result: "paid" } as never)).toThrow();

    const shop = defineCatalog("shop", {
      shop_orders_total: {
        type: "counter",
        help: "Orders that were handled.",
        movesWhen: "an order ended",
        labels: { outcome: oneOf("paid", "refused") },
        owners: ["shop"],
      },
    });
    const reader = createPrometheusReader({ catalogs: [shop] });
    const { shop_orders_total } = createInstruments(shop, createMeterProvider({ readers: [reader] }));
    shop_orders_total.add(1, { result: "paid" } as never);
    shop_orders_total.add(1, { outcome: "payed" as "paid" });
    expect(seriesOf(parsePage((await reader.render()).body, "text"))).toEqual({
      "shop_orders_total{outcome=other}": 1,
      "almanac_catalog_violations_total{family=shop_orders_total,reason=unknown_key}": 1,
      "almanac_catalog_violations_total{family=shop_orders_total,reason=value}": 1,
    });
  });
});

describe("what prom-client's calls become", () => {
  const shop = defineCatalog("shop", {
    shop_orders_total: {
      type: "counter",
      help: "Orders that were handled.",
      movesWhen: "an order ended",
      labels: { outcome: oneOf("paid", "refused"), product: anyValue("name of the product") },
      owners: ["shop"],
    },
    shop_carts: {
      type: "gauge",
      instrument: "upDownCounter",
      help: "Carts in use.",
      movesWhen: "a cart is taken or brought back",
      labels: {},
      owners: ["shop"],
    },
  });

  function start(resourceLabels?: RegExp) {
    const reader = createPrometheusReader({ catalogs: [shop], resourceLabels });
    const resource = resourceFromAttributes({ region: "north" });
    const meterProvider = createMeterProvider({ readers: [reader], resource });
    return {
      instruments: createInstruments(shop, meterProvider),
      async series() {
        return seriesOf(parsePage((await reader.render()).body, "text"), /^shop_/);
      },
    };
  }

  it("labels() is bind()", async () => {
    const { instruments, series } = start();
    const labels = { outcome: "paid", product: "tea" } as const;
    instruments.shop_orders_total.bind(labels).add(2);
    instruments.shop_orders_total.add(1, labels);
    expect(await series()).toEqual({ "shop_orders_total{outcome=paid,product=tea}": 3 });
  });

  it("inc() and dec() of a gauge are add() of an up-down counter", async () => {
    const { instruments, series } = start();
    instruments.shop_carts.add(3);
    instruments.shop_carts.add(-1);
    expect(await series()).toEqual({ "shop_carts{}": 2 });
  });

  it("remove(), reset() and inc(labels, 0) are remove(), remove({}) and start()", async () => {
    const { instruments, series } = start();
    const { shop_orders_total } = instruments;
    for (const product of ["tea", "rice"]) shop_orders_total.add(1, { outcome: "paid", product });
    shop_orders_total.remove({ product: "tea" });
    expect(await series()).toEqual({ "shop_orders_total{outcome=paid,product=rice}": 1 });
    shop_orders_total.remove({});
    expect(await series()).toEqual({});
    shop_orders_total.start({ product: "tea" });
    expect(await series()).toEqual({
      "shop_orders_total{outcome=paid,product=tea}": 0,
      "shop_orders_total{outcome=refused,product=tea}": 0,
    });
  });

  it("setDefaultLabels() is attributes of the resource, named by resourceLabels", async () => {
    const { instruments, series } = start(/^region$/);
    instruments.shop_carts.add(1);
    expect(await series()).toEqual({ "shop_carts{region=north}": 1 });
  });
});

describe("the page in OpenMetrics", () => {
  it("keeps the name of a counter without _total, which prom-client changes", async () => {
    const registry = new Registry();
    // The types know the default format only.
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    new Counter({ name: "shop_visits", help: "Visits.", registers: [registry] }).inc();
    expect(await registry.metrics()).toContain("\nshop_visits_total 1\n");

    const shop = defineCatalog("shop", {
      shop_visits: {
        type: "counter",
        help: "Visits.",
        movesWhen: "somebody came in",
        labels: {},
        owners: ["shop"],
        accepts: { "total-suffix": "dashboards know this name" },
      },
    });
    const reader = createPrometheusReader({ catalogs: [shop] });
    createInstruments(shop, createMeterProvider({ readers: [reader] })).shop_visits.add(1);
    const { body } = await reader.render({ accept: "application/openmetrics-text; version=1.0.0" });
    const page = Buffer.from(body).toString();
    expect(page).toContain("\nshop_visits 1\n");
    expect(page).toContain("# TYPE shop_visits unknown\n");
    expect(page).not.toContain("_created");
  });
});
