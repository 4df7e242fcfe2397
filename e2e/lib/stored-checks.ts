import { plan } from "../targets/plan.ts";
import type { PlannedInstrument, TargetReport } from "../targets/plan.ts";
import { differences, exemplarKey, expectExemplars, expectSeries, seriesKey } from "./expected-series.ts";
import type { ExpectOptions } from "./expected-series.ts";
import type { PrometheusApi } from "./prometheus-api.ts";
import { eventually, must } from "./report.ts";
import type { Report } from "./report.ts";

const arrivalTimeoutMs = 15_000;
const scrapeTimeoutMs = 30_000;

/** One way from the target into Prometheus, and what it does to what is recorded. */
export interface Route extends ExpectOptions {
  /** The label `job` of the series. */
  readonly job: string;
  /** Whether exemplars of an instrument survive. */
  readonly carries: (planned: PlannedInstrument) => boolean;
}

/** A route that is one scrape job of a page of the target's own. */
export interface PageRoute extends Route {
  /** The type that Prometheus must have read of a family. */
  readonly typeOf: (planned: PlannedInstrument) => string;
}

/** All scrape jobs are up; false when they are not, and nothing else can be expected. */
export async function checkTargets(report: Report, api: PrometheusApi, count: number): Promise<boolean> {
  let up = false;
  await report.check("Prometheus scrapes every page without an error", () =>
    eventually(async () => {
      const targets = await api.targets();
      must(targets.length === count, `${targets.length} targets, expected ${count}`);
      for (const { job, health, lastError } of targets) must(health === "up", `${job} is ${health}: ${lastError}`);
      up = true;
      return targets.map(({ job }) => job).join(", ");
    }, scrapeTimeoutMs),
  );
  return up;
}

/** Every series of the plan is stored with its value, and none besides. */
export function checkValues(report: Report, api: PrometheusApi, route: Route): Promise<void> {
  return report.check(`${route.job}: every series has the recorded value, and there is no other series`, () =>
    eventually(async () => {
      const found = await api.query(`{job="${route.job}",__name__!~"up|scrape_.*|target_info"}`);
      const expected = expectSeries(plan, route);
      const values = new Map<string, number>();
      const counts = new Map<string, number>();
      for (const { labels, value, histogram } of found) {
        const key = seriesKey(labels["__name__"] ?? "", labels);
        if (histogram === undefined) values.set(key, value);
        else counts.set(key, histogram.count);
      }
      const expectedCounts = new Map([...expected.native].map(([key, recorded]) => [key, recorded.length]));
      const wrong = [...differences(expected.values, values), ...differences(expectedCounts, counts)];
      must(wrong.length === 0, wrong.join("\n"));
      return `${values.size} series${counts.size > 0 ? ` and ${counts.size} native histograms` : ""}`;
    }, arrivalTimeoutMs),
  );
}

/** Every family of the plan has its type and help text, and no other family is there. */
export function checkTypes(report: Report, api: PrometheusApi, route: PageRoute): Promise<void> {
  return report.check(`${route.job}: types and help texts`, async () => {
    const pages = await api.targetMetadata(route.job);
    const expected = new Map(
      plan.map((planned) => [route.renaming.family(planned.name), `${route.typeOf(planned)}: ${planned.help}`]),
    );
    const stored = new Map(
      [...expected.keys()].flatMap((name) => {
        // OpenMetrics names a counter's family without its `_total`.
        const page = pages.get(name) ?? pages.get(name.replace(/_total$/, ""));
        return page === undefined ? [] : [[name, `${page.type}: ${page.help}`]];
      }),
    );
    const wrong = differences(expected, stored);
    must(wrong.length === 0, wrong.join("\n"));
    must(
      pages.size === plan.length,
      `${pages.size} families, expected ${plan.length}: ${[...pages.keys()].join(", ")}`,
    );
    return `${pages.size} families`;
  });
}

/** The stored exemplars are exactly those of the sampled spans that a page or a message of this route must have carried. */
export function checkExemplars(
  report: Report,
  api: PrometheusApi,
  route: Route,
  { traceIds, recordedMs: [from, to] }: TargetReport,
): Promise<void> {
  return report.check(`${route.job}: exactly the exemplars of the sampled spans`, () =>
    eventually(async () => {
      const expected = expectExemplars(plan, { ...route, traceIds });
      const stored = new Map<string, true>();
      for (const { series, labels, value, timeMs } of await api.exemplars(`{job="${route.job}"}`)) {
        const key = seriesKey(series["__name__"] ?? "", series);
        const { trace_id: traceId = "(none)", span_id: spanId = "(none)" } = labels;
        must(/^[0-9a-f]{16}$/.test(spanId), `an exemplar of ${key} has the span id ${spanId}`);
        const inTime = timeMs >= from && timeMs <= to;
        must(inTime, `an exemplar of ${key} is of ${timeMs}, recorded between ${from} and ${to}`);
        stored.set(exemplarKey(key, value, traceId), true);
      }
      const wrong = differences<true>(new Map([...expected].map((key) => [key, true])), stored);
      must(wrong.length === 0, wrong.join("\n"));
      return stored.size === 0 ? "none, as the format has none" : `${stored.size} exemplars`;
    }, arrivalTimeoutMs),
  );
}
