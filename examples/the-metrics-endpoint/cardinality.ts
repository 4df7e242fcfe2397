import { anyValue, catalogViews, defineCatalog } from "@almanac/catalog";
import { createPrometheusReader } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";

const shop = defineCatalog("shop", {
  shop_orders_total: {
    type: "counter",
    help: "Orders that were handled.",
    movesWhen: "an order ended",
    labels: { product: anyValue("name of the product") },
    owners: ["shop"],
    cardinalityLimit: 3,
  },
});
const reader = createPrometheusReader({ catalogs: [shop] });
const meterProvider = createMeterProvider({ readers: [reader], views: catalogViews(shop) });
const { shop_orders_total } = createInstruments(shop, meterProvider);
for (const product of ["tea", "rice", "salt", "oil", "tea"]) shop_orders_total.add(1, { product });

console.log(Buffer.from((await reader.render()).body).toString());
await meterProvider.shutdown();
