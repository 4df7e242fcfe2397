import { join } from "node:path";
import { expectSeries, seriesKey } from "../lib/expected-series.ts";
import { dots, kept, underscores, values } from "../lib/naming.ts";
import { createPrometheusApi } from "../lib/prometheus-api.ts";
import type { PrometheusApi } from "../lib/prometheus-api.ts";
import { must } from "../lib/report.ts";
import type { Report } from "../lib/report.ts";
import { checkExemplars, checkTargets, checkTypes, checkValues } from "../lib/stored-checks.ts";
import type { PageRoute } from "../lib/stored-checks.ts";
import { checkQuietEnd, startTarget } from "../lib/target.ts";
import type { Scenario } from "../main.ts";
import { startPrometheus } from "../peers/peers.ts";
import { plan } from "../targets/plan.ts";
import type { PlannedInstrument } from "../targets/plan.ts";

const pageTypes = {
  counter: "counter",
  upDownCounter: "gauge",
  gauge: "gauge",
  histogram: "histogram",
  exponential: "histogram",
} as const;

const plainType = ({ kind }: PlannedInstrument): string => pageTypes[kind];
/** OpenMetrics has no counters without `_total`. */
const openMetricsType = (planned: PlannedInstrument): string =>
  planned.kind === "counter" && !planned.name.endsWith("_total") ? "unknown" : plainType(planned);
const nothing = (): boolean => false;
/** A gauge has no exemplars in any format. */
const inProtobuf = (planned: PlannedInstrument): boolean => plainType(planned) !== "gauge";
const inOpenMetrics = (planned: PlannedInstrument): boolean =>
  ["counter", "histogram"].includes(openMetricsType(planned));

const protobuf = { scrape_protocols: ["PrometheusProto"] };
const openMetrics = { scrape_protocols: ["OpenMetricsText1.0.0"] };
const asOpenMetrics = { exponential: "classic", typeOf: openMetricsType, carries: inOpenMetrics } as const;
const asText = { exponential: "classic", typeOf: plainType, carries: nothing } as const;
// Prometheus names an escaping for the newer text formats only, so protobuf and text 0.0.4 get underscores.
const asProtobuf = { renaming: underscores, typeOf: plainType, carries: inProtobuf } as const;

/** One way of scraping the target. */
interface Job extends PageRoute {
  readonly settings: Readonly<Record<string, unknown>>;
}

const jobs: readonly Job[] = [
  { job: "text-0", settings: { scrape_protocols: ["PrometheusText0.0.4"] }, renaming: underscores, ...asText },
  { job: "text-1", settings: { scrape_protocols: ["PrometheusText1.0.0"] }, renaming: kept, ...asText },
  { job: "openmetrics", settings: openMetrics, renaming: kept, ...asOpenMetrics },
  {
    job: "protobuf",
    settings: { ...protobuf, scrape_native_histograms: true, always_scrape_classic_histograms: true },
    exponential: "native",
    ...asProtobuf,
  },
  // What a Prometheus sees whose native histograms are off.
  {
    job: "protobuf-classic",
    settings: { ...protobuf, scrape_native_histograms: false },
    exponential: "classic",
    ...asProtobuf,
    // A native histogram's exemplars have no bucket to go to.
    carries: (planned) => inProtobuf(planned) && planned.kind !== "exponential",
  },
  {
    job: "escaped-dots",
    settings: { ...openMetrics, metric_name_escaping_scheme: "dots" },
    renaming: dots,
    ...asOpenMetrics,
  },
  {
    job: "escaped-values",
    settings: { ...openMetrics, metric_name_escaping_scheme: "values" },
    renaming: values,
    ...asOpenMetrics,
  },
];

/** Classic histograms stored as native ones with the page's own bounds. */
const customBuckets = {
  job: "custom-buckets",
  settings: { ...openMetrics, convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: true },
};

/** The target's page in every format, as a real Prometheus stores it. */
export const formats: Scenario = {
  title: "the page's four formats under Prometheus: values, types, exemplars, native histograms",
  async run(report, folder) {
    await using target = await startTarget(join(folder, "target"), { pushes: [] });
    await using prometheus = await startPrometheus({
      folder: join(folder, "prometheus"),
      targets: [...jobs, customBuckets].map(({ job, settings }) => ({ job, url: target.metricsUrl, settings })),
    });
    const api = createPrometheusApi(prometheus.url);
    if (!(await checkTargets(report, api, jobs.length + 1))) return;
    for (const job of jobs) {
      await checkValues(report, api, job);
      await checkTypes(report, api, job);
      await checkExemplars(report, api, job, target);
    }
    await metadataCheck(report, api);
    await nativeChecks(report, api);
    await customBucketsCheck(report, api);
    await checkQuietEnd(report, target);
  },
};

/** All jobs together must not contradict each other. */
async function metadataCheck(report: Report, api: PrometheusApi): Promise<void> {
  await report.check("/api/v1/metadata: one type and one help text per family, whatever the format", async () => {
    const all = await api.metadata();
    const wrong: string[] = [];
    for (const planned of plan) {
      // OpenMetrics names a counter's family without its `_total`.
      const said = [planned.name, planned.name.replace(/_total$/, "")].flatMap((name) => all.get(name) ?? []);
      const allowed = [plainType(planned), openMetricsType(planned)];
      if (said.length === 0) wrong.push(`nothing about ${planned.name}`);
      for (const { type, help } of said) {
        if (!allowed.includes(type)) wrong.push(`${planned.name}: type ${type}, expected ${allowed.join(" or ")}`);
        if (help !== planned.help) wrong.push(`${planned.name}: help ${JSON.stringify(help)}`);
      }
    }
    must(wrong.length === 0, wrong.join("\n"));
    const [duration] = all.get("virtrigaud_vm_operations_duration_seconds")?.filter(({ unit }) => unit !== "") ?? [];
    must(duration?.unit === "seconds", `unit of the operations' duration: ${duration?.unit ?? "(none)"}`);
    return `${plan.length} families, the unit too`;
  });
}

/** Finest to coarsest: 2^(1/8) is the scale that 160 buckets give the recorded sizes. */
const widestBucket = 1.0906;

async function nativeChecks(report: Report, api: PrometheusApi): Promise<void> {
  const { native } = expectSeries(plan, { renaming: underscores, exponential: "native" });
  await report.check("native histograms: each recorded value is in its bucket", async () => {
    const found = await api.query('{job="protobuf",__name__=~"e2e_size_bytes|e2e_reply_size"}');
    for (const { labels, histogram } of found) {
      const key = seriesKey(labels["__name__"] ?? "", labels);
      const recorded = native.get(key) ?? [];
      must(histogram !== undefined && recorded.length > 0, `${key} is no native histogram of the plan`);
      const sum = recorded.reduce((total, value) => total + value, 0);
      must(histogram.sum === sum, `${key} has the sum ${histogram.sum}, expected ${sum}`);
      for (const { from, to, count } of histogram.buckets) {
        const inside = recorded.filter((value) => isIn(value, from, to)).length;
        must(count === inside, `${key} has ${count} in (${from}, ${to}], expected ${inside}`);
        must(to === 0 || to / from < widestBucket, `${key} has a bucket from ${from} to ${to}`);
      }
      const counted = histogram.buckets.reduce((total, { count }) => total + count, 0);
      must(counted === recorded.length, `${key} has ${counted} in its buckets, expected ${recorded.length}`);
    }
    must(found.length === native.size, `${found.length} native histograms, expected ${native.size}`);
    return `${found.length} histograms`;
  });
  await report.check("native histograms: histogram_count, histogram_sum and histogram_quantile", async () => {
    const recorded = (native.get(seriesKey("e2e_size_bytes", { kind: "file" })) ?? []).toSorted((a, b) => a - b);
    const selector = '{job="protobuf",kind="file"}';
    const ask = async (expression: string): Promise<number> => {
      const [sample, ...others] = await api.query(expression);
      must(
        sample !== undefined && others.length === 0,
        `${expression} gave ${others.length + (sample ? 1 : 0)} samples`,
      );
      return sample.value;
    };
    const count = await ask(`histogram_count(e2e_size_bytes${selector})`);
    must(count === recorded.length, `histogram_count is ${count}, expected ${recorded.length}`);
    const sum = await ask(`histogram_sum(e2e_size_bytes${selector})`);
    const total = recorded.reduce((all, value) => all + value, 0);
    must(sum === total, `histogram_sum is ${sum}, expected ${total}`);
    const answers: string[] = [];
    // None of them between two recorded values.
    for (const quantile of [0.25, 0.6, 0.9, 1]) {
      const estimate = await ask(`histogram_quantile(${quantile}, e2e_size_bytes${selector})`);
      const exact = recorded[Math.ceil(quantile * recorded.length) - 1] ?? NaN;
      const factor = estimate / exact;
      must(
        factor > 1 / widestBucket && factor < widestBucket,
        `histogram_quantile(${quantile}) is ${estimate}, expected about ${exact}`,
      );
      answers.push(`${quantile}: ${estimate.toPrecision(4)} of ${exact}`);
    }
    return answers.join(", ");
  });
}

function isIn(value: number, from: number, to: number): boolean {
  return from === to ? value === from : value > from && value <= to;
}

async function customBucketsCheck(report: Report, api: PrometheusApi): Promise<void> {
  await report.check("explicit histograms become native ones with custom buckets and answer as before", async () => {
    const selector = '{job="custom-buckets",queue="mail"}';
    const [native] = await api.query(`histogram_quantile(0.9, e2e_wait_seconds${selector})`);
    const [classic] = await api.query(`histogram_quantile(0.9, e2e_wait_seconds_bucket${selector})`);
    must(native !== undefined && classic !== undefined, `native ${native?.value}, classic ${classic?.value}`);
    must(native.value === classic.value && native.value > 1, `native ${native.value}, classic ${classic.value}`);
    return `p90 is ${native.value}`;
  });
}
