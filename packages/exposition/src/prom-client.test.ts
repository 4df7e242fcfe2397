import { createMeterProvider } from "@almanac/metrics";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { createPrometheusReader } from "./reader.ts";
import { readPage } from "./page.test.helper.ts";

/** Both have the same content when each sample line, its labels sorted, is in both. */
function normalise(page: string): string[] {
  const sortLabels = (_line: string, name: string, labels: string, value: string): string =>
    `${name}{${(labels.match(/[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"/g) ?? []).sort().join(",")}} ${value}`;
  return page
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/^(\w+)\{(.*)\} (\S+)$/, sortLabels))
    .sort();
}

describe("a page", () => {
  it.each([
    ["official", "text/plain"],
    ["official", "application/openmetrics-text"],
    ["engine", "text/plain"],
    ["engine", "application/openmetrics-text"],
  ])("of the %s provider holds what prom-client writes of the same measurements as %s", async (provider, accept) => {
    const openMetrics = accept !== "text/plain";
    const registry = new Registry();
    // The types know the default format only.
    if (openMetrics) registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    const registers = [registry];
    const reader = createPrometheusReader();
    const readers = [reader];
    const meter = (provider === "engine" ? createMeterProvider({ readers }) : new MeterProvider({ readers })).getMeter(
      "test",
    );
    const help = "Help with \\ and\nline feed";
    const bounds = [0.005, 0.1, 1, 2.5, 300];
    // prom-client appends the suffix in OpenMetrics only.
    const theirCounter = new Counter({
      name: openMetrics ? "requests" : "requests_total",
      help,
      labelNames: ["method", "path"],
      registers,
    });
    const ourCounter = meter.createCounter("requests_total", { description: help });
    const theirGauge = new Gauge({ name: "depth", help, labelNames: ["queue"], registers });
    const ourGauge = meter.createGauge("depth", { description: help });
    const theirHistogram = new Histogram({
      name: "latency_seconds",
      help,
      labelNames: ["method"],
      buckets: bounds,
      registers,
    });
    const ourHistogram = meter.createHistogram("latency_seconds", {
      description: help,
      advice: { explicitBucketBoundaries: bounds },
    });
    let seed = 42;
    const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647;
    for (let event = 0; event < 2000; event++) {
      const labels = { method: ["GET", "PUT", 'odd"\\\n'][event % 3] ?? "", path: `/${Math.floor(random() * 40)}` };
      const amount = Math.floor(random() * 10);
      theirCounter.inc(labels, amount);
      ourCounter.add(amount, labels);
      const queue = { queue: String(event % 7) };
      const depth = (random() - 0.5) * 1e7;
      theirGauge.set(queue, depth);
      ourGauge.record(depth, queue);
      const latency = random() ** 8 * 1000;
      theirHistogram.observe({ method: labels.method }, latency);
      ourHistogram.record(latency, { method: labels.method });
    }
    theirGauge.set({ queue: "inf" }, Infinity);
    ourGauge.record(Infinity, { queue: "inf" });

    const ours = Buffer.from((await reader.render({ accept })).body).toString();
    const theirs = await registry.metrics();
    readPage(ours, openMetrics ? "openmetrics" : "text");
    // prom-client writes whole bounds without the `.0` that OpenMetrics asks for.
    const canonical = openMetrics ? theirs.replace(/le="(\d+)"/g, 'le="$1.0"') : theirs;
    expect(normalise(ours)).toEqual(normalise(canonical));
  });
});
