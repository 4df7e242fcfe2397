import type { BenchResult, Progress } from "../result.ts";
import { life, phases } from "./life-run.ts";

const machines = 10_000;
const rounds = 3;

/** 10,000 machines through a whole life, with a rest and a restart of the manager in its midst; what telemetry costs, on 1,000. */
export async function benchLife(progress: Progress): Promise<BenchResult> {
  const overhead: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const loud = await life(1_000, true, false, progress);
    const silent = await life(1_000, false, false, progress);
    overhead.push((loud.cpuSeconds / silent.cpuSeconds - 1) * 100);
  }
  return lifeResult(machines, await life(machines, true, true, progress), overhead);
}

/** The rows of one measured life. */
function lifeResult(
  count: number,
  measured: Awaited<ReturnType<typeof life>>,
  overhead: readonly number[],
): BenchResult {
  const { seconds, latenciesMs } = measured;
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
  const whole = phases.reduce((sum, phase) => sum + seconds[phase], 0);
  const many = count.toLocaleString("en-US");
  return {
    name: "life",
    title: "The whole life of virtual machines",
    rows: [
      ...phases.map((phase) => ({
        what: `${many} machines, ${phase}, operations/s`,
        rounds: [count / seconds[phase]],
      })),
      { what: `${many} machines, all operations/s`, rounds: [(count * phases.length) / whole] },
      {
        what: "from a write to its reconcile at 200 writes/s, p99, ms",
        rounds: [p99],
        must: { atMost: 50 },
      },
      { what: `${many} machines at rest, % of a core`, rounds: [measured.restCpuPercent], must: { atMost: 5 } },
      { what: `${many} machines at rest, manager RSS, MiB`, rounds: [measured.restRssMib], must: { atMost: 350 } },
      { what: "restart until every machine is reconciled, s", rounds: [measured.restartSeconds], must: { atMost: 10 } },
      { what: "restart, writes to the API", rounds: [measured.restartWrites], must: { atMost: 0 } },
      { what: "restart, changes at the provider", rounds: [measured.restartChanges], must: { atMost: 0 } },
      { what: "restart, DescribeVM per machine", rounds: [measured.restartQuestions], must: { atMost: 1 } },
      { what: "telemetry against all no-op, % more manager CPU", rounds: overhead, must: { atMost: 5 } },
    ],
    notes: [
      "The manager has a process of its own; API server and provider share another, and the latency ends where the provider is asked for the machine, which is after the reconcile began.",
    ],
  };
}
