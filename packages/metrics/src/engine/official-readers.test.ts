// Every official reader and exporter works on this engine, and gives what it gives on the official provider.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ValueType } from "@opentelemetry/api";
import type { MeterProvider as ApiMeterProvider } from "@opentelemetry/api";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { JsonMetricsSerializer, ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  AggregationType,
  ConsoleMetricExporter,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type {
  IMetricReader,
  MeterProviderOptions,
  PushMetricExporter,
  ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualReader, warningsOf } from "./manual-reader.test.helper.ts";
import { createMeterProvider } from "./provider.ts";

const resource = resourceFromAttributes({ "service.name": "test" });
const views: MeterProviderOptions["views"] = [
  { instrumentName: "exponential", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } },
];

interface Provider extends ApiMeterProvider {
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

const engines: readonly ((options: MeterProviderOptions) => Provider)[] = [
  (options) => new MeterProvider(options),
  (options) => createMeterProvider(options),
];

/** One of every instrument. */
function recordAll(provider: ApiMeterProvider): void {
  const meter = provider.getMeter("scope", "1.2", { schemaUrl: "https://example.com/1" });
  meter.createCounter("counter", { unit: "By", description: "Bytes." }).add(2, { a: "x", list: ["1", "2"] });
  meter.createCounter("whole", { valueType: ValueType.INT }).add(3);
  meter.createUpDownCounter("up.down").add(-1.5, { number: 1, flag: true });
  meter.createGauge("gauge").record(0.25, { a: "x" });
  const histogram = meter.createHistogram("histogram", { unit: "s" });
  for (const value of [0, 3, 7000]) histogram.record(value, { a: "x" });
  const exponential = meter.createHistogram("exponential");
  for (const value of [0, 1, 4, 4]) exponential.record(value);
  meter.createObservableCounter("o.counter").addCallback((result) => result.observe(5, { a: "x" }));
  meter.createObservableUpDownCounter("o.up.down").addCallback((result) => result.observe(-5));
  meter.createObservableGauge("o.gauge").addCallback((result) => result.observe(0.5));
}

/** What each of the engines gives, at the same time. */
async function both<T>(run: (open: (typeof engines)[number]) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (const open of engines) {
    vi.setSystemTime(1_700_000_000_000);
    results.push(await run(open));
  }
  return results;
}

/** Scopes and metrics come in no order that anyone promises. */
function sorted({ resource: about, scopeMetrics }: ResourceMetrics): ResourceMetrics {
  const inOrder = scopeMetrics.map(({ scope, metrics }) => ({
    scope,
    metrics: [...metrics].sort((a, b) => (a.descriptor.name < b.descriptor.name ? -1 : 1)),
  }));
  return { resource: about, scopeMetrics: inOrder };
}

describe("official readers", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ["cumulative", AggregationTemporality.CUMULATIVE],
    ["delta", AggregationTemporality.DELTA],
  ])(
    "export on the official provider and on this one what serializes to the same OTLP, %s",
    async (_name, temporality) => {
      const [official, ours] = await both(async (open) => {
        const exporter = new InMemoryMetricExporter(temporality);
        const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1_000_000 });
        const provider = open({ resource, views, readers: [reader] });
        recordAll(provider);
        vi.advanceTimersByTime(1500);
        await provider.forceFlush();
        const exported = sorted(exporter.getMetrics()[0]!);
        await provider.shutdown();
        const text = Buffer.from(JsonMetricsSerializer.serializeRequest(exported)!).toString();
        const bytes = Buffer.from(ProtobufMetricsSerializer.serializeRequest(exported)!).toString("hex");
        // Of what callbacks report, the official SDK says that it began when it was observed.
        return { text: text.replaceAll(/"startTimeUnixNano":"\d+"/g, ""), length: bytes.length };
      });
      expect(ours).toEqual(official);
      expect(ours?.text).toContain('"exponentialHistogram"');
    },
  );

  it("export in batches as they do on the official provider", async () => {
    const [official, ours] = await both(async (open) => {
      const sizes: number[] = [];
      const exporter: PushMetricExporter = {
        export: ({ scopeMetrics }, done) => {
          sizes.push(
            scopeMetrics.flatMap(({ metrics }) => metrics.flatMap(({ dataPoints }): unknown[] => dataPoints)).length,
          );
          done({ code: 0 });
        },
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      };
      const options = { exporter, exportIntervalMillis: 1_000_000, maxExportBatchSize: 4 };
      const provider = open({ resource, views, readers: [new PeriodicExportingMetricReader(options)] });
      recordAll(provider);
      await provider.shutdown();
      return sizes;
    });
    expect(ours).toEqual(official);
    expect(ours).toEqual([4, 4, 1]);
  });

  it("print to the console", async () => {
    const [official, ours] = await both(async (open) => {
      const printed: unknown[] = [];
      const dir = vi.spyOn(console, "dir").mockImplementation((...args) => void printed.push(args[0]));
      try {
        const exporter = new ConsoleMetricExporter();
        const provider = open({ resource, readers: [new PeriodicExportingMetricReader({ exporter })] });
        provider.getMeter("m").createCounter("c").add(1, { a: "x" });
        await provider.shutdown();
      } finally {
        dir.mockRestore();
      }
      return (printed as { dataPoints: unknown; dataPointType: unknown }[]).map(({ dataPoints, dataPointType }) => ({
        dataPoints,
        dataPointType,
      }));
    });
    expect(ours).toEqual(official);
    expect(ours).toHaveLength(1);
  });

  it("serve the official Prometheus page", async () => {
    const pages = await both(async (open) => {
      const exporter = new PrometheusExporter({ preventServerStart: true });
      const provider = open({ resource, readers: [exporter] });
      recordAll(provider);
      const page = await serveOnce((request, response) => exporter.getMetricsRequestHandler(request, response));
      await provider.shutdown();
      return page.split("\n").sort();
    });
    expect(pages[1]).toEqual(pages[0]);
    expect(pages[1]).toContainEqual(expect.stringMatching(/^counter_total\{a="x",list=.*\} 2\b/));
  });

  it("give up an exporter that hangs, after the others are shut down", async () => {
    const hanging: PushMetricExporter = {
      export: () => undefined,
      forceFlush: () => Promise.resolve(),
      shutdown: () => new Promise(() => undefined),
    };
    const other = new ManualReader();
    const readers: IMetricReader[] = [
      new PeriodicExportingMetricReader({ exporter: hanging, exportTimeoutMillis: 30 }),
      other,
    ];
    const provider = createMeterProvider({ readers });
    provider.getMeter("m").createCounter("c").add(1);
    const warnings = await warningsOf(async () => {
      await expect(provider.shutdown({ timeoutMillis: 100 })).rejects.toThrow(/timed out|did not end within 100 ms/);
    });
    expect(warnings).toContainEqual(expect.stringContaining("timed out after 30ms"));
    expect(other.closed).toBe(1);
  });
});

async function serveOnce(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    return await (await fetch(`http://127.0.0.1:${port}/`)).text();
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
