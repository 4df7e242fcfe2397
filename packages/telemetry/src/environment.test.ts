import { describe, expect, it } from "vitest";
import { readEnvironment } from "./environment.ts";

describe("readEnvironment", () => {
  it("exports nothing and takes the specification's defaults in an empty environment", () => {
    expect(readEnvironment({})).toEqual({
      problems: [],
      disabled: false,
      serviceName: undefined,
      resourceAttributes: {},
      propagators: ["tracecontext", "baggage"],
      sampler: { name: "parentbased_always_on", ratio: 1 },
      traces: undefined,
      metrics: undefined,
      spanQueue: { maxQueueSize: 2048, maxBatchSize: 512, delayMs: 5000, exportTimeoutMs: 30_000 },
      spanLimits: {
        attributeValueLengthLimit: Infinity,
        attributeCountLimit: 128,
        eventCountLimit: 128,
        linkCountLimit: 128,
        attributePerEventCountLimit: 128,
        attributePerLinkCountLimit: 128,
      },
      metricExport: { intervalMs: 60_000, timeoutMs: 30_000 },
      exemplarFilter: "trace_based",
    });
  });

  it("says that pushed metrics are cumulative where something else is preferred", () => {
    const name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    expect(readEnvironment({ [name]: "Cumulative" }).problems).toEqual([]);
    expect(readEnvironment({ [name]: "delta" }).problems).toMatchObject([
      { variable: name, value: "delta", remedy: expect.stringContaining("cumulativetodelta") as string },
    ]);
  });

  it("limits spans as it is told, those for spans before those for all", () => {
    const env = {
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: "100",
      OTEL_ATTRIBUTE_COUNT_LIMIT: "20",
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: "30",
      OTEL_SPAN_EVENT_COUNT_LIMIT: "0",
      OTEL_SPAN_LINK_COUNT_LIMIT: "1.5",
      OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: "-1",
    };
    const { spanLimits, problems } = readEnvironment(env);
    expect(spanLimits).toEqual({
      attributeValueLengthLimit: 100,
      attributeCountLimit: 30,
      eventCountLimit: 0,
      linkCountLimit: 128,
      attributePerEventCountLimit: 20,
      attributePerLinkCountLimit: 20,
    });
    expect(problems).toEqual([
      { variable: "OTEL_SPAN_LINK_COUNT_LIMIT", value: "1.5", remedy: "use a whole number from 0 on" },
      { variable: "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", value: "-1", remedy: "use a whole number from 0 on" },
    ]);
  });

  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
  const [ownTraces, ownMetrics] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];
  it.each([
    [
      "a base address",
      endpoint,
      "http/protobuf http://collector:4318/v1/traces",
      "http/protobuf http://collector:4318/v1/metrics",
    ],
    [
      "a base address with a path",
      { OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector/otlp/" },
      "http/protobuf https://collector/otlp/v1/traces",
      "http/protobuf https://collector/otlp/v1/metrics",
    ],
    ["an address for one signal, as it is", { [ownTraces]: "http://t:1/x" }, "http/protobuf http://t:1/x", undefined],
    ["an address for the other signal", { [ownMetrics]: "http://m:1/" }, undefined, "http/protobuf http://m:1/"],
    [
      "both kinds of address",
      { ...endpoint, [ownTraces]: "http://t:1/x" },
      "http/protobuf http://t:1/x",
      "http/protobuf http://collector:4318/v1/metrics",
    ],
    [
      "gRPC, without a path",
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4317", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
      "grpc http://c:4317",
      "grpc http://c:4317",
    ],
    [
      "a protocol per signal",
      { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "HTTP/JSON" },
      "http/json http://collector:4318/v1/traces",
      "grpc http://collector:4318",
    ],
    [
      "no traces",
      { ...endpoint, OTEL_TRACES_EXPORTER: "none" },
      undefined,
      "http/protobuf http://collector:4318/v1/metrics",
    ],
    [
      "no pushed metrics",
      { ...endpoint, OTEL_METRICS_EXPORTER: "prometheus" },
      "http/protobuf http://collector:4318/v1/traces",
      undefined,
    ],
    [
      "both ways of metrics",
      { ...endpoint, OTEL_METRICS_EXPORTER: "prometheus, otlp", OTEL_TRACES_EXPORTER: "none" },
      undefined,
      "http/protobuf http://collector:4318/v1/metrics",
    ],
    [
      "none beside others",
      { ...endpoint, OTEL_METRICS_EXPORTER: "otlp,none", OTEL_TRACES_EXPORTER: "none" },
      undefined,
      undefined,
    ],
    ["an empty address", { OTEL_EXPORTER_OTLP_ENDPOINT: " " }, undefined, undefined],
    ["a disabled SDK", { ...endpoint, OTEL_SDK_DISABLED: "TRUE" }, undefined, undefined],
  ])("finds the targets of %s", (_name, env, traces, metrics) => {
    const environment = readEnvironment(env);
    const target = (signal: "traces" | "metrics") =>
      environment[signal] && `${environment[signal].protocol} ${environment[signal].url}`;
    expect([target("traces"), target("metrics")]).toEqual([traces, metrics]);
    expect(environment.problems).toEqual([]);
  });

  it("reads headers, compression and time limits, a signal's own before the general ones", () => {
    const environment = readEnvironment({
      ...endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "api-key=abc%20d, tenant=one",
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: "tenant=two=2",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: "none",
      OTEL_EXPORTER_OTLP_TIMEOUT: "2000",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "500",
    });
    expect(environment.traces).toMatchObject({
      headers: { "api-key": "abc d", tenant: "one" },
      compression: "gzip",
      timeoutMs: 500,
    });
    expect(environment.metrics).toMatchObject({
      headers: { "api-key": "abc d", tenant: "two=2" },
      compression: "none",
      timeoutMs: 2000,
    });
  });

  it.each([
    ["OTEL_TRACES_SAMPLER", "always_off", { sampler: { name: "always_off", ratio: 1 } }],
    ["OTEL_TRACES_SAMPLER", "PARENTBASED_TRACEIDRATIO", { sampler: { name: "parentbased_traceidratio", ratio: 1 } }],
    ["OTEL_PROPAGATORS", "tracecontext", { propagators: ["tracecontext"] }],
    ["OTEL_PROPAGATORS", "baggage,tracecontext,baggage", { propagators: ["baggage", "tracecontext"] }],
    ["OTEL_PROPAGATORS", "none", { propagators: [] }],
    ["OTEL_SERVICE_NAME", " x ", { serviceName: "x" }],
    ["OTEL_RESOURCE_ATTRIBUTES", "a=1, b=two%2Cthree,c=", { resourceAttributes: { a: "1", b: "two,three", c: "" } }],
    ["OTEL_BSP_MAX_QUEUE_SIZE", "100", { spanQueue: { maxQueueSize: 100, maxBatchSize: 100 } }],
    ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7", { spanQueue: { maxBatchSize: 7 } }],
    ["OTEL_BSP_SCHEDULE_DELAY", "0", { spanQueue: { delayMs: 0 } }],
    ["OTEL_METRIC_EXPORT_INTERVAL", "1000", { metricExport: { intervalMs: 1000, timeoutMs: 1000 } }],
    ["OTEL_METRICS_EXEMPLAR_FILTER", "always_off", { exemplarFilter: "always_off" }],
    ["OTEL_METRIC_EXPORT_TIMEOUT", "200", { metricExport: { intervalMs: 60_000, timeoutMs: 200 } }],
  ])("understands %s=%s", (name, value, expected) => {
    expect(readEnvironment({ [name]: value })).toMatchObject({ ...expected, problems: [] });
  });

  it("reads the ratio of a sampler that has one", () => {
    const env = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" };
    expect(readEnvironment(env).sampler).toEqual({ name: "traceidratio", ratio: 0.25 });
  });

  it.each([
    ["OTEL_TRACES_SAMPLER", "jaeger_remote", "jaeger_remote"],
    ["OTEL_PROPAGATORS", "tracecontext,b3", "b3"],
    ["OTEL_TRACES_EXPORTER", "zipkin", "zipkin"],
    ["OTEL_SDK_DISABLED", "yes", "yes"],
    ["OTEL_BSP_MAX_QUEUE_SIZE", "-1", "-1"],
    ["OTEL_BSP_SCHEDULE_DELAY", "soon", "soon"],
    ["OTEL_METRIC_EXPORT_INTERVAL", "NaN", "NaN"],
    ["OTEL_RESOURCE_ATTRIBUTES", "password", undefined],
    ["OTEL_RESOURCE_ATTRIBUTES", "a=%zz", undefined],
  ])("notes %s=%s as a problem and goes on", (variable, value, shown) => {
    const { problems } = readEnvironment({ [variable]: value });
    expect(problems).toEqual([
      { variable, ...(shown !== undefined && { value: shown }), remedy: expect.any(String) as string },
    ]);
  });

  it.each(["collector:4318", "localhost", "ftp://collector", "http:// x", "unix:///run/otel.sock"])(
    "refuses the address %s without repeating it",
    (value) => {
      const read = () => readEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: value });
      expect(read).toThrow(/\[invalid_environment\] OTEL_EXPORTER_OTLP_ENDPOINT must be/);
      expect(read).not.toThrow(value);
    },
  );
});
