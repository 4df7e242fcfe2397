import { createKubeClient, loadKubeConfig } from "@almanac/kube";
import { startManager } from "@almanac/manager";
import type { Telemetry } from "@almanac/telemetry";
import { managerTelemetry } from "../manager-telemetry.ts";
import type { TelemetryKind } from "../manager-telemetry.ts";
import { createSwitchedTelemetry } from "../switched-telemetry.ts";
import type { SwitchedTelemetry } from "../switched-telemetry.ts";

/** What the manager's process is told, as JSON in its first argument. */
export interface ManagerSettings {
  readonly kubeconfig: string;
  /** `host:port` of the only provider. */
  readonly provider: string;
  /** "switched": all of them, one at a time, beginning with "none". */
  readonly telemetry: TelemetryKind | "switched";
  /** Where spans go over OTLP when they are exported. */
  readonly tracesUrl: string;
}

/** What the manager's process is asked, or told: to send what waits to be exported, or which of its telemetries to use from now on. */
export type Question = "cpu" | "counts" | "flush" | TelemetryKind;

/** User and system time so far; answered before anything else is done, so that the question costs nothing. */
export interface CpuAnswer {
  readonly cpuSeconds: number;
  /** Reconciles of VirtualMachines that ended so far. */
  readonly reconciles: number;
}

/** Attempts that ended, by `operation outcome`, as `/metrics` shows them; empty without telemetry. */
export interface CountsAnswer {
  readonly operations: Readonly<Record<string, number>>;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as ManagerSettings;
let reconciles = 0;
const { telemetry: chosen, metricsUrls, use } = await chosenTelemetry();
const telemetry = countReconciles(chosen);
const kube = createKubeClient(await loadKubeConfig({ kubeconfig: settings.kubeconfig }), {
  logger: telemetry.logger,
  tracerProvider: telemetry.tracerProvider,
  // As `almanac manager` has it.
  traceOverMs: 100,
});
await startManager({ kube, telemetry, tls: "insecure", providerEndpoint: () => settings.provider, concurrency: 32 });
process.on("message", (question: Question) => void answer(question));
process.on("disconnect", () => process.exit());
process.send?.("started");

async function chosenTelemetry(): Promise<SwitchedTelemetry> {
  if (settings.telemetry === "switched") return await createSwitchedTelemetry(settings.tracesUrl);
  const only = await managerTelemetry(settings.telemetry, settings.tracesUrl);
  const metricsUrls = only.metricsUrl === undefined ? [] : [only.metricsUrl];
  return { telemetry: only, metricsUrls, use: () => {} };
}

async function answer(question: Question): Promise<void> {
  if (question === "cpu") {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuSeconds: (user + system) / 1e6, reconciles } satisfies CpuAnswer);
    return;
  }
  const counts: CountsAnswer = { operations: question === "counts" ? await operationsSoFar() : {} };
  if (question === "flush") await telemetry.flush();
  else if (question !== "counts") use(question);
  process.send?.(counts);
}

/** Counted beside the metric, which a manager without telemetry does not have. */
function countReconciles(own: Telemetry): Telemetry {
  return {
    ...own,
    instruments(catalog) {
      const all = own.instruments(catalog);
      if (!("virtrigaud_manager_reconcile_total" in all)) return all;
      const total = all.virtrigaud_manager_reconcile_total as { add(value: number, labels: { kind: string }): void };
      return {
        ...all,
        virtrigaud_manager_reconcile_total: {
          ...total,
          add(value: number, labels: { kind: string }) {
            if (labels.kind === "VirtualMachine") reconciles += value;
            total.add(value, labels);
          },
        },
      };
    },
  };
}

async function operationsSoFar(): Promise<CountsAnswer["operations"]> {
  const counts: Record<string, number> = {};
  for (const url of metricsUrls) {
    const page = await (await fetch(`${url}/metrics`)).text();
    for (const [, labels = "", value] of page.matchAll(/^virtrigaud_vm_operations_total\{(.*)\} (\S+)$/gm)) {
      const of = (label: string): string => new RegExp(`\\b${label}="([^"]*)"`).exec(labels)?.[1] ?? "";
      const key = `${of("operation")} ${of("outcome")}`;
      if (Number(value) > 0) counts[key] = (counts[key] ?? 0) + Number(value);
    }
  }
  return counts;
}
