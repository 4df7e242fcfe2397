import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PrometheusExporter } from "@almanac/exposition";
import { metrics } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider } from "@opentelemetry/sdk-metrics";

const exporter = new PrometheusExporter({ preventServerStart: true });
const resource = resourceFromAttributes({ "service.name": "shop" });
const meterProvider = new MeterProvider({ resource, readers: [exporter] });
metrics.setGlobalMeterProvider(meterProvider);

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

const server = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address() as AddressInfo;
console.log(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
server.close();
await meterProvider.shutdown();
