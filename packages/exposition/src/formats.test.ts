import { createMeterProvider } from "@almanac/metrics";
import { ROOT_CONTEXT, trace, TraceFlags, type Attributes, type MeterProvider } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationType, MeterProvider as OfficialProvider, type ViewOptions } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readPage } from "./page.test.helper.ts";
import type { PageFormat } from "./parse/model.ts";
import { parsePage } from "./parse/page.ts";
import { createPrometheusReader, type PrometheusReader, type PrometheusReaderOptions } from "./reader.ts";

const accepts = {
  text: "text/plain;version=0.0.4",
  "text-1.0.0": "text/plain;version=1.0.0;escaping=allow-utf-8",
  openmetrics: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
  protobuf:
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8",
} as const satisfies Record<PageFormat, string>;
const formats = Object.keys(accepts) as PageFormat[];

const resource = resourceFromAttributes({ "service.name": "x" });
const providers = {
  engine: (reader: PrometheusReader, views: ViewOptions[]) =>
    createMeterProvider({ readers: [reader], views, resource }),
  official: (reader: PrometheusReader, views: ViewOptions[]) =>
    new OfficialProvider({ readers: [reader], views, resource }),
} satisfies Record<string, (reader: PrometheusReader, views: ViewOptions[]) => MeterProvider>;
type Provider = keyof typeof providers;
const both: Provider[] = ["engine", "official"];

function setUp(provider: Provider, options: PrometheusReaderOptions = {}, views: ViewOptions[] = []) {
  const errors: unknown[] = [];
  const reader = createPrometheusReader({ onError: (error) => errors.push(error), ...options });
  const meterProvider = providers[provider](reader, views);
  return { reader, errors, meterProvider, meter: meterProvider.getMeter("test", "1.2") };
}

async function parsed(reader: PrometheusReader, format: PageFormat) {
  return parsePage((await reader.render({ accept: accepts[format] })).body, format);
}

const sampled = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
});

describe.each(both)("a page of the %s provider", (provider) => {
  it("has the same samples in all four formats", async () => {
    const { reader, meter, errors } = setUp(provider, { targetInfo: true });
    const attributes = [{ a: "1" }, { a: '"\\\n', "b.c": "ü\u{1F600}" }, {}];
    const counter = meter.createCounter("jobs", { description: 'Help \\ "\n' });
    const gauge = meter.createGauge("depth");
    const histogram = meter.createHistogram("wait", { unit: "s", advice: { explicitBucketBoundaries: [0.1, 1, 250] } });
    for (const [index, labels] of attributes.entries()) {
      counter.add(index + 0.5, labels);
      gauge.record(-index * 1e9, labels);
      for (const value of [0.1, 0.2, 1e6]) histogram.record(value, labels);
    }
    const pages = await Promise.all(formats.map((format) => parsed(reader, format)));
    const [text, ...others] = pages.map((page) =>
      [...page.values()].flatMap(({ samples }) =>
        samples.map(({ name, labels, value }) => {
          const le = labels.get("le");
          const rest = [...labels].map(([key, label]) =>
            key === "le" ? [key, Number(le?.replace("+Inf", "Infinity"))] : [key, label],
          );
          return JSON.stringify([name, rest, value]);
        }),
      ),
    );
    expect(text).toHaveLength(3 + 3 + 3 * 6 + 1);
    for (const other of others) expect(other.toSorted()).toEqual(text?.toSorted());
    expect(pages[3]?.get("wait_seconds")).toMatchObject({ type: "histogram", unit: "seconds" });
    expect(pages[3]?.get("jobs_total")).toMatchObject({ type: "counter", help: 'Help \\ "\n' });
    expect(errors).toEqual([]);
  });

  it("shows exponential histograms as native ones", async () => {
    const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const;
    const { reader, meter } = setUp(provider, {}, [{ instrumentName: "size", aggregation }]);
    const histogram = meter.createHistogram("size");
    const values = [0, 0, 1, 1.5, 2, 4, 1e9, 1e-9];
    for (const value of values) histogram.record(value);
    histogram.record(3, { only: "one" });
    const [native, single] = (await parsed(reader, "protobuf")).get("size")?.nativeHistograms ?? [];
    expect(native).toMatchObject({ count: 8, sum: expect.closeTo(1e9 + 8.5, 3) as number, zeroCount: 2 });
    const base = 2 ** (2 ** -(native?.schema ?? 0));
    for (const value of values.filter((positive) => positive > 0)) {
      const inside = [...(native?.positive.keys() ?? [])].some(
        (index) => value > base ** (index - 1) * (1 - 1e-9) && value <= base ** index * (1 + 1e-9),
      );
      expect(inside, `${value} in a bucket of schema ${native?.schema}`).toBe(true);
    }
    // The finest resolution there is.
    expect(single).toMatchObject({ schema: 8, count: 1, labels: new Map([["only", "one"]]) });
    const text = readPage((await reader.render()).body, "text");
    expect(text.get("size")?.samples.get('size_bucket{le="+Inf",only="one"}')).toBe(1);
  });

  it.each([
    ["UnderscoreEscapingWithSuffixes", "http_requests_bytes_total", "http_method", "openmetrics"],
    ["UnderscoreEscapingWithoutSuffixes", "http_requests", "http_method", "openmetrics"],
    ["NoUTF8EscapingWithSuffixes", "http.requests_bytes_total", "http.method", "openmetrics"],
    ["NoTranslation", "http.requests", "http.method", "openmetrics"],
    ["NoTranslation", "http.requests", "http.method", "text-1.0.0"],
    ["NoTranslation", "http.requests", "http.method", "protobuf"],
    ["NoTranslation", "http_requests", "http_method", "text"],
  ] as const)("names by %s a counter %s with %s in %s", async (translationStrategy, name, label, format) => {
    const { reader, meter } = setUp(provider, { translationStrategy });
    meter.createCounter("http.requests", { unit: "By" }).add(2, { "http.method": "GET" });
    const [family] = (await parsed(reader, format)).values();
    expect(family?.samples).toMatchObject([{ name, labels: new Map([[label, "GET"]]), value: 2 }]);
  });

  it.each([
    ["underscores", "a_b_c", "k_x"],
    ["dots", "a_dot_b__c", "k_dot_x"],
    ["values", "U__a_2e_b__c", "U__k_2e_x"],
    ["allow-utf-8", "a.b_c", "k.x"],
  ])("escapes as %s asks", async (escaping, name, label) => {
    const { reader, meter } = setUp(provider, { translationStrategy: "NoTranslation" });
    meter.createGauge("a.b_c").record(1, { "k.x": "v" });
    const accept = `application/openmetrics-text;version=1.0.0;escaping=${escaping}`;
    const page = await reader.render({ accept });
    expect(page.contentType).toContain(`escaping=${escaping}`);
    expect(parsePage(page.body, "openmetrics").get(name)?.samples).toMatchObject([{ labels: new Map([[label, "v"]]) }]);
  });

  it("merges series whose attributes become the same labels, whatever instrument they are of", async () => {
    const { reader, meter } = setUp(provider);
    const collide: Attributes[] = [{ "a.b": "1" }, { a_b: "1" }, { "a.b": 1 }, { a_b: "2" }];
    for (const attributes of collide) {
      meter.createCounter("c").add(1, attributes);
      meter.createHistogram("h", { advice: { explicitBucketBoundaries: [1] } }).record(1, attributes);
    }
    const page = await parsed(reader, "text");
    expect(page.get("c_total")?.samples.map(({ value, labels }) => [labels.get("a_b"), value])).toEqual([
      ["1", 3],
      ["2", 1],
    ]);
    expect(
      page
        .get("h")
        ?.samples.filter(({ name }) => name === "h_count")
        .map(({ value }) => value),
    ).toEqual([3, 1]);
    expect(reader.seriesCounts().get("c_total")).toBe(2);
  });

  it("merges exponential histograms however far apart their values are", async () => {
    const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const;
    const { reader, meter } = setUp(provider, {}, [{ instrumentName: "size", aggregation }]);
    for (const [unit, value] of [
      ["1", 1e-300],
      ["{x}", 1e300],
      ["{y}", 1],
    ] as const) {
      meter.createHistogram("size", { unit }).record(value);
    }
    const [native, ...others] = (await parsed(reader, "protobuf")).get("size")?.nativeHistograms ?? [];
    expect(others).toEqual([]);
    expect(native).toMatchObject({ count: 3 });
    expect([...(native?.positive.values() ?? [])].reduce((sum, count) => sum + count, 0)).toBe(3);
  });

  it("adds the labels of scope and resource on demand, and a prefix", async () => {
    const options = { scopeLabels: true, resourceLabels: /^service\./g, prefix: "app" };
    const { reader, meter } = setUp(provider, options);
    meter.createCounter("c").add(1, { k: "v" });
    for (let round = 0; round < 2; round++) {
      const [sample] = (await parsed(reader, "openmetrics")).get("app_c")?.samples ?? [];
      expect(Object.fromEntries(sample?.labels ?? [])).toEqual({
        k: "v",
        otel_scope_name: "test",
        otel_scope_version: "1.2",
        service_name: "x",
      });
    }
  });

  it("writes the time of the collection on demand", async () => {
    const { reader, meter } = setUp(provider, { timestamps: true });
    meter.createCounter("c").add(1);
    meter.createHistogram("h").record(1);
    for (const format of formats) {
      const before = Date.now();
      const samples = [...(await parsed(reader, format)).values()].flatMap((family) => family.samples);
      for (const { timestampMs } of samples) {
        expect(timestampMs).toBeGreaterThanOrEqual(before - 1);
        expect(timestampMs).toBeLessThanOrEqual(Date.now() + 1);
      }
    }
  });

  it("lacks exponential histograms whose count is not their buckets'", async () => {
    const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const;
    const { reader, meter, errors } = setUp(provider, {}, [{ instrumentName: "*size", aggregation }]);
    meter.createObservableCounter("observed.size").addCallback((result) => {
      result.observe(5, { k: "a" });
      result.observe(0, { k: "b" });
    });
    meter.createHistogram("size").record(2);
    for (const format of formats) {
      for (let times = 0; times < 3; times++) {
        const page = await parsed(reader, format);
        expect([...page.keys()].includes("observed_size") || provider === "official").toBe(true);
        expect(page.has("size")).toBe(true);
      }
    }
    const codes = new Set(errors.map((error) => (error as { code: string }).code));
    expect([...codes]).toEqual(provider === "official" ? ["invalid_value"] : []);
  });

  it("shows only the families asked for, by any of their names", async () => {
    const { reader, meter } = setUp(provider);
    for (const name of ["a", "b", "c"]) meter.createCounter(name).add(1);
    meter.createHistogram("h").record(1);
    const shown = async (...names: string[]): Promise<string[]> => [
      ...readPage((await reader.render({ names })).body, "text").keys(),
    ];
    expect(await shown("a_total", "c", "h_bucket")).toEqual(["a_total", "c_total", "h"]);
    for (const name of ["h", "h_bucket", "h_sum", "h_count"]) expect(await shown(name)).toEqual(["h"]);
    for (const name of ["h_total", "a_sum", "_sum", "a_total_count"]) expect(await shown(name)).toEqual([]);
    expect(await shown("nothing")).toEqual([]);
  });

  it("is good in every format whatever the names, labels and values", async () => {
    const text = fc.string({ unit: "binary", maxLength: 5 });
    const point = fc.record({
      name: fc.constantFrom("a", "b.c", "d_total", "e-f"),
      attributes: fc.dictionary(text, fc.oneof(text, fc.integer().map(String)), { maxKeys: 3, noNullPrototype: true }),
      value: fc.double({ noNaN: true }),
    });
    const strategy = fc.constantFrom("UnderscoreEscapingWithSuffixes" as const, "NoTranslation" as const);
    await fc.assert(
      fc.asyncProperty(fc.array(point, { maxLength: 6 }), strategy, async (points, translationStrategy) => {
        const { reader, meter } = setUp(provider, { translationStrategy });
        for (const { name, attributes, value } of points) {
          meter.createGauge(`g.${name}`).record(value, attributes);
          meter.createCounter(`c.${name}`).add(Math.abs(value) % 1e9, attributes);
          meter.createHistogram(`h.${name}`).record(value, attributes);
        }
        for (const format of formats) await parsed(reader, format);
      }),
      { numRuns: 60, seed: 20260310 },
    );
  });
});

describe("exemplars", () => {
  function record() {
    const setup = setUp("engine", {}, [{ instrumentName: "*", attributesProcessors: [keepK] }]);
    const { meter } = setup;
    const labels = { k: "v", user: "u".repeat(20), long: "x".repeat(100), "é.x": "1" };
    meter.createCounter("jobs").add(2, labels, sampled);
    meter.createCounter("jobs").add(3, { k: "v" });
    meter.createUpDownCounter("open").add(1, labels, sampled);
    const histogram = meter.createHistogram("wait", { advice: { explicitBucketBoundaries: [1, 2] } });
    for (const value of [0.5, 1.5, 9]) histogram.record(value, labels, sampled);
    histogram.record(0.7, labels, ROOT_CONTEXT);
    return setup;
  }
  const keepK = { process: (attributes: Attributes) => ({ k: attributes["k"] ?? "" }), toString: () => "keep k" };
  // 128 characters hold the ids (63) and what fits beside them.
  const ids = { trace_id: "0af7651916cd43dd8448eb211c80319c", span_id: "b7ad6b7169203331" };

  it("stand on _total and _bucket samples of OpenMetrics only", async () => {
    const { reader } = record();
    const page = await parsed(reader, "openmetrics");
    const found = [...page.values()].flatMap(({ samples }) => samples.filter(({ exemplar }) => exemplar !== undefined));
    expect(found.map(({ name, labels, exemplar }) => [name, labels.get("le"), exemplar?.value])).toEqual([
      ["jobs_total", undefined, 2],
      ["wait_bucket", "1.0", 0.5],
      ["wait_bucket", "2.0", 1.5],
      ["wait_bucket", "+Inf", 9],
    ]);
    // 128 characters hold the ids (63) and what fits beside them.
    const labels = Object.fromEntries(found[0]?.exemplar?.labels ?? []);
    expect(labels).toEqual({ ...ids, user: "u".repeat(20), _x: "1" });
    const text = Buffer.from((await reader.render()).body).toString();
    expect(text).not.toContain("trace_id");
  });

  it("stand in protobuf too", async () => {
    const page = await parsed(record().reader, "protobuf");
    const found = [...page.values()].flatMap(({ samples }) => samples.filter(({ exemplar }) => exemplar !== undefined));
    expect(found.map(({ name }) => name)).toEqual(["jobs_total", "wait_bucket", "wait_bucket", "wait_bucket"]);
    expect(found[0]?.exemplar?.labels.get("trace_id")).toBe(ids.trace_id);
    expect(Math.abs((found[0]?.exemplar?.timestampMs ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  it("of some of the series that two scopes share or feed stand in every format", async () => {
    const { reader, meterProvider } = setUp("engine");
    meterProvider.getMeter("a").createCounter("jobs").add(1, { k: 1 }, sampled);
    meterProvider.getMeter("b").createCounter("jobs").add(1, { k: 2 });
    for (const format of ["openmetrics", "protobuf"] as const) {
      const samples = [...(await parsed(reader, format)).values()].flatMap((family) => family.samples);
      expect(samples.map(({ labels, exemplar }) => [labels.get("k"), exemplar?.value])).toEqual([
        ["1", 1],
        ["2", undefined],
      ]);
    }
  });

  it("are good in every format whatever scopes and labels are merged", async () => {
    const call = fc.record({
      scope: fc.constantFrom("a", "b", "c"),
      instrument: fc.constantFrom("createCounter" as const, "createHistogram" as const, "createUpDownCounter" as const),
      exponential: fc.boolean(),
      labels: fc.constantFrom<Attributes>({}, { "a.b": 1 }, { a_b: 1 }, { a_b: "1" }, { a_b: 2 }, { é: "x" }),
      value: fc.nat(1000),
      context: fc.constantFrom(ROOT_CONTEXT, sampled),
    });
    const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
        const { reader, meterProvider } = setUp("engine", {}, [{ instrumentName: "*exponential", aggregation }]);
        for (const { scope, instrument, exponential, labels, value, context } of calls) {
          const meter = meterProvider.getMeter(scope);
          if (instrument === "createHistogram") {
            meter.createHistogram(exponential ? "h.exponential" : "h").record(value, labels, context);
          } else meter[instrument](instrument).add(value, labels, context);
        }
        for (const format of formats) await parsed(reader, format);
      }),
      { numRuns: 150, seed: 20261121 },
    );
  });

  it("of a counter that OpenMetrics cannot call one are left out", async () => {
    const { reader, meter } = setUp("engine", { translationStrategy: "NoTranslation" });
    meter.createCounter("jobs").add(1, {}, sampled);
    const [family] = (await parsed(reader, "openmetrics")).values();
    expect(family).toMatchObject({ type: "unknown", samples: [{ name: "jobs", exemplar: undefined }] });
  });
});
