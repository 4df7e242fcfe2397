import { gunzipSync } from "node:zlib";
import { catalogViews, defineCatalog, liqo, oneOf, virtrigaud } from "@almanac/catalog";
import type { Logger } from "@almanac/core";
import { silentLogger } from "@almanac/core";
import { createInstruments } from "@almanac/metrics";
import { createVirtualClock } from "@almanac/testkit";
import type { Attributes } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationType, MeterProvider, type ViewOptions } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPrometheusReader, type PrometheusReader, type PrometheusReaderOptions } from "./reader.ts";
import { readPage, sampleKey, type ReadFamily } from "./page.test.helper.ts";

const openMetrics = "application/openmetrics-text;version=1.0.0";

function setUp(options: PrometheusReaderOptions = {}, views: ViewOptions[] = []) {
  const errors: unknown[] = [];
  const reader = createPrometheusReader({ onError: (error) => errors.push(error), ...options });
  const provider = new MeterProvider({
    readers: [reader],
    views,
    resource: resourceFromAttributes({ "service.name": "x" }),
  });
  return { reader, provider, errors, meter: provider.getMeter("test") };
}

async function page(reader: PrometheusReader, accept?: string): Promise<string> {
  return Buffer.from((await reader.render({ accept })).body).toString();
}

async function both(reader: PrometheusReader): Promise<{ text: Map<string, ReadFamily>; om: Map<string, ReadFamily> }> {
  return { text: readPage(await page(reader), "text"), om: readPage(await page(reader, openMetrics), "openmetrics") };
}

describe("createPrometheusReader", () => {
  it("keeps the names of catalog families in both formats", async () => {
    const { reader, provider } = setUp({ catalogs: [virtrigaud, liqo] }, catalogViews(virtrigaud, liqo));
    const vms = createInstruments(virtrigaud, provider);
    const reflection = createInstruments(liqo, provider);
    vms.virtrigaud_manager_reconcile_total.add(2, { kind: "Provider", outcome: "success" });
    vms.virtrigaud_manager_reconcile_duration_seconds.record(0.25, { kind: "Provider" });
    vms.virtrigaud_libvirt_domains_total.observe((observe) => observe(3, { host: "h1", state: "running" }));
    vms.virtrigaud_queue_depth.observe((observe) => observe(7, { kind: "Provider" }));
    const labels = { namespace: "n", reflector_resource: "Pod", cluster_id: "c", node_name: "v" } as const;
    reflection.liqo_virtual_kubelet_reflection_item_counter.add(5, labels);
    reflection.liqo_virtual_kubelet_reflection_error_counter.add(1, labels);

    const { text, om } = await both(reader);
    const types = (families: Map<string, ReadFamily>) => [...families].map(([name, { type }]) => `${type} ${name}`);
    expect(types(text)).toEqual([
      "counter almanac_collection_errors_total",
      "counter liqo_virtual_kubelet_reflection_error_counter",
      "gauge liqo_virtual_kubelet_reflection_item_counter",
      "gauge virtrigaud_libvirt_domains_total",
      "histogram virtrigaud_manager_reconcile_duration_seconds",
      "counter virtrigaud_manager_reconcile_total",
      "gauge virtrigaud_queue_depth",
    ]);
    expect(types(om)).toEqual([
      "counter almanac_collection_errors",
      "unknown liqo_virtual_kubelet_reflection_error_counter",
      "gauge liqo_virtual_kubelet_reflection_item_counter",
      "gauge virtrigaud_libvirt_domains_total",
      "histogram virtrigaud_manager_reconcile_duration_seconds",
      "counter virtrigaud_manager_reconcile",
      "gauge virtrigaud_queue_depth",
    ]);
    const samples = (families: Map<string, ReadFamily>) =>
      [...families.values()].flatMap((family) => [...family.samples.keys()]);
    const withoutBounds = (keys: string[]) => keys.map((key) => key.replace(/le="[^"]*"/, "le"));
    expect(withoutBounds(samples(om))).toEqual(withoutBounds(samples(text)));
    expect(om.get("virtrigaud_manager_reconcile")?.samples).toEqual(
      new Map([['virtrigaud_manager_reconcile_total{kind="Provider",outcome="success"}', 2]]),
    );
    expect(om.get("virtrigaud_manager_reconcile_duration_seconds")).toMatchObject({
      unit: "seconds",
      help: virtrigaud.families.virtrigaud_manager_reconcile_duration_seconds.help,
    });
    expect(reader.seriesCounts().get("virtrigaud_libvirt_domains_total")).toBe(1);
  });

  it("writes exactly these pages", async () => {
    const catalog = defineCatalog("sample", {
      job_duration_seconds: {
        type: "histogram",
        labels: { step: oneOf("build", "test") },
        buckets: [0.5, 1],
        unit: "seconds",
        owners: ["ci"],
        help: 'Time of a "step" in seconds.',
        movesWhen: "a step ended",
      },
      jobs_total: { type: "counter", labels: {}, owners: ["ci"], help: "Jobs.", movesWhen: "a job ended" },
    });
    const { reader, provider } = setUp({ catalogs: [catalog] }, catalogViews(catalog));
    const instruments = createInstruments(catalog, provider);
    instruments.jobs_total.add(1);
    for (const seconds of [0.25, 0.75, 7]) instruments.job_duration_seconds.record(seconds, { step: "build" });
    expect(await page(reader)).toBe(`# HELP job_duration_seconds Time of a "step" in seconds.
# TYPE job_duration_seconds histogram
job_duration_seconds_bucket{step="build",le="0.5"} 1
job_duration_seconds_bucket{step="build",le="1"} 2
job_duration_seconds_bucket{step="build",le="+Inf"} 3
job_duration_seconds_sum{step="build"} 8
job_duration_seconds_count{step="build"} 3
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total 1
`);
    expect(await page(reader, openMetrics)).toBe(`# TYPE job_duration_seconds histogram
# UNIT job_duration_seconds seconds
# HELP job_duration_seconds Time of a \\"step\\" in seconds.
job_duration_seconds_bucket{step="build",le="0.5"} 1
job_duration_seconds_bucket{step="build",le="1.0"} 2
job_duration_seconds_bucket{step="build",le="+Inf"} 3
job_duration_seconds_sum{step="build"} 8
job_duration_seconds_count{step="build"} 3
# TYPE jobs counter
# HELP jobs Jobs.
jobs_total 1
# EOF
`);
  });

  it("renders an empty collection as an empty page", async () => {
    const { reader } = setUp();
    expect(await page(reader)).toBe("");
    expect(await page(reader, openMetrics)).toBe("# EOF\n");
  });

  it("compresses on demand and says so", async () => {
    const { reader, meter } = setUp();
    meter.createCounter("c").add(1);
    const rendered = await reader.render({ accept: openMetrics, acceptEncoding: "gzip" });
    expect(rendered).toMatchObject({
      format: "openmetrics",
      contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8",
      contentEncoding: "gzip",
    });
    const unpacked = gunzipSync(rendered.body);
    expect(unpacked.toString()).toBe(await page(reader, openMetrics));
    expect(rendered.size).toBe(unpacked.byteLength);
  });

  it("shows the resource only when asked to", async () => {
    const { reader } = setUp({ targetInfo: true });
    const { text, om } = await both(reader);
    expect(text.get("target_info")?.type).toBe("gauge");
    expect(om.get("target")?.samples).toEqual(new Map([['target_info{service_name="x"}', 1]]));
  });

  it("writes one block per family and merges series that several scopes feed", async () => {
    const { reader, provider, errors } = setUp();
    for (const scope of ["a", "b"]) {
      const meter = provider.getMeter(scope, "1.0");
      meter.createCounter("calls").add(2, { k: "1" });
      meter.createUpDownCounter("open").add(3);
      meter.createGauge("temperature").record(scope === "a" ? 20 : 21);
      meter.createHistogram("size", { advice: { explicitBucketBoundaries: [1, 2] } }).record(1.5);
      meter.createHistogram("other", { advice: { explicitBucketBoundaries: scope === "a" ? [1] : [2] } }).record(1);
    }
    const { text } = await both(reader);
    const values = Object.fromEntries([...text.values()].flatMap((family) => [...family.samples]));
    expect(values).toMatchObject({
      'calls_total{k="1"}': 4,
      "open{}": 6,
      "temperature{}": 21,
      'size_bucket{le="1"}': 0,
      'size_bucket{le="2"}': 2,
      "size_sum{}": 3,
      "size_count{}": 2,
      "other_count{}": 1,
    });
    expect(errors[0]).toMatchObject({
      code: "conflicting_family",
      message: expect.stringContaining("different buckets") as string,
    });
  });

  it("leaves out what claims a taken name, reports it each time and says it once", async () => {
    const catalog = defineCatalog("sample", {
      jobs_total: { type: "counter", labels: {}, owners: ["ci"], help: "Jobs.", movesWhen: "a job ended" },
      taken_seconds: {
        type: "histogram",
        labels: {},
        buckets: [1],
        unit: "seconds",
        owners: ["ci"],
        help: "Time.",
        movesWhen: "a job ended",
      },
    });
    const lines: unknown[] = [];
    const logger: Logger = { ...silentLogger, warn: (_message, fields) => lines.push(fields?.["error"]) };
    const { reader, provider, meter, errors } = setUp({ catalogs: [catalog], logger }, catalogViews(catalog));
    meter.createGauge("taken_seconds_count").record(9);
    meter.createGauge("jobs.total").record(9);
    const instruments = createInstruments(catalog, provider);
    instruments.jobs_total.add(1);
    instruments.taken_seconds.record(1);
    const { text } = await both(reader);
    expect([...text.keys()]).toEqual(["jobs_total", "taken_seconds"]);
    expect(text.get("jobs_total")?.samples).toEqual(new Map([["jobs_total{}", 1]]));
    expect(errors.map((error) => (error as { code: string }).code)).toEqual(Array(4).fill("conflicting_family"));
    expect(lines).toHaveLength(2);
  });

  it("goes on saying what is new however much was said, and each once", async () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_message, fields) => lines.push(String(fields?.["error"])) };
    const { reader, meter } = setUp({ logger });
    let round = 0;
    meter.createCounter("fine").add(1);
    meter.createObservableGauge("steady").addCallback(() => {
      throw new Error("steady trouble");
    });
    meter.createObservableGauge("talkative").addCallback(() => {
      throw new Error(`trouble of kind ${round}`);
    });
    meter.createObservableCounter("wrong").addCallback((result) => {
      for (let series = 0; series < 3; series++) result.observe(NaN, { series: `${round} ${series}` });
    });
    for (; round < 1200; round++) await reader.refresh(-1);
    meter.createObservableGauge("new").addCallback(() => {
      throw new Error("brand-new trouble");
    });
    for (let times = 0; times < 3; times++) await reader.refresh(-1);
    expect(lines.filter((line) => line === "steady trouble")).toHaveLength(1);
    expect(lines.filter((line) => line === "brand-new trouble")).toHaveLength(1);
    expect(lines.filter((line) => line.includes("wrong_total"))).toHaveLength(1);
    expect(lines).toHaveLength(3 + 1201);
  });

  it("leaves out an instrument whose type its catalog does not declare", async () => {
    const { reader, meter, errors } = setUp({ catalogs: [virtrigaud] });
    meter.createGauge("virtrigaud_errors_total").record(1);
    meter.createCounter("virtrigaud_queue_depth").add(1);
    meter.createGauge("fine").record(1);
    expect([...readPage(await page(reader), "text").keys()]).toEqual(["fine"]);
    expect(errors).toHaveLength(2);
  });

  it("keeps series names apart where OpenMetrics would fold two families into one", async () => {
    const { reader, meter } = setUp();
    meter.createCounter("jobs").add(1);
    meter.createGauge("jobs").record(2);
    const { om } = await both(reader);
    expect([...om].map(([name, { type }]) => `${type} ${name}`)).toEqual(["gauge jobs", "unknown jobs_total"]);
  });

  it("leaves out counters that are no number, in both formats", async () => {
    const { reader, meter, errors } = setUp();
    meter.createObservableCounter("bad").addCallback((result) => {
      result.observe(NaN, { k: "nan" });
      result.observe(5, { k: "fine" });
    });
    const { text, om } = await both(reader);
    expect([...(text.get("bad_total")?.samples ?? [])]).toEqual([['bad_total{k="fine"}', 5]]);
    expect(om.get("bad")?.samples.size).toBe(1);
    expect(errors).toMatchObject([{ code: "invalid_value" }, { code: "invalid_value" }]);
  });

  it("omits what OpenMetrics forbids of a histogram with negative bounds", async () => {
    const { reader, meter } = setUp();
    meter.createHistogram("shift", { advice: { explicitBucketBoundaries: [-1, 1] } }).record(0);
    const { text, om } = await both(reader);
    expect([...(text.get("shift")?.samples.keys() ?? [])]).toHaveLength(5);
    expect([...(om.get("shift")?.samples.keys() ?? [])]).toEqual([
      'shift_bucket{le="-1.0"}',
      'shift_bucket{le="1.0"}',
      'shift_bucket{le="+Inf"}',
    ]);
  });

  it("shows an exponential histogram as its count and sum", async () => {
    const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const;
    const { reader, meter } = setUp({}, [{ instrumentName: "size", aggregation }]);
    for (const value of [0, 1, 300]) meter.createHistogram("size").record(value);
    const { text } = await both(reader);
    expect([...(text.get("size")?.samples ?? [])]).toEqual([
      ['size_bucket{le="+Inf"}', 3],
      ["size_sum{}", 301],
      ["size_count{}", 3],
    ]);
  });

  it("keeps the overflow series of a family at its limit", async () => {
    const { reader, meter } = setUp({}, [{ instrumentName: "hits", aggregationCardinalityLimit: 3 }]);
    const hits = meter.createCounter("hits");
    for (let path = 0; path < 10; path++) hits.add(1, { path: String(path) });
    const { text } = await both(reader);
    const samples = text.get("hits_total")?.samples;
    expect(samples?.size).toBe(3);
    expect(samples?.get('hits_total{otel_metric_overflow="true"}')).toBe(8);
    expect(reader.seriesCounts().get("hits_total")).toBe(3);
  });

  it("serves the rest when a source fails, and fails when there is no rest", async () => {
    const { reader, meter, errors } = setUp();
    meter.createObservableGauge("broken").addCallback(() => {
      throw new Error("no device");
    });
    await expect(reader.render()).rejects.toMatchObject({
      code: "collection_failed",
      message: expect.stringContaining("no device") as string,
    });
    meter.createCounter("fine").add(1);
    expect(readPage(await page(reader), "text").size).toBe(1);
    expect(errors).toHaveLength(2);
  });

  it("does not wait for a source for ever", async () => {
    const { reader, meter, errors } = setUp({ collectTimeoutMs: 20 });
    meter.createCounter("fine").add(1);
    meter.createObservableGauge("slow").addCallback(() => new Promise<void>(() => {}));
    expect(readPage(await page(reader), "text").size).toBe(1);
    expect(errors).toHaveLength(1);
  });

  it("refuses to render outside the life of its provider", async () => {
    const reader = createPrometheusReader();
    await expect(reader.render()).rejects.toMatchObject({ code: "not_registered" });
    const provider = new MeterProvider({ readers: [reader] });
    await provider.shutdown();
    await expect(reader.render()).rejects.toMatchObject({ code: "not_registered" });
  });

  it("runs one collection at a time and shares the one that follows", async () => {
    const { reader, meter } = setUp();
    let running = 0;
    let most = 0;
    let collections = 0;
    meter.createObservableGauge("watched").addCallback(async (result) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      result.observe(++collections);
    });
    const pages = await Promise.all(Array.from({ length: 5 }, () => page(reader)));
    expect(most).toBe(1);
    expect(collections).toBe(2);
    // The first began at once; the others came while it ran, and must not get what was read before they asked.
    expect(pages.map((text) => readPage(text, "text").get("watched")?.samples.get("watched{}"))).toEqual([
      1, 2, 2, 2, 2,
    ]);
  });

  it("refreshes only what is older than asked for", async () => {
    const clock = createVirtualClock();
    const { reader, meter } = setUp({ clock });
    let collections = 0;
    meter.createObservableGauge("watched").addCallback((result) => result.observe(++collections));
    await reader.refresh(1000);
    await reader.refresh(1000);
    expect(collections).toBe(1);
    await clock.advance(1000);
    await reader.refresh(1000);
    expect(collections).toBe(2);
  });

  it("refuses a timeout that is none", () => {
    expect(() => createPrometheusReader({ collectTimeoutMs: NaN })).toThrow(/collectTimeoutMs/);
  });

  it("says the same in both formats, whatever the labels and values", async () => {
    const key = fc.string({ minLength: 1, maxLength: 4, unit: "binary" });
    const attributes = fc.dictionary(key, fc.string({ unit: "binary", maxLength: 6 }), {
      maxKeys: 3,
      noNullPrototype: true,
    });
    const point = fc.record({ attributes, value: fc.double() });
    const run = async (points: { attributes: Attributes; value: number }[]): Promise<void> => {
      const { reader, meter } = setUp();
      const gauge = meter.createGauge("g");
      const histogram = meter.createHistogram("h", { advice: { explicitBucketBoundaries: [0.001, 1, 1e6] } });
      for (const { attributes: labels, value } of points) {
        gauge.record(value, labels);
        if (Number.isFinite(value)) histogram.record(Math.abs(value) % 1e9, labels);
      }
      const { text, om } = await both(reader);
      expect(om.get("g")?.samples).toEqual(text.get("g")?.samples);
      const counts = (families: Map<string, ReadFamily>) =>
        [...(families.get("h")?.samples ?? [])].map(([, value]) => value);
      expect(counts(om)).toEqual(counts(text));
    };
    await fc.assert(fc.asyncProperty(fc.array(point, { maxLength: 8 }), run), { numRuns: 200, seed: 20260101 });
  });

  it("gives every label value back as it was recorded", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 5 }),
        async (values) => {
          const { reader, meter } = setUp();
          const gauge = meter.createGauge("g");
          for (const [index, value] of values.entries()) gauge.record(index, { k: value });
          const expected = new Map(
            values.map((value, index) => [sampleKey("g", [["k", value.replaceAll("\0", "\uFFFD")]]), index]),
          );
          const { text, om } = await both(reader);
          expect(text.get("g")?.samples).toEqual(expected);
          expect(om.get("g")?.samples).toEqual(expected);
        },
      ),
      { numRuns: 100, seed: 20260102 },
    );
  });
});
