import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { peerPath } from "./peer-path.ts";
import { loopback, withPorts } from "./ports.ts";
import { startProcess } from "./process.ts";
import type { PeerProcess, StartOptions } from "./process.ts";

const portNames = ["otlpGrpc", "otlpHttp", "query", "queryGrpc", "health"] as const;

export interface JaegerOptions extends StartOptions {
  /** Fixed ports; a free one for each that is not given. */
  readonly ports?: Readonly<Partial<Record<(typeof portNames)[number], number>>>;
  /** Traces kept in memory; the oldest go first. Default 10 000. */
  readonly maxTraces?: number;
}

/** A running Jaeger with its storage in memory. */
export interface Jaeger extends PeerProcess {
  /** `host:port` of OTLP over gRPC. */
  readonly otlpGrpc: string;
  /** Base URL of OTLP over HTTP; append `/v1/traces`. */
  readonly otlpHttp: string;
  /** Base URL of the query API; append `/api/v3/…`. It carries no web page. */
  readonly query: string;
  readonly healthUrl: string;
}

/** Starts Jaeger and waits for its health endpoint. Throws `PeerError`. */
export async function startJaeger(options: JaegerOptions): Promise<Jaeger> {
  const { folder, ports: given = {}, maxTraces = 10_000 } = options;
  const program = peerPath("jaeger");
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "jaeger.yaml");
  copyFileSync(fileURLToPath(new URL("jaeger/memory.yaml", import.meta.url)), config);
  return withPorts(portNames, given, async (ports) => {
    const address = (name: (typeof portNames)[number]): string => `${loopback}:${ports[name]}`;
    const healthUrl = `http://${address("health")}/status`;
    const running = await startProcess("jaeger", program, {
      ...options,
      args: ["--config", config],
      healthUrl,
      env: {
        ALMANAC_JAEGER_OTLP_GRPC: address("otlpGrpc"),
        ALMANAC_JAEGER_OTLP_HTTP: address("otlpHttp"),
        ALMANAC_JAEGER_QUERY: address("query"),
        ALMANAC_JAEGER_QUERY_GRPC: address("queryGrpc"),
        ALMANAC_JAEGER_HEALTH: address("health"),
        ALMANAC_JAEGER_MAX_TRACES: String(maxTraces),
      },
    });
    return {
      ...running,
      otlpGrpc: address("otlpGrpc"),
      otlpHttp: `http://${address("otlpHttp")}`,
      query: `http://${address("query")}`,
      healthUrl,
    };
  });
}
