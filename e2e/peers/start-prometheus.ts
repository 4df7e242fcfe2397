import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PeerError } from "./errors.ts";
import { peerPath } from "./peer-path.ts";
import { loopback, withPorts } from "./ports.ts";
import { startProcess } from "./process.ts";
import type { PeerProcess, StartOptions } from "./process.ts";

/** A page to scrape. */
export interface ScrapeTarget {
  readonly job: string;
  /** Full URL of the page, e.g. `http://127.0.0.1:9464/metrics`. */
  readonly url: string;
  /** Keep the page's own `job` and `instance` in place of the target's. Default false. */
  readonly honorLabels?: boolean;
  /** More fields of the job's scrape configuration, e.g. `scrape_protocols`; those of the job's first target count. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface PrometheusOptions extends StartOptions {
  /** Pages to scrape. Excludes `config`. */
  readonly targets?: readonly ScrapeTarget[];
  /** Rule files, absolute paths; read at start. Excludes `config`. */
  readonly ruleFiles?: readonly string[];
  /** Scrape and rule interval, in milliseconds. Default 1 000. Excludes `config`. */
  readonly intervalMs?: number;
  /** A whole configuration, as YAML. */
  readonly config?: string;
  /** More command line flags, after those given here. */
  readonly flags?: readonly string[];
  /** Fixed port; a free one by default. */
  readonly port?: number;
}

/** A running Prometheus, with exemplar storage, the remote-write receiver and the OTLP receiver on. */
export interface Prometheus extends PeerProcess {
  /** Base URL; append `/api/v1/…`. */
  readonly url: string;
  /** Base URL of OTLP over HTTP; append `/v1/metrics`. Names stay as they come. */
  readonly otlpHttp: string;
}

/** Starts Prometheus and waits until it is ready to answer queries. Its data lies in `folder`. Throws `PeerError`. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { folder, port, flags = [] } = options;
  const program = peerPath("prometheus");
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "prometheus.yaml");
  writeFileSync(config, configuration(options));
  return withPorts(["web"], port === undefined ? {} : { web: port }, async ({ web }) => {
    const url = `http://${loopback}:${web}`;
    const running = await startProcess("prometheus", program, {
      ...options,
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, "prometheus-data")}`,
        `--web.listen-address=${loopback}:${web}`,
        "--web.enable-remote-write-receiver",
        "--web.enable-otlp-receiver",
        "--enable-feature=exemplar-storage",
        "--log.level=info",
        ...flags,
      ],
      healthUrl: `${url}/-/ready`,
    });
    return { ...running, url, otlpHttp: `${url}/api/v1/otlp` };
  });
}

function configuration(options: PrometheusOptions): string {
  const { targets, ruleFiles, intervalMs, config } = options;
  if (config !== undefined) {
    if (targets !== undefined || ruleFiles !== undefined || intervalMs !== undefined) {
      throw new PeerError("invalid_options", "prometheus takes either config or targets, ruleFiles and intervalMs");
    }
    return config;
  }
  const interval = `${intervalMs ?? 1_000}ms`;
  // JSON is YAML.
  return `${JSON.stringify(
    {
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: ruleFiles ?? [],
      // Catalog names are complete; any other strategy would append the unit or `_total` once more.
      otlp: { translation_strategy: "NoTranslation" },
      scrape_configs: [...Map.groupBy(targets ?? [], ({ job }) => job).values()].map(scrapeConfig),
    },
    undefined,
    2,
  )}\n`;
}

/** One job; its pages differ in nothing but their host. */
function scrapeConfig(targets: readonly ScrapeTarget[]): object {
  const [first, ...others] = targets.map(({ url }) => new URL(url));
  const [{ job, honorLabels = false, settings } = {}] = targets;
  if (others.some(({ pathname, protocol }) => pathname !== first?.pathname || protocol !== first.protocol)) {
    throw new PeerError(
      "invalid_options",
      `the pages of job ${job} differ in scheme or path; give them jobs of their own`,
    );
  }
  return {
    job_name: job,
    honor_labels: honorLabels,
    scheme: first?.protocol.slice(0, -1),
    metrics_path: first?.pathname,
    static_configs: [{ targets: targets.map(({ url }) => new URL(url).host) }],
    ...settings,
  };
}
