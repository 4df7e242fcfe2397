import { metrics } from "@opentelemetry/api";
import { startTelemetry } from "@almanac/telemetry";

const telemetry = await startTelemetry({
  serviceName: "shop",
  owner: "shop",
  catalogs: [],
  metrics: { port: 0 },
  logs: { destination: process.stderr },
  registerGlobals: true,
});

const meter = metrics.getMeter("shop", "1.0.0");
const orders = meter.createCounter("shop.orders", { description: "Orders that were handled." });
const duration = meter.createHistogram("shop.order.duration", {
  description: "From an order to its end.",
  unit: "s",
  advice: { explicitBucketBoundaries: [0.1, 0.5, 1, 5] },
});
const queue = ["order 4"];
meter
  .createObservableGauge("shop.queue.depth", { description: "Orders that wait." })
  .addCallback((result) => result.observe(queue.length));
orders.add(3, { outcome: "paid" });
duration.record(0.3, { outcome: "paid" });

console.log(await (await fetch(`${telemetry.metricsUrl}/metrics`)).text());
await telemetry.shutdown();
