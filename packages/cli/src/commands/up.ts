import { untilShutdown } from "@almanac/core";
import type { UpFlags } from "../program.ts";
import { createLineLogger } from "../up/line-logger.ts";
import { showStatus } from "../up/screen.ts";
import { startStack } from "../up/stack.ts";
import type { Stack } from "../up/stack.ts";
import { reportReadiness } from "../up/report.ts";

/** Runs the stack until it is asked to stop, or with `untilReady` until every family has moved. Sets the exit code. */
export async function up(flags: UpFlags): Promise<void> {
  using shutdown = untilShutdown();
  const startedAt = performance.now();
  const logger = createLineLogger({ level: isLive(flags) ? "error" : "warn" });
  console.log("Starting Almanac …");
  const starting = startStack(
    {
      directory: flags.dir,
      workload: flags.workload && { size: flags.workloadSize, seed: flags.seed },
      logLevel: flags.logLevel,
      logger,
      onStep: ({ title, detail, seconds }) => console.log(`  ${title.padEnd(24)} ${detail}  (${seconds.toFixed(1)} s)`),
      ...optional("kubeconfig", flags.kubeconfig),
      ...optional("stateDir", flags.state),
      ...optional("manifests", flags.manifests),
      ...optional("apiPort", flags.apiPort),
      ...optional("metricsPort", flags.metricsPort),
      ...optional("tracesPort", flags.tracesPort),
    },
    shutdown.signal,
  );
  const started = await starting.catch((error: unknown) => {
    if (!shutdown.signal.aborted) throw error;
    return undefined;
  });
  if (started === undefined) {
    console.log("Interrupted while starting; everything that ran has been stopped.");
    process.exitCode = interrupted;
    return;
  }
  {
    await using stack = started;
    await follow(stack, flags, startedAt, shutdown.signal);
  }
  console.log(`Stopped.${flags.kubeconfig === undefined ? "" : " What was applied to the cluster is still there."}`);
}

/** As a shell has it: 128 and the number of SIGINT. */
const interrupted = 130;

async function follow(stack: Stack, flags: UpFlags, startedAt: number, signal: AbortSignal): Promise<void> {
  printPlaces(stack, startedAt);
  if (flags.untilReady) {
    process.exitCode = await untilReady(stack, flags.readyTimeout, signal);
    return;
  }
  await showStatus(stack, { live: isLive(flags), signal });
  console.log("Stopping: flushing telemetry and ending every process …");
}

function isLive(flags: UpFlags): boolean {
  return process.stdout.isTTY && !flags.plain && !flags.untilReady;
}

async function untilReady(stack: Stack, timeoutSeconds: number, signal: AbortSignal): Promise<number> {
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  const startedAt = performance.now();
  const progress = setInterval(() => {
    const waiting = stack.watch.waiting;
    const some = waiting.slice(0, 3).join(", ");
    console.log(
      `  ${stack.watch.moved.size} families have moved, ${waiting.length} to go: ${some}${waiting.length > 3 ? ", …" : ""}`,
    );
  }, 5_000);
  try {
    await stack.watch.untilAllMoved(AbortSignal.any([signal, timeout]));
  } catch {
    // Interrupted or out of time: the report says which families are missing.
    if (signal.aborted) return interrupted;
  } finally {
    clearInterval(progress);
  }
  return reportReadiness(stack, (performance.now() - startedAt) / 1000);
}

function printPlaces(stack: Stack, startedAt: number): void {
  const { folder, runner } = stack;
  const lines: [string, string][] = [
    ["Kubernetes API", `${stack.apiUrl}   kubectl --kubeconfig ${stack.kubeconfig} get vm,provider`],
    ["manager /metrics", stack.managerMetrics],
    ...runner.providers.map(({ provider, metrics }): [string, string] => [`${provider} /metrics`, metrics]),
    ["traces", describeTraces(stack)],
    ["for scripts", folder.upJson],
    ["logs", `${folder.logs} and ${folder.pods}/*/log`],
  ];
  console.log(`\nUp in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  for (const [title, place] of lines) console.log(`  ${title.padEnd(30)} ${place}`);
  console.log("");
}

function describeTraces({ sink, destination }: Stack): string {
  if (sink !== undefined) return `${sink.url}/traces`;
  return destination.kind === "configured" ? `sent to ${destination.endpoint}` : "off";
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
