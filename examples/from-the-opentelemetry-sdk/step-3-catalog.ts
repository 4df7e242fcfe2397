import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { defineCatalog, oneOf } from "@almanac/catalog";
import { PrometheusExporter } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";
import { resourceFromAttributes } from "@opentelemetry/resources";

const outcome = oneOf("paid", "refused");
const shop = defineCatalog("shop", {
  shop_orders_total: {
    type: "counter",
    help: "Orders that were handled.",
    movesWhen: "an order ended",
    labels: { outcome },
    owners: ["shop"],
  },
  shop_order_duration_seconds: {
    type: "histogram",
    buckets: [0.1, 0.5, 1, 5],
    help: "From an order to its end.",
    movesWhen: "an order ended",
    labels: { outcome },
    owners: ["shop"],
  },
  shop_queue_depth: {
    type: "gauge",
    observed: true,
    help: "Orders that wait.",
    movesWhen: "read when the page is",
    labels: {},
    owners: ["shop"],
  },
});

const exporter = new PrometheusExporter({ preventServerStart: true, catalogs: [shop] });
const resource = resourceFromAttributes({ "service.name": "shop" });
const meterProvider = createMeterProvider({ resource, readers: [exporter] });

const { shop_orders_total, shop_order_duration_seconds, shop_queue_depth } = createInstruments(shop, meterProvider, {
  owner: "shop",
});
const queue = ["order 4"];
shop_queue_depth.observe((observe) => observe(queue.length));
shop_orders_total.add(3, { outcome: "paid" });
shop_order_duration_seconds.record(0.3, { outcome: "paid" });

const server = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address() as AddressInfo;
console.log(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
server.close();
await meterProvider.shutdown();
