import { defineCatalog, oneOf } from "@almanac/catalog";
import { startTelemetry } from "@almanac/telemetry";

const shop = defineCatalog("shop", {
  shop_orders_total: {
    type: "counter",
    help: "Orders that were handled.",
    movesWhen: "an order ended",
    labels: { outcome: oneOf("paid", "refused") },
    owners: ["shop"],
  },
});

const telemetry = await startTelemetry({ serviceName: "shop", owner: "shop", catalogs: [shop], metrics: { port: 0 } });
const { shop_orders_total } = telemetry.instruments(shop);
shop_orders_total.add(1, { outcome: "paid" }); // "payed" would not compile
console.log(await (await fetch(`${telemetry.metricsUrl}/metrics`)).text());
await telemetry.shutdown();
