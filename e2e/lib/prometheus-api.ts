import { must } from "./report.ts";

export type Labels = Readonly<Record<string, string>>;

/** A native histogram as a query answers it. */
export interface NativeHistogram {
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

/** One series of an instant query. */
export interface QueriedSample {
  readonly labels: Labels;
  /** NaN for a native histogram. */
  readonly value: number;
  readonly histogram: NativeHistogram | undefined;
}

/** An exemplar, with the labels of the series that it belongs to. */
export interface StoredExemplar {
  readonly series: Labels;
  readonly labels: Labels;
  readonly value: number;
  readonly timeMs: number;
}

/** What a page said about a family. */
export interface Metadata {
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

/** The parts of Prometheus' HTTP API that the scenarios ask. */
export interface PrometheusApi {
  /** Label sets of every series whose name matches the regular expression. */
  series(nameRegex: string): Promise<Labels[]>;
  /** Instant query; the samples with their labels. */
  query(expression: string): Promise<QueriedSample[]>;
  /** Exemplars of the last hour whose series the expression selects. */
  exemplars(expression: string): Promise<StoredExemplar[]>;
  /** By family name, what all targets together said, each different answer once. */
  metadata(): Promise<ReadonlyMap<string, readonly Metadata[]>>;
  /** By family name, as the target's page declared it; of one job, or of all. */
  targetMetadata(job?: string): Promise<ReadonlyMap<string, Metadata>>;
  targets(): Promise<{ job: string; health: string; lastError: string; scrapes: boolean }[]>;
}

interface RawHistogram {
  readonly count: string;
  readonly sum: string;
  readonly buckets?: readonly (readonly [rule: number, from: string, to: string, count: string])[];
}

export function createPrometheusApi(url: string): PrometheusApi {
  async function get<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`, {
      signal: AbortSignal.timeout(20_000),
    });
    const body = (await response.json()) as { status: string; error?: string; data: T };
    must(body.status === "success", `Prometheus refused ${path}: ${body.error}`);
    return body.data;
  }
  return {
    series: (nameRegex) => get<Labels[]>("series", { "match[]": `{__name__=~"${nameRegex}"}` }),
    async query(expression) {
      const { result } = await get<{
        result: { metric: Labels; value?: [number, string]; histogram?: [number, RawHistogram] }[];
      }>("query", { query: expression });
      return result.map(({ metric, value, histogram }) => ({
        labels: metric,
        value: value === undefined ? NaN : parseValue(value[1]),
        histogram: histogram === undefined ? undefined : readHistogram(histogram[1]),
      }));
    },
    async exemplars(expression) {
      const nowSeconds = Date.now() / 1_000;
      const found = await get<
        { seriesLabels: Labels; exemplars: { labels: Labels; value: string; timestamp: number }[] }[]
      >("query_exemplars", { query: expression, start: String(nowSeconds - 3_600), end: String(nowSeconds + 60) });
      return found.flatMap(({ seriesLabels, exemplars }) =>
        exemplars.map(({ labels, value, timestamp }) => ({
          series: seriesLabels,
          labels,
          value: parseValue(value),
          timeMs: Math.round(timestamp * 1_000),
        })),
      );
    },
    async metadata() {
      return new Map(Object.entries(await get<Record<string, Metadata[]>>("metadata")));
    },
    async targetMetadata(job) {
      const rows = await get<(Metadata & { metric: string })[]>("targets/metadata", {
        match_target: job === undefined ? '{job!=""}' : `{job=${JSON.stringify(job)}}`,
      });
      return new Map(rows.map(({ metric, type, help, unit }) => [metric, { type, help, unit }]));
    },
    async targets() {
      const { activeTargets } = await get<{
        activeTargets: { labels: Labels; health: string; lastError: string; lastScrape: string }[];
      }>("targets");
      return activeTargets.map(({ labels, health, lastError, lastScrape }) => ({
        job: labels["job"] ?? "",
        health,
        lastError,
        scrapes: !lastScrape.startsWith("0001"),
      }));
    },
  };
}

function readHistogram({ count, sum, buckets = [] }: RawHistogram): NativeHistogram {
  return {
    count: parseValue(count),
    sum: parseValue(sum),
    buckets: buckets.map(([, from, to, inside]) => ({
      from: parseValue(from),
      to: parseValue(to),
      count: parseValue(inside),
    })),
  };
}

/** Prometheus writes infinities as `+Inf` and `-Inf`. */
function parseValue(text: string): number {
  return Number(text.replace("Inf", "Infinity"));
}
