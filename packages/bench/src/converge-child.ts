import { createKubeClient, loadKubeConfig } from "@almanac/kube";
import { startManager } from "@almanac/manager";
import { managerTelemetry } from "./manager-telemetry.ts";

/** What the manager's process is told, as JSON in its first argument. */
export interface ConvergeSettings {
  readonly kubeconfig: string;
  /** `host:port` of the only provider. */
  readonly provider: string;
  readonly telemetry: boolean;
}

/** What the manager's process tells about itself when asked. */
export interface ConvergeReport {
  /** User and system time since the last report. */
  readonly cpuSeconds: number;
  readonly peakRssMib: number;
  /** Reconciles ended so far; 0 without telemetry. */
  readonly reconciles: number;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as ConvergeSettings;
const telemetry = await managerTelemetry(settings.telemetry ? "recorded" : "none");
const kube = createKubeClient(await loadKubeConfig({ kubeconfig: settings.kubeconfig }), {
  logger: telemetry.logger,
  tracerProvider: telemetry.tracerProvider,
});
await startManager({
  kube,
  telemetry,
  tls: "insecure",
  providerEndpoint: () => settings.provider,
  concurrency: 32,
});
let last = process.cpuUsage();
process.on("message", () => void report());
process.on("disconnect", () => process.exit());
process.send?.("started");

async function report(): Promise<void> {
  const used = process.cpuUsage(last);
  last = process.cpuUsage();
  const answer: ConvergeReport = {
    cpuSeconds: (used.user + used.system) / 1e6,
    peakRssMib: process.resourceUsage().maxRSS / 1024,
    reconciles: await reconcilesSoFar(),
  };
  process.send?.(answer);
}

async function reconcilesSoFar(): Promise<number> {
  if (telemetry.metricsUrl === undefined) return 0;
  const page = await (await fetch(`${telemetry.metricsUrl}/metrics`)).text();
  const samples = page.matchAll(/^virtrigaud_manager_reconcile_total\{kind="VirtualMachine".*\} (\d+)/gm);
  return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
}
