import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createMeterProvider } from "@almanac/metrics";
import { createOtlpMetricExporter, createTracerProvider } from "@almanac/telemetry";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";

// In place of a Collector: prints what it is sent.
const collector = createServer((request, response) => {
  void text(request).then((message) => {
    console.log(message);
    response.setHeader("content-type", "application/json").end("{}");
  });
}).listen(0, "127.0.0.1");
await once(collector, "listening");
const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/metrics`;

const exporter = createOtlpMetricExporter({ protocol: "http/json", url });
const meterProvider = createMeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
const duration = meterProvider.getMeter("shop").createHistogram("shop.order.duration", { unit: "s" });

const span = createTracerProvider().getTracer("shop").startSpan("order");
duration.record(0.3, { outcome: "paid" }, trace.setSpan(ROOT_CONTEXT, span));
span.end();

await meterProvider.shutdown();
collector.close();
