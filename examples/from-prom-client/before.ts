import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { collectDefaultMetrics, Counter, Gauge, Histogram, register } from "prom-client";

collectDefaultMetrics();
const orders = new Counter({ name: "shop_orders_total", help: "Orders that were handled.", labelNames: ["outcome"] });
const duration = new Histogram({
  name: "shop_order_duration_seconds",
  help: "From an order to its end.",
  labelNames: ["outcome"],
  buckets: [0.1, 0.5, 1, 5],
});
const stock = new Gauge({ name: "shop_stock_items", help: "Items on the shelf.", labelNames: ["product"] });
const queue = ["order 4"];
new Gauge({
  name: "shop_queue_depth",
  help: "Orders that wait.",
  collect() {
    this.set(queue.length);
  },
});

const paid = duration.labels({ outcome: "paid" });
orders.inc({ outcome: "paid" });
paid.observe(0.3);
orders.inc({ outcome: "paid" }, 2);
paid.observe(0.07);
paid.observe(7);
stock.set({ product: "tea" }, 12);

const server = createServer((_request, response) => {
  void register.metrics().then((page) => response.setHeader("content-type", register.contentType).end(page));
});
await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address() as AddressInfo;
console.log(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
server.close();
