import { createPrometheusReader } from "@almanac/exposition";
import { createMeterProvider } from "@almanac/metrics";

const reader = createPrometheusReader({ translationStrategy: "NoTranslation" });
const meterProvider = createMeterProvider({ readers: [reader] });
const meter = meterProvider.getMeter("shop");
meter.createCounter("shop.orders").add(3, { "order.outcome": "paid" });
meter.createGauge("shop.stock").record(12);

for (const accept of [
  "text/plain;version=0.0.4",
  "text/plain;version=1.0.0;escaping=allow-utf-8",
  "application/openmetrics-text;version=1.0.0;escaping=dots",
  "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.8,text/plain;q=0.5",
]) {
  const page = await reader.render({ accept, names: ["shop.orders", "shop_orders", "shop_dot_orders"] });
  console.log(`# ${page.contentType}`);
  console.log(page.format === "protobuf" ? `(${page.size} bytes)` : Buffer.from(page.body).toString());
}
await meterProvider.shutdown();
