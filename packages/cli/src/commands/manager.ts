import { hostname } from "node:os";
import { virtrigaud } from "@almanac/catalog";
import { untilShutdown } from "@almanac/core";
import { createKubeClient, loadKubeConfig } from "@almanac/kube";
import { startManager } from "@almanac/manager";
import { startTelemetry } from "@almanac/telemetry";
import { parseBindAddress } from "../bind-address.ts";
import { endpointLookup } from "../endpoints.ts";
import type { ManagerFlags } from "../program.ts";
import { tlsFromFlags } from "../tls-flags.ts";
import { untilAborted } from "../until-aborted.ts";
import { buildInfo, packageVersion } from "../version.ts";

/** Runs the manager until SIGINT or SIGTERM, then drains, releases its Lease and flushes. */
export async function manager(flags: ManagerFlags): Promise<void> {
  using shutdown = untilShutdown();
  const tls = tlsFromFlags(flags, flags.tlsInsecure);
  const providerEndpoint = endpointLookup(flags.providerEndpoint, flags.providerEndpointsFile);
  const metrics = parseBindAddress(flags.metricsBindAddress, "--metrics-bind-address");
  const connection = await loadKubeConfig({
    ...(flags.kubeconfig === undefined ? {} : { kubeconfig: flags.kubeconfig }),
    ...(flags.context === undefined ? {} : { context: flags.context }),
  });
  await using telemetry = await startTelemetry({
    serviceName: "virtrigaud-manager",
    owner: "manager",
    catalogs: [virtrigaud],
    version: packageVersion,
    metrics: { ...metrics, webConfigFile: flags["web.config.file"] },
    logs: { level: flags.logLevel, format: flags.logFormat },
  });
  using kube = createKubeClient(connection, {
    userAgent: `virtrigaud-manager/${packageVersion}`,
    logger: telemetry.logger,
    tracerProvider: telemetry.tracerProvider,
    traceOverMs: 100,
  });
  await using running = await startManager({
    kube,
    telemetry,
    tls,
    providerEndpoint,
    leaderElection: flags.leaderElect && {
      namespace: flags.leaderElectionNamespace,
      identity: `${hostname()}_${process.pid}`,
    },
    ...(flags.shard === undefined ? {} : { sharding: flags.shard }),
    ...(flags.shards === undefined ? {} : { sharding: { shards: flags.shards } }),
    concurrency: flags.concurrency.each,
    concurrencyByKind: flags.concurrency.byKind,
    build: buildInfo(process.env),
    signal: shutdown.signal,
  });
  telemetry.logger.info("manager is running", { metrics: telemetry.metricsUrl, server: kube.server });
  // A manager that cannot go on by itself ends the process too, so that whatever supervises it starts another.
  await Promise.race([untilAborted(shutdown.signal), running.ended]);
  const { reason } = shutdown.signal as { reason?: Error };
  telemetry.logger.info("manager is stopping", { reason: reason?.message ?? "it ended by itself" });
}
