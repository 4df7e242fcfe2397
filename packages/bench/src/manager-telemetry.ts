import { virtrigaud } from "@almanac/catalog";
import { createNoopTelemetry, startTelemetry } from "@almanac/telemetry";
import type { Telemetry } from "@almanac/telemetry";

/** Everything is no-op; every measurement and span is recorded; and every span is exported too. */
export const telemetryKinds = ["none", "recorded", "exported"] as const;
export type TelemetryKind = (typeof telemetryKinds)[number];

/** The telemetry of a manager under measurement; `tracesUrl` is where spans go over OTLP when they are exported. */
export async function managerTelemetry(kind: TelemetryKind, tracesUrl = ""): Promise<Telemetry> {
  if (kind === "none") return createNoopTelemetry();
  return await startTelemetry({
    serviceName: "virtrigaud-manager",
    owner: "manager",
    catalogs: [virtrigaud],
    metrics: { port: 0 },
    logs: { level: "info" },
    env: {
      ...process.env,
      OTEL_TRACES_SAMPLER: "always_on",
      ...(kind === "exported" ? { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tracesUrl } : {}),
    },
  });
}
