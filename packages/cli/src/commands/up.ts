import { untilShutdown } from "@almanac/core";
import { CliError } from "../error.ts";
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
  const live = process.stdout.isTTY && !flags.plain && !flags.untilReady;
  const logger = createLineLogger({ level: live ? "error" : "warn" });
  console.log("Starting Almanac …");
  await using stack = await startStack(
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
  printPlaces(stack, startedAt);
  if (flags.untilReady) {
    process.exitCode = await untilReady(stack, flags.readyTimeout, shutdown.signal);
    return;
  }
  await showStatus(stack, { live, signal: shutdown.signal });
  console.log("Stopping: flushing telemetry and ending every process …");
}

async function untilReady(stack: Stack, timeoutSeconds: number, signal: AbortSignal): Promise<0 | 1> {
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
    if (signal.aborted) throw new CliError("failed", "interrupted before every family had moved");
  } finally {
    clearInterval(progress);
  }
  return reportReadiness(stack, (performance.now() - startedAt) / 1000);
}

function printPlaces(stack: Stack, startedAt: number): void {
  const { folder, sink, runner } = stack;
  const lines: [string, string][] = [
    ["Kubernetes API", `${stack.apiUrl}   kubectl --kubeconfig ${folder.kubeconfig} get vm,prov`],
    ["manager /metrics", stack.managerMetrics],
    ...runner.providers.map(({ provider, metrics }): [string, string] => [`${provider} /metrics`, metrics]),
    [
      "traces",
      sink
        ? `${sink.url}/traces`
        : `sent to ${process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "nowhere (OTEL_SDK_DISABLED)"}`,
    ],
    ["for scripts", folder.upJson],
    ["logs", folder.logs],
  ];
  console.log(`\nUp in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  for (const [title, place] of lines) console.log(`  ${title.padEnd(30)} ${place}`);
  console.log("");
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
