import { createMeterProvider } from "@almanac/metrics";
import { ROOT_CONTEXT, trace, TraceFlags, type Attributes } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationType } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { translationStrategies } from "./naming.ts";
import type { PageFormat, ParsedPage } from "./parse/model.ts";
import { parsePage } from "./parse/page.ts";
import { createPrometheusReader, type PrometheusReaderOptions } from "./reader.ts";

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
const types = {
  text: "text/plain;version=0.0.4",
  "text-1.0.0": "text/plain;version=1.0.0",
  openmetrics: "application/openmetrics-text;version=1.0.0",
  protobuf,
} as const satisfies Record<PageFormat, string>;
const formats = Object.keys(types) as PageFormat[];
const escapings = ["underscores", "dots", "values", "allow-utf-8"] as const;
const kinds = ["Counter", "UpDownCounter", "Gauge", "Histogram"] as const;
type Kind = (typeof kinds)[number];

function setUp(options: PrometheusReaderOptions, resource: Attributes = {}) {
  const errors: string[] = [];
  const reader = createPrometheusReader({ ...options, onError: (error) => errors.push((error as Error).message) });
  const provider = createMeterProvider({
    readers: [reader],
    resource: resourceFromAttributes(resource),
    views: [{ instrumentName: "native", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const meter = provider.getMeter("m");
  const record = (kind: Kind, name: string, value: number, attributes: Attributes, context = ROOT_CONTEXT): void => {
    if (kind === "Counter") meter.createCounter(name).add(value, attributes, context);
    else if (kind === "UpDownCounter") meter.createUpDownCounter(name).add(value, attributes, context);
    else if (kind === "Gauge") meter.createGauge(name).record(value, attributes, context);
    else meter.createHistogram(name).record(value, attributes, context);
  };
  const parsed = async (format: PageFormat, escaping: string = "allow-utf-8"): Promise<ParsedPage> => {
    const page = await reader.render({ accept: `${types[format]};escaping=${escaping}` });
    return parsePage(page.body, format);
  };
  return { errors, record, parsed, reader };
}

const sampled = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
});

describe("label names", () => {
  it.each(translationStrategies)("of attributes that claim the metric's own are others under %s", async (strategy) => {
    for (const format of formats) {
      const attributes = { __name__: "evil", le: "low", quantile: "0.5" };
      const { record, parsed, errors } = setUp({ translationStrategy: strategy, targetInfo: true }, attributes);
      for (const kind of kinds) record(kind, kind.toLowerCase(), 2, attributes);
      const page = await parsed(format);
      const labels = [...page.values()].flatMap(({ name, samples }) =>
        samples.map((sample) => [name, sample.labels] as const),
      );
      for (const [name, own] of labels) {
        expect(own.get("_name_")).toBe("evil");
        expect(own.get(name.startsWith("histogram") ? "exported_le" : "le")).toBe("low");
        expect(own.get("quantile")).toBe("0.5");
      }
      expect(labels.length).toBeGreaterThan(4);
      expect(errors).toEqual([]);
    }
  });

  it("that become the same share their values", async () => {
    const { record, parsed } = setUp({ translationStrategy: "NoTranslation" });
    record("Counter", "c", 1, { __name__: "a", _name_: "b" });
    record("Histogram", "h", 1, { le: "a", exported_le: "b" });
    const page = await parsed("openmetrics");
    expect([...(page.get("c")?.samples[0]?.labels ?? [])]).toEqual([["_name_", "a;b"]]);
    expect(page.get("h")?.samples[0]?.labels.get("exported_le")).toBe("b;a");
  });

  it("are good in every format and escaping whatever the keys, and lose no value", async () => {
    const key = fc.oneof(
      fc.constantFrom("__name__", "_name_", "énameé", "..name..", "le", "l\u0000e", "exported_le", "exported.le"),
      fc.constantFrom("quantile", "job", "__reserved__", "", "_", "__", "1", "a.b", "a_b", "a b", '"', "\\", "\n", "{"),
      fc.string({ unit: "binary", maxLength: 4 }),
    );
    const keys = fc.uniqueArray(key, { minLength: 1, maxLength: 4 });
    const run = async (
      points: readonly (readonly string[])[],
      strategy: (typeof translationStrategies)[number],
      escaping: string,
    ): Promise<void> => {
      const sets = points.map((set, point) =>
        Object.fromEntries(set.map((name, index) => [name, `v${point}${index}`] as const)),
      );
      const { record, parsed, errors } = setUp({ translationStrategy: strategy, targetInfo: true }, sets[0]);
      const names = ["Counter", "UpDownCounter", "Gauge", "Histogram", "native"];
      for (const name of names) {
        const kind = name === "native" ? "Histogram" : (name as Kind);
        for (const attributes of sets) record(kind, name, 1, attributes, sampled);
      }
      for (const format of formats) {
        const page = await parsed(format, escaping);
        expect(page.size).toBe(names.length + 1);
        for (const { samples, nativeHistograms } of page.values()) {
          const shown = [...samples, ...nativeHistograms].flatMap(({ labels }) =>
            [...labels].flatMap(([name, value]) => (name === "le" && /^[+\d]/.test(value) ? [] : value.split(";"))),
          );
          const isTarget = samples[0]?.name.startsWith("target") ?? false;
          // OpenTelemetry knows no attribute without a key.
          const recorded = (isTarget ? sets.slice(0, 1) : sets)
            .flatMap((set) => Object.entries(set))
            .flatMap(([name, value]) => (name === "" ? [] : value));
          expect(shown).toEqual(expect.arrayContaining(recorded));
        }
      }
      expect(errors).toEqual([]);
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(keys, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(...translationStrategies),
        fc.constantFrom(...escapings),
        run,
      ),
      { numRuns: 50, seed: 20261122 },
    );
  });
});

describe("families whose names OpenMetrics would share", () => {
  const typesOf = (page: ParsedPage) => [...page.values()].map(({ name, type }) => `${type} ${name}`);

  it.each<[string, [string, Kind][], string[]]>([
    [
      "a counter like a histogram's count",
      [
        ["h", "Histogram"],
        ["h_count", "Counter"],
      ],
      ["histogram h", "unknown h_count_total"],
    ],
    [
      "a counter like a histogram's sum",
      [
        ["h_sum", "Counter"],
        ["h", "Histogram"],
      ],
      ["histogram h", "unknown h_sum_total"],
    ],
    [
      "a counter like a histogram's bucket",
      [
        ["h", "Histogram"],
        ["h_bucket", "Counter"],
      ],
      ["histogram h", "unknown h_bucket_total"],
    ],
    [
      "a counter like a histogram's time of creation",
      [
        ["h", "Histogram"],
        ["h_created", "Counter"],
      ],
      ["histogram h", "unknown h_created_total"],
    ],
    [
      "a gauge like a counter's time of creation",
      [
        ["x", "Counter"],
        ["x_created", "Gauge"],
      ],
      ["gauge x_created", "unknown x_total"],
    ],
    [
      "a gauge like a histogram's time of creation",
      [
        ["h", "Histogram"],
        ["h_created", "Gauge"],
      ],
      ["unknown h_bucket", "unknown h_count", "gauge h_created", "unknown h_sum"],
    ],
    [
      "counters like the target",
      [
        ["target", "Counter"],
        ["target_info", "Counter"],
      ],
      ["info target", "unknown target_info_total", "unknown target_total"],
    ],
  ])("keep their series' names: %s", async (_name, instruments, expected) => {
    const targetInfo = instruments[0]?.[0] === "target";
    const { record, parsed, errors } = setUp({ targetInfo }, { "service.name": "x" });
    for (const [name, kind] of instruments) record(kind, name, 2, { k: "v" }, sampled);
    const page = await parsed("openmetrics");
    expect(typesOf(page).sort()).toEqual(expected.toSorted());
    const seriesOf = (families: ParsedPage) =>
      [...families.values()]
        .flatMap(({ samples }) =>
          samples.map(({ name, labels, value }) => `${name} ${Number(labels.get("le"))} ${value}`),
        )
        .sort();
    expect(seriesOf(page)).toEqual(seriesOf(await parsed("text")));
    expect(errors).toEqual([]);
  });

  it("are missing where an escaping makes them one name, and reported", async () => {
    const { record, parsed, errors } = setUp({ translationStrategy: "NoTranslation" });
    record("Counter", "aéb", 1, {});
    record("Gauge", "a__b", 1, {});
    expect((await parsed("openmetrics", "underscores")).size).toBe(2);
    expect(errors).toEqual([]);
    expect((await parsed("openmetrics", "dots")).size).toBe(1);
    expect(errors).toEqual([expect.stringContaining("a__b")]);
  });

  it("are good in every format whatever the instruments, and none is missing without a word", async () => {
    const names = ["h", "x", "x_total", "h_count", "h_sum", "h_bucket", "x_created", "h_created"];
    names.push("target", "target_info", "h_info", "h_created_total", "x.created", "h.bucket", "é", "aéb", "a__b");
    const instrument = fc.record({ name: fc.constantFrom(...names), kind: fc.constantFrom(...kinds) });
    const run = async (
      instruments: readonly { readonly name: string; readonly kind: Kind }[],
      translationStrategy: (typeof translationStrategies)[number],
      escaping: string,
    ): Promise<void> => {
      const { record, parsed, errors } = setUp({ translationStrategy, targetInfo: true }, { i: "target" });
      for (const [index, { name, kind }] of instruments.entries()) record(kind, name, 2, { i: `${index}` }, sampled);
      for (const format of formats) {
        errors.length = 0;
        const page = await parsed(format, escaping);
        const shown = new Set(
          [...page.values()].flatMap(({ samples }) => samples.map(({ labels }) => labels.get("i"))),
        );
        const missing = instruments.filter((_, index) => !shown.has(`${index}`));
        expect(errors.length, errors.join("\n")).toBeGreaterThanOrEqual(missing.length);
        // The names that scrapers get who ask for nothing special are always looked at.
        if (missing.length === 0 && escaping === "underscores") expect(errors).toEqual([]);
      }
    };
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(instrument, { maxLength: 8, selector: ({ name, kind }) => `${name} ${kind}` }),
        fc.constantFrom(...translationStrategies),
        fc.constantFrom(...escapings),
        run,
      ),
      { numRuns: 300, seed: 20261123 },
    );
  });
});
