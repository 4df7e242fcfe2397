import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { peerPath } from "./peer-path.ts";
import { loopback, withPorts } from "./ports.ts";
import { startProcess } from "./process.ts";
import type { PeerProcess, StartOptions } from "./process.ts";

const portNames = ["otlpGrpc", "otlpHttp", "metrics", "health"] as const;

export interface CollectorOptions extends StartOptions {
  /** Configuration file, copied into `folder`. Default `collector-config/all-in-one.yaml`. */
  readonly configFile?: string;
  /** Where traces go: Jaeger's OTLP over gRPC, as `host:port`. Default: the configuration's own. */
  readonly tracesTo?: string;
  /** More variables for the configuration's `${env:…}`; they win over those that carry the ports. */
  readonly env?: Readonly<Record<string, string>>;
  /** Fixed ports; a free one for each that is not given. */
  readonly ports?: Readonly<Partial<Record<(typeof portNames)[number], number>>>;
}

/** A running OpenTelemetry Collector. */
export interface Collector extends PeerProcess {
  /** `host:port` of OTLP over gRPC. */
  readonly otlpGrpc: string;
  /** Base URL of OTLP over HTTP; append `/v1/metrics` or `/v1/traces`. */
  readonly otlpHttp: string;
  /** The Prometheus page. */
  readonly metricsUrl: string;
  readonly healthUrl: string;
}

/**
 * Starts the Collector and waits for its health endpoint. A configuration of the caller's must read its addresses from the
 * variables that `all-in-one.yaml` documents. Throws `PeerError`.
 */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { folder, configFile, tracesTo, env = {}, ports: given = {} } = options;
  const program = peerPath("collector");
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "collector.yaml");
  copyFileSync(configFile ?? fileURLToPath(new URL("../../collector-config/all-in-one.yaml", import.meta.url)), config);
  return withPorts(portNames, given, async (ports) => {
    const address = (name: (typeof portNames)[number]): string => `${loopback}:${ports[name]}`;
    const healthUrl = `http://${address("health")}/`;
    const running = await startProcess("collector", program, {
      ...options,
      args: ["--config", config],
      healthUrl,
      env: {
        ALMANAC_COLLECTOR_OTLP_GRPC: address("otlpGrpc"),
        ALMANAC_COLLECTOR_OTLP_HTTP: address("otlpHttp"),
        ALMANAC_COLLECTOR_METRICS: address("metrics"),
        ALMANAC_COLLECTOR_HEALTH: address("health"),
        ...(tracesTo === undefined ? {} : { ALMANAC_COLLECTOR_TRACES_TO: tracesTo }),
        ...env,
      },
    });
    return {
      ...running,
      otlpGrpc: address("otlpGrpc"),
      otlpHttp: `http://${address("otlpHttp")}`,
      metricsUrl: `http://${address("metrics")}/metrics`,
      healthUrl,
    };
  });
}
