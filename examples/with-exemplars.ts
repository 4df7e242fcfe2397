import { defineCatalog, oneOf } from "@almanac/catalog";
import { startTelemetry } from "@almanac/telemetry";

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
const telemetry = await startTelemetry({
  serviceName: "shop",
  owner: "shop",
  catalogs: [shop],
  metrics: { port: 0 },
  logs: { destination: process.stderr },
});
const { shop_order_duration_seconds } = telemetry.instruments(shop);

telemetry.tracerProvider.getTracer("shop").startActiveSpan("order", (span) => {
  shop_order_duration_seconds.record(0.3, { outcome: "paid" });
  console.log(`trace ${span.spanContext().traceId}`);
  span.end();
});

const headers = { accept: "application/openmetrics-text; version=1.0.0" };
console.log(await (await fetch(`${telemetry.metricsUrl}/metrics`, { headers })).text());
await telemetry.shutdown();
