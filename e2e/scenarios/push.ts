import { join } from "node:path";
import { collected, kept } from "../lib/naming.ts";
import { createPrometheusApi } from "../lib/prometheus-api.ts";
import { checkExemplars, checkTargets, checkValues } from "../lib/stored-checks.ts";
import type { Route } from "../lib/stored-checks.ts";
import { checkQuietEnd, startTarget } from "../lib/target.ts";
import type { Scenario } from "../main.ts";
import { startCollector, startPrometheus } from "../peers/peers.ts";
import type { Collector } from "../peers/peers.ts";
import type { PlannedInstrument, Push } from "../targets/plan.ts";

const protocols = ["http/protobuf", "http/json", "grpc"] as const;

/** The ways to scrape a Collector's page. In OpenMetrics it shows no exemplars of exponential histograms. */
const pages = [
  {
    format: "OpenMetrics",
    settings: { scrape_protocols: ["OpenMetricsText1.0.0"] },
    exponential: "classic",
    carries: ({ kind }: PlannedInstrument) => kind === "counter" || kind === "histogram",
  },
  {
    format: "protobuf",
    settings: { scrape_protocols: ["PrometheusProto"], scrape_native_histograms: true },
    exponential: "native",
    carries: ({ kind }: PlannedInstrument) => ["counter", "histogram", "exponential"].includes(kind),
  },
] as const;

/** What is recorded reaches Prometheus over OTLP too, exemplars included: straight to its receiver, and through a real Collector. */
export const push: Scenario = {
  title: "OTLP push in all protocols: values, names and exemplars behind Prometheus' receiver and the Collector",
  async run(report, folder) {
    await using collectors = new AsyncDisposableStack();
    // One for each, since of a family's native histograms Prometheus 3.15 reads the exemplars of the first series only.
    const behind: { readonly protocol: Push["protocol"]; readonly collector: Collector }[] = [];
    for (const protocol of protocols) {
      const own = join(folder, `collector-${protocol.replace("/", "-")}`);
      behind.push({ protocol, collector: collectors.use(await startCollector({ folder: own })) });
    }
    await using prometheus = await startPrometheus({
      folder: join(folder, "prometheus"),
      targets: behind.flatMap(({ protocol, collector }) =>
        pages.map(({ format, settings }) => {
          const job = jobOf(protocol, format);
          // Both formats bring the series of the same service; their labels must differ.
          const relabeling = { metric_relabel_configs: [{ target_label: "job", replacement: job }] };
          return { job, url: collector.metricsUrl, honorLabels: true, settings: { ...settings, ...relabeling } };
        }),
      ),
    });
    const pushes: Push[] = [
      // Prometheus has no OTLP over gRPC.
      ...protocols
        .filter((protocol) => protocol !== "grpc")
        .map((protocol) => ({ service: `Prometheus ${protocol}`, protocol, url: `${prometheus.otlpHttp}/v1/metrics` })),
      ...behind.map(({ protocol, collector }) => ({
        service: `Collector ${protocol}`,
        protocol,
        url: urlOf(collector, protocol),
      })),
    ];
    await using target = await startTarget(join(folder, "target"), { pushes });
    const api = createPrometheusApi(prometheus.url);
    if (!(await checkTargets(report, api, behind.length * pages.length))) return;
    for (const route of routes(pushes)) {
      await checkValues(report, api, route);
      await checkExemplars(report, api, route, target);
    }
    await checkQuietEnd(report, target);
  },
};

function jobOf(protocol: Push["protocol"], format: string): string {
  return `Collector ${protocol}, scraped as ${format}`;
}

function urlOf(collector: Collector, protocol: Push["protocol"]): string {
  return protocol === "grpc" ? `http://${collector.otlpGrpc}` : `${collector.otlpHttp}/v1/metrics`;
}

function routes(pushes: readonly Push[]): Route[] {
  return pushes.flatMap(({ service, protocol }): Route[] => {
    if (!service.startsWith("Collector")) {
      // Prometheus takes exemplars of sums that fall, too, but none of gauges.
      const carries = ({ kind }: PlannedInstrument): boolean => kind !== "gauge";
      return [{ job: service, renaming: kept, exponential: "native", carries }];
    }
    return pages.map(({ format, exponential, carries }) => ({
      job: jobOf(protocol, format),
      renaming: collected,
      exponential,
      carries,
    }));
  });
}
