import { createMeterProvider } from "@almanac/metrics";
import { ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { Counter, Gauge, Histogram, Registry, type RegistryContentType } from "prom-client";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createPrometheusReader } from "./reader.ts";
import { readPage } from "./page.test.helper.ts";

/** Both have the same content when each sample line, its labels sorted, is in both. */
function normalise(page: string): string[] {
  const sortLabels = (_line: string, name: string, labels: string, rest: string): string =>
    `${name}{${(labels.match(/[a-zA-Z_]\w*="(?:[^"\\]|\\[^])*"/g) ?? []).sort().join(",")}} ${rest}`;
  return page
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/^(\w+)\{((?:\w+="(?:[^"\\]|\\[^])*",?)*)\} ([^]*)$/, sortLabels))
    .sort();
}

/** prom-client writes whole bounds without the `.0` that OpenMetrics asks for, and exemplars without labels where there are none. */
function canonical(page: string, openMetrics: boolean): string {
  if (!openMetrics) return page;
  return page.replace(/le="(\d+)"/g, 'le="$1.0"').replace(/ # \{\} \S+ \S+$/gm, "");
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
    expect(normalise(ours)).toEqual(normalise(canonical(theirs, openMetrics)));
  });
});

const seed = 20_260_501;
const text = fc.string({ unit: "grapheme", maxLength: 12 });
/** Times are compared as well. */
const now = new Date("2026-05-01T12:00:00.125Z");
const keys = fc.uniqueArray(fc.stringMatching(/^[a-z](_?[a-zA-Z0-9]){0,5}$/), { maxLength: 4 });
const measurement = fc.record({
  /** Which of its values each label has, so that series are met again. */
  series: fc.nat(3),
  value: fc.oneof(fc.nat(1_000), fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constantFrom(1e-9, 2 ** 40, 1e21)),
  /** The span it was made in, if any. */
  span: fc.option(fc.tuple(fc.bigInt(1n, 2n ** 128n - 1n), fc.bigInt(1n, 2n ** 64n - 1n)), { nil: undefined }),
});
const metric = fc.record({
  type: fc.constantFrom("counter" as const, "gauge" as const, "histogram" as const),
  // What OpenMetrics and prom-client escape differently is left out: a quote.
  help: text.map((help) => `help ${help.replaceAll('"', "")}`),
  keys: keys.filter((list) => !list.includes("le")),
  values: fc.array(text, { minLength: 4, maxLength: 4 }),
  bounds: fc
    .uniqueArray(fc.constantFrom(0.001, 0.025, 0.1, 0.5, 1, 2.5, 10, 300, 50_000), { minLength: 1 })
    .map((list) => list.sort((a, b) => a - b)),
  measurements: fc.array(measurement, { minLength: 1, maxLength: 30 }),
});
type Metric = typeof metric extends fc.Arbitrary<infer T> ? T : never;

function labelsOf({ keys, values }: Metric, series: number): Record<string, string> {
  return Object.fromEntries(keys.map((key, index) => [key, `${values[(series + index) % values.length]}${series}`]));
}

/**
 * Of a counter's measurements within spans this engine keeps any one, prom-client the last and only if no other comes later; of an
 * increment by 0 it shows a 1.
 */
function measurementsOf({ type, keys, measurements }: Metric): Metric["measurements"] {
  if (type === "histogram") return measurements;
  return measurements.map((each, index) => {
    const later = measurements.slice(index + 1).some(({ series }) => keys.length === 0 || series === each.series);
    return later || each.value === 0 ? { ...each, span: undefined } : each;
  });
}

async function theirPage(metrics: readonly Metric[], openMetrics: boolean): Promise<string> {
  const registry = new Registry<RegistryContentType>();
  if (openMetrics) registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  for (const [index, metric] of metrics.entries()) {
    const { type, help, keys, bounds } = metric;
    // prom-client appends the suffix in OpenMetrics only.
    const name = `m${index}${type === "counter" && !openMetrics ? "_total" : ""}`;
    const common = { name, help, labelNames: keys, registers: [registry], enableExemplars: openMetrics };
    const gauge = type === "gauge" ? new Gauge(common) : undefined;
    const counter = type === "counter" ? new Counter(common) : undefined;
    const histogram = type === "histogram" ? new Histogram({ ...common, buckets: bounds }) : undefined;
    for (const { series, value, span } of measurementsOf(metric)) {
      const labels = labelsOf(metric, series);
      const exemplarLabels = span === undefined ? {} : idsOf(span);
      gauge?.set(labels, value);
      if (openMetrics) {
        // The types want the metric's own labels here.
        counter?.inc({ labels, value, exemplarLabels });
        histogram?.observe({ labels, value, exemplarLabels });
      } else {
        counter?.inc(labels, value);
        histogram?.observe(labels, value);
      }
    }
  }
  return registry.metrics();
}

function idsOf([traceId, spanId]: readonly [bigint, bigint]) {
  return { trace_id: traceId.toString(16).padStart(32, "0"), span_id: spanId.toString(16).padStart(16, "0") };
}

async function ourPage(metrics: readonly Metric[], accept: string): Promise<string> {
  const reader = createPrometheusReader();
  const meter = createMeterProvider({ readers: [reader] }).getMeter("test");
  for (const [index, metric] of metrics.entries()) {
    const { type, help: description, bounds } = metric;
    const gauge = type === "gauge" ? meter.createGauge(`m${index}`, { description }) : undefined;
    const counter = type === "counter" ? meter.createCounter(`m${index}_total`, { description }) : undefined;
    const advice = { explicitBucketBoundaries: bounds };
    const histogram = type === "histogram" ? meter.createHistogram(`m${index}`, { description, advice }) : undefined;
    for (const { series, value, span } of measurementsOf(metric)) {
      const labels = labelsOf(metric, series);
      const { trace_id: traceId, span_id: spanId } = idsOf(span ?? [0n, 0n]);
      const spanContext = { traceId, spanId, traceFlags: TraceFlags.SAMPLED };
      const context = span === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContext);
      gauge?.record(value, labels, context);
      counter?.add(value, labels, context);
      histogram?.record(value, labels, context);
    }
  }
  return Buffer.from((await reader.render({ accept })).body).toString();
}

describe("random registries", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each(["text/plain", "application/openmetrics-text"])("have pages like prom-client's as %s", async (accept) => {
    vi.useFakeTimers({ toFake: ["Date"], now });
    const openMetrics = accept !== "text/plain";
    let exemplars = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(metric, { minLength: 1, maxLength: 6 }), async (metrics) => {
        const ours = await ourPage(metrics, accept);
        readPage(ours, openMetrics ? "openmetrics" : "text");
        exemplars += ours.split(" # {").length - 1;
        expect(normalise(ours)).toEqual(normalise(canonical(await theirPage(metrics, openMetrics), openMetrics)));
      }),
      { seed, numRuns: 200 },
    );
    if (openMetrics) expect(exemplars).toBeGreaterThan(1_000);
  });
});
