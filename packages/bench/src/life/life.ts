import type { BenchResult, Progress } from "../result.ts";
import { telemetryOverhead } from "./overhead.ts";
import type { Overhead } from "./overhead.ts";
import { steps } from "./steps.ts";
import { percentile, wholeLife } from "./whole.ts";

const machines = 10_000;
/** Of everything together; whoever waits for a machine that never comes learns of it. */
const longestMs = 600_000;

/** 10,000 machines through a whole life, with a rest and a restart of the manager in its midst; what telemetry costs, on fewer. */
export async function benchLife(progress: Progress): Promise<BenchResult> {
  const signal = AbortSignal.timeout(longestMs);
  const overhead = await telemetryOverhead(progress, signal);
  return lifeResult(machines, await wholeLife(machines, progress, signal), overhead);
}

/** The rows of one measured life. */
function lifeResult(count: number, measured: Awaited<ReturnType<typeof wholeLife>>, overhead: Overhead): BenchResult {
  const { seconds, latenciesMs, restartRpcs } = measured;
  const whole = steps.reduce((sum, step) => sum + seconds[step], 0);
  const many = `${count.toLocaleString("en-US")} machines`;
  const { DescribeVM: looks = 0, Validate: checks = 0 } = restartRpcs;
  // What a health check found, and when, is written; that one was due just then is not the restart's doing.
  const noted = measured.restartWrites.filter((write) => /\/providers\/[^/]+\/status$/.test(write)).length;
  const thirds = (of: (part: Overhead["parts"][number]) => number): string =>
    overhead.parts.map((part) => of(part).toFixed(1)).join(" · ");
  return {
    name: "life",
    title: "The whole life of virtual machines",
    rows: [
      ...steps.map((step) => ({ what: `${many}, ${step}, operations/s`, rounds: [count / seconds[step]] })),
      { what: `${many}, all operations/s`, rounds: [(count * steps.length) / whole] },
      {
        what: "from a write to its reconcile at 200 writes/s, p99, ms",
        rounds: [percentile(latenciesMs, 99)],
        must: { atMost: 50 },
      },
      { what: `${many} at rest, % of a core`, rounds: [measured.restCpuPercent], must: { atMost: 5 } },
      { what: `${many} at rest, manager RSS, MiB`, rounds: [measured.restRssMib], must: { atMost: 350 } },
      { what: "restart until every machine is reconciled, s", rounds: [measured.restartSeconds], must: { atMost: 10 } },
      {
        what: "restart, writes to the API",
        rounds: [measured.restartWrites.length - Math.min(noted, checks)],
        must: { atMost: 0 },
      },
      { what: "restart, changes at the provider", rounds: [measured.restartChanges], must: { atMost: 0 } },
      { what: "restart, DescribeVM", rounds: [looks], must: { atMost: 0 } },
      {
        what: "metrics and traces recorded against no-op, % more manager CPU",
        rounds: [overhead.recorded],
        must: { atMost: 5 },
      },
      {
        what: "every span exported over OTLP as well, % more manager CPU",
        rounds: [overhead.exported],
      },
    ],
    notes: [
      "The manager has a process of its own; API server, provider and users share another, and the latency ends where the provider is asked for the machine, which is after the reconcile began. What was asked for, the provider's journal and the manager's metrics are compared afterwards.",
      `Within ${measured.restartWindowSeconds.toFixed(0)} s of the restart the provider was asked ${
        Object.entries(restartRpcs)
          .filter(([, times]) => times > 0)
          .map(([method, times]) => `${method} × ${times}`)
          .join(", ") || "nothing"
      }: what was due then anyway.`,
      `What telemetry costs is measured within one process that has been at work for a while, with metrics, traces and context switched on and off in turn; the log is written either way. The thirds of its turns: recorded ${thirds(
        ({ recorded }) => recorded,
      )} %, exported ${thirds(({ exported }) => exported)} %.`,
    ],
  };
}
