import { anyValue, defineCatalog, oneOf } from "@almanac/catalog";
import { startTelemetry } from "@almanac/telemetry";

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
  shop_stock_items: {
    type: "gauge",
    help: "Items on the shelf.",
    movesWhen: "an item is put on the shelf or taken from it",
    labels: { product: anyValue("name of the product") },
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

const telemetry = await startTelemetry({
  serviceName: "shop",
  owner: "shop",
  catalogs: [shop],
  metrics: { port: 0 },
  logs: { destination: process.stderr },
});
const { shop_orders_total, shop_order_duration_seconds, shop_stock_items, shop_queue_depth } =
  telemetry.instruments(shop);
const queue = ["order 4"];
shop_queue_depth.observe((observe) => observe(queue.length));

const paid = shop_order_duration_seconds.bind({ outcome: "paid" });
shop_orders_total.add(1, { outcome: "paid" });
paid.record(0.3);
shop_orders_total.add(2, { outcome: "paid" });
paid.record(0.07);
paid.record(7);
shop_stock_items.record(12, { product: "tea" });

console.log(await (await fetch(`${telemetry.metricsUrl}/metrics`)).text());
await telemetry.shutdown();
