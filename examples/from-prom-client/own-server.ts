import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { defineCatalog, oneOf } from "@almanac/catalog";
import { createPrometheusReader } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";

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
const meterProvider = createMeterProvider({ readers: [reader] });
const { shop_orders_total } = createInstruments(shop, meterProvider, { owner: "shop" });
shop_orders_total.add(3, { outcome: "paid" });

const server = createServer((request, response) => {
  const { accept } = request.headers;
  void reader.render({ accept }).then((page) => response.setHeader("content-type", page.contentType).end(page.body));
});
await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address() as AddressInfo;
console.log(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
server.close();
await meterProvider.shutdown();
