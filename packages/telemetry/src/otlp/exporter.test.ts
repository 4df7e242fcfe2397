import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diag, DiagLogLevel, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { ExportResultCode, type ExportResult } from "@opentelemetry/core";
import {
  AggregationTemporality,
  AggregationType,
  InstrumentType,
  MeterProvider,
  MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { createMeterProvider } from "@almanac/metrics";
import { createTestPki } from "@almanac/testkit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createOtlpMetricExporter, type OtlpMetricExporterOptions, type OtlpProtocol } from "./exporter.ts";
import { decodeJsonRequest, decodeRequest, encodeMessage, metricsOf, pointsOf } from "./proto.test.helper.ts";
import type { PointMessage } from "./proto.test.helper.ts";
import { startGrpcReceiver, startHttpReceiver, type Received } from "./receiver.test.helper.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  vi.unstubAllEnvs();
});

async function httpReceiver(...args: Parameters<typeof startHttpReceiver>) {
  const started = await startHttpReceiver(...args);
  cleanUps.push(() => started.close());
  return started;
}

async function grpcReceiver(...args: Parameters<typeof startGrpcReceiver>) {
  const started = await startGrpcReceiver(...args);
  cleanUps.push(() => started.close());
  return started;
}

function exporterWith(options: OtlpMetricExporterOptions): PushMetricExporter {
  const exporter = createOtlpMetricExporter(options);
  cleanUps.push(() => exporter.shutdown());
  return exporter;
}

class IdleReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** A counter of that many series with the value 1. */
async function someMetrics(series = 1): Promise<ResourceMetrics> {
  const reader = new IdleReader();
  const counter = createMeterProvider({ readers: [reader] })
    .getMeter("test")
    .createCounter("counter");
  for (let index = 0; index < series; index++) counter.add(1, { series: index });
  return (await reader.collect()).resourceMetrics;
}

function exportOf(exporter: PushMetricExporter, metrics: ResourceMetrics): Promise<ExportResult> {
  return new Promise((resolve) => exporter.export(metrics, resolve));
}

function pointsIn({ body, headers }: Received): readonly PointMessage[] {
  const decode = headers["content-type"] === "application/json" ? decodeJsonRequest : decodeRequest;
  return metricsOf(decode(body)).flatMap(pointsOf);
}

/** What the API's diagnostics get meanwhile. */
function warnings(): string[] {
  const noted: string[] = [];
  const note = (...message: unknown[]): void => void noted.push(message.map(String).join(" "));
  const ignore = (): void => undefined;
  const logger = { error: note, warn: note, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  cleanUps.push(() => diag.disable());
  return noted;
}

const httpProtocols = ["http/protobuf", "http/json"] as const;
const protocols: readonly OtlpProtocol[] = [...httpProtocols, "grpc"];

async function receiverFor(protocol: OtlpProtocol) {
  const receiver = protocol === "grpc" ? await grpcReceiver() : await httpReceiver();
  return { received: receiver.received, url: protocol === "grpc" ? receiver.url : `${receiver.url}/v1/metrics` };
}

describe("createOtlpMetricExporter", () => {
  it.each(protocols)("sends exemplars from both ends of a periodic reader over %s", async (protocol) => {
    const { url, received } = await receiverFor(protocol);
    const exporter = exporterWith({ protocol, url });
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = createMeterProvider({ readers: [reader] });
    cleanUps.push(() => provider.shutdown());
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const spanId = "b7ad6b7169203331";
    const sampled = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED });
    provider.getMeter("test").createHistogram("histogram").record(7, { a: "b" }, sampled);
    await provider.forceFlush();
    expect(received.map(({ path }) => path)).toEqual([
      protocol === "grpc" ? "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" : "/v1/metrics",
    ]);
    const [exemplar] = received.flatMap(pointsIn)[0]?.exemplars ?? [];
    expect(exemplar?.asDouble).toBe(7);
    expect(Buffer.from(exemplar?.traceId ?? "", "base64").toString("hex")).toBe(traceId);
    expect(Buffer.from(exemplar?.spanId ?? "", "base64").toString("hex")).toBe(spanId);
  });

  it("serves the official MeterProvider too", async () => {
    const { url, received } = await receiverFor("http/protobuf");
    const exporter = exporterWith({ url });
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = new MeterProvider({ readers: [reader] });
    cleanUps.push(() => provider.shutdown());
    provider.getMeter("test").createCounter("counter").add(3);
    await provider.forceFlush();
    expect(received.flatMap(pointsIn).map(({ asDouble }) => asDouble)).toEqual([3]);
  });

  it.each(protocols)("compresses and sends headers over %s", async (protocol) => {
    const { url, received } = await receiverFor(protocol);
    const exporter = exporterWith({ protocol, url, compression: "gzip", headers: { "x-tenant": "a" } });
    expect(await exportOf(exporter, await someMetrics(200))).toEqual({ code: ExportResultCode.SUCCESS });
    const encoding = protocol === "grpc" ? "grpc-encoding" : "content-encoding";
    expect(received[0]?.headers).toMatchObject({ "x-tenant": "a", [encoding]: "gzip" });
    expect(received.flatMap(pointsIn)).toHaveLength(200);
  });

  it("splits what is too long for one message", async () => {
    const { url, received } = await receiverFor("grpc");
    const exporter = exporterWith({ protocol: "grpc", url, maxMessageBytes: 5_000 });
    await exportOf(exporter, await someMetrics(1_000));
    expect(received.length).toBeGreaterThan(5);
    for (const { body } of received) expect(body.byteLength).toBeLessThan(5_400);
    const series = received.flatMap(pointsIn).map(({ attributes }) => Number(attributes[0]?.value.intValue));
    expect(series.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });

  it("leaves the event loop turns while it writes", async () => {
    const { url } = await receiverFor("http/protobuf");
    // Time passes with every look at it, so that every step is a slice of its own.
    let nowMs = 0;
    const clock = { now: () => nowMs, monotonic: () => (nowMs += 10), setTimeout: () => ({ cancel: () => undefined }) };
    const exporter = exporterWith({ url, clock });
    const metrics = await someMetrics(1_999);
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await exportOf(exporter, metrics);
    running = false;
    expect(turns).toBeGreaterThan(15);
  });

  it("takes everything from the environment", async () => {
    const { url, received } = await receiverFor("http/json");
    vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", url.replace("/v1/metrics", ""));
    vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    vi.stubEnv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json");
    vi.stubEnv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-tenant=b");
    vi.stubEnv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    vi.stubEnv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory");
    vi.stubEnv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram");
    const exporter = exporterWith({});
    await exportOf(exporter, await someMetrics());
    expect(received[0]).toMatchObject({
      path: "/v1/metrics",
      headers: { "x-tenant": "b", "content-encoding": "gzip", "content-type": "application/json" },
    });
    expect(exporter.selectAggregation?.(InstrumentType.HISTOGRAM).type).toBe(AggregationType.EXPONENTIAL_HISTOGRAM);
    expect(exporter.selectAggregation?.(InstrumentType.COUNTER).type).toBe(AggregationType.DEFAULT);
    expect(exporter.selectAggregationTemporality?.(InstrumentType.COUNTER)).toBe(AggregationTemporality.DELTA);
  });

  it("says what it does not understand in the environment, and does as if it were not there", async () => {
    const noted = warnings();
    vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "soap");
    vi.stubEnv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes");
    const exporter = exporterWith({});
    expect(noted.map((line) => line.split(" ")[0])).toEqual([
      "OTEL_EXPORTER_OTLP_PROTOCOL",
      "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    ]);
    expect(exporter.selectAggregationTemporality?.(InstrumentType.COUNTER)).toBe(AggregationTemporality.CUMULATIVE);
  });

  it.each([
    ["cumulative", []],
    ["delta", ["COUNTER", "GAUGE", "HISTOGRAM", "OBSERVABLE_COUNTER", "OBSERVABLE_GAUGE"]],
    ["lowmemory", ["COUNTER", "HISTOGRAM"]],
  ] as const)("prefers %s", (temporality, deltas) => {
    const exporter = exporterWith({ temporality });
    const found = Object.values(InstrumentType).filter(
      (type) => exporter.selectAggregationTemporality?.(type) === AggregationTemporality.DELTA,
    );
    expect(found.toSorted()).toEqual(deltas);
  });

  it("speaks TLS with the certificates of the environment", async () => {
    const folder = await mkdtemp(join(tmpdir(), "otlp-"));
    cleanUps.push(() => rm(folder, { recursive: true }));
    const pki = await createTestPki();
    const [server, client] = [await pki.issue(), await pki.issue({ commonName: "client" })];
    const files = { CERTIFICATE: pki.ca, CLIENT_CERTIFICATE: client.cert, CLIENT_KEY: client.key };
    const tls = { cert: server.cert, key: server.key, ca: pki.ca, requestCert: true };
    const receiver = await httpReceiver(() => ({}), tls);
    const options = { url: `${receiver.url}/v1/metrics`, timeoutMs: 900 };
    expect((await exportOf(exporterWith(options), await someMetrics())).code).toBe(ExportResultCode.FAILED);
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(folder, name), content);
      vi.stubEnv(`OTEL_EXPORTER_OTLP_METRICS_${name}`, join(folder, name));
    }
    expect(await exportOf(exporterWith(options), await someMetrics())).toEqual({ code: ExportResultCode.SUCCESS });
    expect(receiver.received).toHaveLength(1);
  });

  it("comes again when a server asks it to", async () => {
    const answers = [{ status: 503, headers: { "retry-after": "1" } }, {}];
    const receiver = await httpReceiver(() => answers.shift() ?? {});
    const exporter = exporterWith({ url: `${receiver.url}/v1/metrics` });
    expect(await exportOf(exporter, await someMetrics(300))).toEqual({ code: ExportResultCode.SUCCESS });
    const [first, second] = receiver.received;
    expect(second?.body).toEqual(first?.body);
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(900);
  });

  it("fails for good on what will not become better", async () => {
    const receiver = await httpReceiver(() => ({ status: 400, body: "no" }));
    const exporter = exporterWith({ url: `${receiver.url}/v1/metrics` });
    expect(await exportOf(exporter, await someMetrics())).toMatchObject({
      code: ExportResultCode.FAILED,
      error: { code: 400, data: "no" },
    });
    expect(receiver.received).toHaveLength(1);
  });

  it.each(protocols)("gives up over %s when nobody answers in time", async (protocol) => {
    const silent = createTcpServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    cleanUps.push(() => silent.close());
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const exporter = exporterWith({ protocol, url, timeoutMs: 200 });
    const started = performance.now();
    const { code, error } = await exportOf(exporter, await someMetrics());
    expect(code).toBe(ExportResultCode.FAILED);
    expect(error?.message).toMatch(/timed out|deadline/i);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  describe.each(protocols)("partial success over %s", (protocol) => {
    it("is told and logged, and a success", async () => {
      const noted = warnings();
      const partialSuccess = { rejectedDataPoints: 2, errorMessage: "too old" };
      const message = encodeMessage("ExportMetricsServiceResponse", { partialSuccess });
      const json = JSON.stringify({ partialSuccess: { ...partialSuccess, rejectedDataPoints: "2" } });
      const receiver =
        protocol === "grpc"
          ? await grpcReceiver(() => ({ message }))
          : await httpReceiver(() => ({ body: protocol === "http/json" ? json : message }));
      const told: unknown[] = [];
      const onPartialSuccess = (partial: unknown): void => void told.push(partial);
      const exporter = exporterWith({ protocol, url: receiver.url, onPartialSuccess });
      expect(await exportOf(exporter, await someMetrics())).toEqual({ code: ExportResultCode.SUCCESS });
      expect(told).toEqual([partialSuccess]);
      expect(noted.join()).toContain("too old");
    });
  });

  it("sends one export at a time, in their order, and refuses those for which there is no room", async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let under = 0;
    let most = 0;
    const receiver = await httpReceiver(async () => {
      most = Math.max(most, ++under);
      await released;
      under--;
      return {};
    });
    const exporter = exporterWith({ url: receiver.url });
    const results: Promise<ExportResult>[] = [];
    for (let count = 1; count <= 6; count++) results.push(exportOf(exporter, await someMetrics(count)));
    expect(await results[4]).toMatchObject({ code: ExportResultCode.FAILED });
    expect((await results[5])?.error?.message).toContain("4 exports are waiting");
    release();
    await exporter.forceFlush();
    expect((await Promise.all(results.slice(0, 4))).every(({ code }) => code === ExportResultCode.SUCCESS)).toBe(true);
    expect(receiver.received.map((one) => pointsIn(one).length)).toEqual([1, 2, 3, 4]);
    expect(most).toBe(1);
  });

  it("sends what is waiting at its shutdown, and nothing afterwards", async () => {
    const { url, received } = await receiverFor("http/protobuf");
    const exporter = exporterWith({ url });
    const pending = exportOf(exporter, await someMetrics());
    const closed = exporter.shutdown();
    expect(exporter.shutdown()).toBe(closed);
    await closed;
    expect((await pending).code).toBe(ExportResultCode.SUCCESS);
    expect((await exportOf(exporter, await someMetrics())).error?.message).toContain("shut down");
    expect(received).toHaveLength(1);
  });

  it("goes on after a callback that throws", async () => {
    const noted = warnings();
    const { url, received } = await receiverFor("http/protobuf");
    const exporter = exporterWith({ url });
    exporter.export(await someMetrics(), () => {
      throw new Error("not mine");
    });
    await exportOf(exporter, await someMetrics());
    expect(received).toHaveLength(2);
    expect(noted.join()).toContain("not mine");
  });

  it("sends nothing when there is nothing", async () => {
    const { url, received } = await receiverFor("http/protobuf");
    expect((await exportOf(exporterWith({ url }), await someMetrics(0))).code).toBe(ExportResultCode.SUCCESS);
    expect(received).toEqual([]);
  });

  it.each([
    [{ url: "collector:4317" }, 'url must be an http:// or https:// address with host and port, got "collector:4317"'],
    [{ url: "nope" }, 'with host and port, got "nope"'],
    [{ url: 5 }, "with host and port, got 5"],
    [{ protocol: "x" }, 'protocol must be one of http/protobuf, http/json, grpc, got "x"'],
    [{ protocol: null }, "protocol must be one of http/protobuf, http/json, grpc, got null"],
    [{ compression: "br" }, 'compression must be one of gzip, none, got "br"'],
    [{ temporality: "x" }, 'temporality must be one of cumulative, delta, lowmemory, got "x"'],
    [{ headers: 5 }, "headers must be an object of texts, got 5"],
    [{ headers: ["a"] }, "headers must be an object of texts, got an array"],
    [{ headers: { "x-tenant": 5 } }, 'headers["x-tenant"] must be a text, got a number'],
    [{ headers: { "x tenant": "a" } }, 'headers holds "x tenant", which is no name of a header'],
    [{ headers: { "x-tenant": "a\n" } }, 'headers["x-tenant"] holds a character that'],
    [{ timeoutMs: "5" }, 'timeoutMs must be a positive number, got "5"'],
    [{ onPartialSuccess: 5 }, "onPartialSuccess must be a function, got 5"],
    [{ timeoutMs: 0 }, "timeoutMs must be a positive number, got 0"],
    [{ maxMessageBytes: NaN }, "maxMessageBytes must be a positive number, got NaN"],
  ])("refuses %j", (options, message) => {
    const create = () => createOtlpMetricExporter(options as OtlpMetricExporterOptions);
    expect(create).toThrow(message);
    expect(create).toThrow(expect.objectContaining({ code: "invalid_options" }));
  });

  it.each([
    { url: "ftp://user:secret@collector" },
    { url: "user:secret@collector:4317" },
    { url: "collector:4317?token=secret" },
    { headers: { authorization: "secret\n" } },
    { headers: { authorization: ["secret"] } },
    { headers: "authorization=secret" },
  ])("does not tell what may be a secret in %j", (options) => {
    let message = "";
    try {
      createOtlpMetricExporter(options as unknown as OtlpMetricExporterOptions);
    } catch (thrown) {
      ({ message } = thrown as Error);
    }
    expect(message).toMatch(/\] (url|headers)/);
    expect(message).not.toContain("secret");
  });
});

describe("gRPC", () => {
  const unavailable = 14;
  const resourceExhausted = 8;

  function askToWait(nanos: number): Buffer {
    const value = encodeMessage("RetryInfo", { retryDelay: { nanos } });
    const details = [{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value }];
    return encodeMessage("Status", { code: unavailable, details });
  }

  it.each([unavailable, resourceExhausted])("comes again after code %d when the server says when", async (code) => {
    const answers = [
      { code, details: askToWait(3e8) },
      { code, details: askToWait(1e6) },
    ];
    const receiver = await grpcReceiver(() => answers.shift() ?? {});
    const exporter = exporterWith({ protocol: "grpc", url: receiver.url });
    expect(await exportOf(exporter, await someMetrics())).toEqual({ code: ExportResultCode.SUCCESS });
    const [first, second, third] = receiver.received;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(290);
    expect(third?.body).toEqual(first?.body);
  });

  it("comes again after a while when it does not say", async () => {
    const answers = [{ code: unavailable }];
    const receiver = await grpcReceiver(() => answers.shift() ?? {});
    const exporter = exporterWith({ protocol: "grpc", url: receiver.url });
    expect(await exportOf(exporter, await someMetrics())).toEqual({ code: ExportResultCode.SUCCESS });
    const [first, second] = receiver.received;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(790);
  });

  it.each([resourceExhausted, 3, 16])("takes code %d for an answer", async (code) => {
    const receiver = await grpcReceiver(() => ({ code }));
    const exporter = exporterWith({ protocol: "grpc", url: receiver.url });
    expect(await exportOf(exporter, await someMetrics())).toMatchObject({
      code: ExportResultCode.FAILED,
      error: { code },
    });
    expect(receiver.received).toHaveLength(1);
  });

  it("does not wait longer than there is time", async () => {
    const receiver = await grpcReceiver(() => ({ code: unavailable, details: askToWait(9e8) }));
    const exporter = exporterWith({ protocol: "grpc", url: receiver.url, timeoutMs: 500 });
    expect((await exportOf(exporter, await someMetrics())).code).toBe(ExportResultCode.FAILED);
    expect(receiver.received).toHaveLength(1);
  });
});
