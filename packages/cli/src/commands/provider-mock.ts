import { virtrigaud } from "@almanac/catalog";
import { untilShutdown } from "@almanac/core";
import { parseMockOptions, startMockProvider } from "@almanac/provider-mock";
import { startTelemetry } from "@almanac/telemetry";
import { mockSettings } from "../mock-settings.ts";
import type { MockFlags } from "../program.ts";
import { tlsFromFlags } from "../tls-flags.ts";
import { untilAborted } from "../until-aborted.ts";
import { buildInfo, packageVersion } from "../version.ts";

/** Runs a mock provider until SIGINT or SIGTERM, then drains its calls and flushes. */
export async function providerMock(flags: MockFlags): Promise<void> {
  using shutdown = untilShutdown();
  const { type, name, host, port, healthPort, stateDir } = flags;
  const tls = tlsFromFlags(flags, flags.tlsInsecure);
  const knobs = parseMockOptions(mockSettings({ endpoint: flags.endpoint, env: process.env, flags: flags.mock }));
  await using telemetry = await startTelemetry({
    serviceName: "virtrigaud-provider",
    owner: "provider",
    catalogs: [virtrigaud],
    version: packageVersion,
    metrics: { host, port: healthPort, webConfigFile: flags["web.config.file"] },
    logs: { level: flags.logLevel, format: flags.logFormat },
    known: { provider_type: [type], provider: [name] },
    resourceAttributes: { "virtrigaud.provider": name },
  });
  await using provider = await startMockProvider({
    ...knobs,
    providerType: type,
    providerName: name,
    host,
    port,
    tls,
    telemetry,
    build: buildInfo(process.env),
    ...(stateDir === undefined ? {} : { stateDir }),
  });
  telemetry.logger.info("provider is serving", { grpc: provider.address, metrics: telemetry.metricsUrl });
  await untilAborted(shutdown.signal);
  telemetry.logger.info("provider is stopping", { reason: (shutdown.signal.reason as Error).message });
}
