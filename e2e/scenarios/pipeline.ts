import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Family } from "@almanac/catalog";
import { builtFamilies } from "../../packages/cli/src/up/families.ts";
import type { Scenario } from "../main.ts";
import { compareFamilies } from "../lib/family-check.ts";
import { createPrometheusApi } from "../lib/prometheus-api.ts";
import type { PrometheusApi } from "../lib/prometheus-api.ts";
import { eventually, must } from "../lib/report.ts";
import type { Report } from "../lib/report.ts";
import { spawnUp, untilUp } from "../lib/up.ts";
import type { UpJson } from "../lib/up.ts";
import { peerPath, startCollector, startJaeger, startPrometheus } from "../peers/peers.ts";
import type { Jaeger } from "../peers/peers.ts";
import { kubectlChecks } from "./kubectl.ts";

const startTimeoutMs = 90_000;

/** The running stack under a real Prometheus, with a real Collector and Jaeger behind it. */
export const pipeline: Scenario = {
  title: "the stack with Prometheus, the Collector and Jaeger",
  async run(report, folder) {
    await using jaeger = await startJaeger({ folder: join(folder, "jaeger") });
    await using collector = await startCollector({ folder: join(folder, "collector"), tracesTo: jaeger.otlpGrpc });
    await using up = spawnUp(folder, [], {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.otlpHttp,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_BSP_SCHEDULE_DELAY: "500",
      OTEL_METRIC_EXPORT_INTERVAL: "2000",
    });
    const info = await untilUp(up);
    await using direct = await startPrometheus({
      folder: join(folder, "prometheus"),
      targets: info.targets.map(({ component, metrics }) => ({
        job: `virtrigaud-${component}`,
        url: metrics,
        honorLabels: true,
      })),
    });
    await using pushed = await startPrometheus({
      folder: join(folder, "prometheus-collector"),
      targets: [{ job: "collector", url: collector.metricsUrl, honorLabels: true }],
    });
    const families = builtFamilies();
    await scrapeChecks(report, createPrometheusApi(direct.url), info, families);
    await collectorChecks(report, createPrometheusApi(pushed.url), families);
    await pageChecks(report, [...info.targets.map(({ metrics }) => metrics), collector.metricsUrl]);
    await traceChecks(report, jaeger, info, up.directory);
    await exemplarCheck(report, createPrometheusApi(direct.url), jaeger, "scraped");
    await exemplarCheck(report, createPrometheusApi(pushed.url), jaeger, "pushed");
    await kubectlChecks(report, info, folder);
    await report.check("Ctrl-C ends everything and the exit code is 0", async () => {
      const code = await up.stop();
      must(code === 0, `exit code ${code}`);
      for (const { metrics } of info.targets) {
        const answers = await fetch(metrics).then(
          () => true,
          () => false,
        );
        must(!answers, `${metrics} still answers`);
      }
    });
  },
};

async function scrapeChecks(
  report: Report,
  prometheus: PrometheusApi,
  info: UpJson,
  families: ReadonlyMap<string, Family>,
): Promise<void> {
  await report.check("Prometheus scrapes every target without an error", () =>
    eventually(async () => {
      const targets = await prometheus.targets();
      must(targets.length === info.targets.length, `${targets.length} targets`);
      for (const { job, health, lastError } of targets) must(health === "up", `${job} is ${health}: ${lastError}`);
      return `${targets.length} targets`;
    }, startTimeoutMs),
  );
  await report.check("every family is there with its label keys, type and bucket bounds", () =>
    eventually(async () => {
      const differences = await compareFamilies(prometheus, families);
      must(differences.length === 0, differences.join("\n"));
      return `${families.size} families`;
    }, startTimeoutMs),
  );
  await report.check("nothing undeclared with the prefix virtrigaud_", () => undeclared(prometheus));
}

async function undeclared(prometheus: PrometheusApi): Promise<string> {
  const { virtrigaud } = await import("@almanac/catalog");
  const names = new Set((await prometheus.series("virtrigaud_.*")).map((labels) => labels["__name__"] ?? ""));
  const declared: Readonly<Record<string, Family>> = virtrigaud.families;
  const strangers = [...names].filter((name) => {
    const family = declared[name] ?? declared[name.replace(/_(bucket|count|sum)$/, "")];
    return family === undefined || (name !== family.name && family.type !== "histogram");
  });
  must(names.size > 0, "no series at all");
  must(strangers.length === 0, strangers.join(", "));
  return `${names.size} series names`;
}

async function collectorChecks(
  report: Report,
  prometheus: PrometheusApi,
  families: ReadonlyMap<string, Family>,
): Promise<void> {
  await report.check("the Collector's page has the same families under the same names and labels", () =>
    eventually(async () => {
      const differences = await compareFamilies(prometheus, families);
      must(differences.length === 0, differences.join("\n"));
      return `${families.size} families`;
    }, startTimeoutMs),
  );
  await report.check("the Collector adds nothing undeclared with the prefix virtrigaud_", () => undeclared(prometheus));
}

/** Lint opinions of promtool that the catalog's fixed names cannot follow. */
const accepted = [/counter metrics should have "_total" suffix/, /non-counter metrics should not have "_total" suffix/];

async function pageChecks(report: Report, urls: readonly string[]): Promise<void> {
  await report.check("promtool reads every text page", async () => {
    for (const url of urls) {
      const response = await fetch(url, { headers: { accept: "text/plain;version=0.0.4" } });
      must(
        response.headers.get("content-type")?.startsWith("text/plain; version=0.0.4") ?? false,
        `${url}: ${response.headers.get("content-type")}`,
      );
      const page = await response.text();
      const { status, stderr } = spawnSync(peerPath("promtool"), ["check", "metrics"], {
        input: page,
        encoding: "utf8",
      });
      must(status === 0 || status === 3, `${url}: promtool exit code ${status}: ${stderr}`);
      const complaints = stderr
        .split("\n")
        .filter((line) => line !== "" && !accepted.some((pattern) => pattern.test(line)));
      must(complaints.length === 0, `${url}: ${complaints.join("\n")}`);
    }
    return `${urls.length} pages`;
  });
  await report.check("every target answers in OpenMetrics when asked, which is how Prometheus scraped it", async () => {
    for (const url of urls) {
      const response = await fetch(url, { headers: { accept: "application/openmetrics-text;version=1.0.0" } });
      must(
        response.headers.get("content-type")?.startsWith("application/openmetrics-text; version=1.0.0") ?? false,
        `${url}: ${response.headers.get("content-type")}`,
      );
      must((await response.text()).endsWith("# EOF\n"), `${url} does not end in # EOF`);
    }
  });
}

/** From a bar of a graph to the trace behind it, as a dashboard would go. */
async function exemplarCheck(report: Report, prometheus: PrometheusApi, jaeger: Jaeger, how: string): Promise<void> {
  const family = "virtrigaud_vm_operations_duration_seconds_bucket";
  await report.check(`a ${how} exemplar of an operation's duration leads to its trace in Jaeger`, () =>
    eventually(async () => {
      const exemplars = await prometheus.exemplars(family);
      must(exemplars.length > 0, `no exemplar of ${family}`);
      for (const { labels, series, value } of exemplars) {
        const { trace_id: traceId = "(none)", span_id: spanId = "(none)" } = labels;
        const spans = await traceOf(jaeger, traceId);
        const span = spans.find((candidate) => candidate.spanId === spanId);
        const where = `${JSON.stringify(series)}, value ${value}, trace ${traceId}`;
        must(span !== undefined, `${where}: no span ${spanId} among ${spans.length}`);
        must(span.service === "virtrigaud-manager", `${where}: span ${spanId} is of ${span.service}`);
      }
      return `${exemplars.length} exemplars, each with its span`;
    }, startTimeoutMs),
  );
}

interface JaegerSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly name: string;
  readonly service: string;
}

async function traceChecks(report: Report, jaeger: Jaeger, info: UpJson, directory: string): Promise<void> {
  let traceId = "";
  await report.check("the trace of one VM create is in Jaeger, from the reconcile to the provider's server span", () =>
    eventually(async () => {
      const found = await createTraces(jaeger);
      const whole = found.find((spans) => {
        const has = (service: string, name: RegExp): boolean =>
          spans.some((span) => span.service === service && name.test(span.name));
        return (
          has("virtrigaud-manager", /^reconcile VirtualMachine/) &&
          has("virtrigaud-manager", /Provider\/CreateVM$/) &&
          has("virtrigaud-provider", /Provider\/CreateVM$/)
        );
      });
      must(whole !== undefined, `no complete trace among ${found.length}`);
      traceId = whole[0]?.traceId ?? "";
      must(
        whole.every((span) => span.traceId === traceId),
        "more than one trace id",
      );
      return `${traceId}, ${whole.length} spans`;
    }, startTimeoutMs),
  );
  await report.check("log lines of the manager and of the provider carry that trace id", () =>
    eventually(() => {
      const manager = readFileSync(join(directory, "logs/manager.log"), "utf8");
      const providers = info.providers.map(({ stateDir }) => readFileSync(join(stateDir, "../log"), "utf8"));
      must(traceId !== "" && manager.includes(traceId), "not in the manager's log");
      must(
        providers.some((log) => log.includes(traceId)),
        "in no provider's log",
      );
    }),
  );
}

async function createTraces(jaeger: Jaeger): Promise<JaegerSpan[][]> {
  const end = new Date();
  const parameters = new URLSearchParams({
    "query.service_name": "virtrigaud-provider",
    "query.operation_name": "almanac.provider.v1.Provider/CreateVM",
    "query.start_time_min": new Date(end.getTime() - 3_600_000).toISOString(),
    "query.start_time_max": end.toISOString(),
    "query.num_traces": "50",
  });
  const spans = await fetchSpans(`${jaeger.query}/api/v3/traces?${parameters.toString()}`);
  return [...Map.groupBy(spans, (span) => span.traceId).values()];
}

/** The spans of one trace; none when Jaeger does not have it. */
function traceOf(jaeger: Jaeger, traceId: string): Promise<JaegerSpan[]> {
  return fetchSpans(`${jaeger.query}/api/v3/traces/${traceId}`);
}

async function fetchSpans(url: string): Promise<JaegerSpan[]> {
  const response = await fetch(url);
  if (response.status === 404) return [];
  must(response.ok, `Jaeger answered ${response.status}: ${await response.clone().text()}`);
  const { result } = (await response.json()) as {
    result: {
      resourceSpans: {
        resource: { attributes: { key: string; value: { stringValue?: string } }[] };
        scopeSpans: { spans: Omit<JaegerSpan, "service">[] }[];
      }[];
    };
  };
  return result.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? "";
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, name }) => ({ traceId, spanId, name, service })),
    );
  });
}
