import { anyValue, defineCatalog } from "@almanac/catalog";
import { createPrometheusReader } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";

const shop = defineCatalog("shop", {
  shop_orders_total: {
    type: "counter",
    help: "Orders that were handled.",
    movesWhen: "an order ended",
    labels: { branch: anyValue("name of the branch"), product: anyValue("name of the product") },
    owners: ["shop"],
  },
});
const reader = createPrometheusReader({ catalogs: [shop] });
const meterProvider = createMeterProvider({ readers: [reader], seriesIdleMs: 3_600_000 });
const { shop_orders_total } = createInstruments(shop, meterProvider);
const visits = meterProvider.getMeter("shop").createCounter("shop.visits");

const rice = shop_orders_total.bind({ branch: "north", product: "rice" });
rice.add(1);
rice.remove?.(); // this series
for (const product of ["tea", "rice"]) shop_orders_total.add(1, { branch: "north", product });
console.log(shop_orders_total.remove({ branch: "north" }), "removed: all with this label");
shop_orders_total.add(1, { branch: "south", product: "tea" });
console.log(shop_orders_total.remove({}), "removed: the whole family");

visits.add(1);
visits.add(1, { branch: "north" });
visits.add(1, { branch: "south" });
console.log(visits.remove({}), "removed: the series without attributes, if there is one");
console.log(visits.removeMatching({ branch: "north" }), "removed: all with this attribute");

shop_orders_total.add(1, { branch: "south", product: "tea" });
console.log(meterProvider.removeSeries({ branch: "south" }), "removed: of all instruments");
console.log(`${Buffer.from((await reader.render()).body).toString()}# the end`);
await meterProvider.shutdown();
