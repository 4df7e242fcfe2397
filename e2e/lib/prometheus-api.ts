import { must } from "./report.ts";

export type Labels = Readonly<Record<string, string>>;

/** The parts of Prometheus' HTTP API that the scenarios ask. */
export interface PrometheusApi {
  /** Label sets of every series whose name matches the regular expression. */
  series(nameRegex: string): Promise<Labels[]>;
  /** Instant query; the samples with their labels. */
  query(expression: string): Promise<{ labels: Labels; value: number }[]>;
  /** Type by family name, as the target's page declared it. */
  types(): Promise<ReadonlyMap<string, string>>;
  targets(): Promise<{ job: string; health: string; lastError: string; scrapes: boolean }[]>;
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
      const { result } = await get<{ result: { metric: Labels; value: [number, string] }[] }>("query", {
        query: expression,
      });
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    async types() {
      const rows = await get<{ metric: string; type: string }[]>("targets/metadata", { match_target: '{job!=""}' });
      return new Map(rows.map(({ metric, type }) => [metric, type]));
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
