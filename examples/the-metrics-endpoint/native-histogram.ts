import { defineCatalog, oneOf } from "@almanac/catalog";
import { createPrometheusReader, parsePage } from "@almanac/exposition";
import { createInstruments, createMeterProvider } from "@almanac/metrics";
import { AggregationType } from "@opentelemetry/sdk-metrics";

const shop = defineCatalog("shop", {
  shop_order_duration_seconds: {
    type: "histogram",
    buckets: [0.1, 0.5, 1, 5],
    help: "From an order to its end.",
    movesWhen: "an order ended",
    labels: { outcome: oneOf("paid", "refused") },
    owners: ["shop"],
  },
});
const reader = createPrometheusReader({ catalogs: [shop] });
const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 160 } } as const;
const meterProvider = createMeterProvider({
  readers: [reader],
  views: [{ instrumentName: "shop_order_duration_seconds", aggregation }],
});
const { shop_order_duration_seconds } = createInstruments(shop, meterProvider);
for (const seconds of [0.07, 0.3, 7]) shop_order_duration_seconds.record(seconds, { outcome: "paid" });

const accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
const page = parsePage((await reader.render({ accept })).body, "protobuf");
for (const { schema, count, sum, positive } of page.get("shop_order_duration_seconds")?.nativeHistograms ?? []) {
  console.log({ schema, count, sum, buckets: positive.size });
}
// Text has the count and the sum, and no buckets but +Inf.
console.log(Buffer.from((await reader.render()).body).toString());
await meterProvider.shutdown();
