import { converge } from "./converge-run.ts";
import type { Convergence } from "./converge-run.ts";
import { median } from "./result.ts";
import type { BenchResult, BenchRow } from "./result.ts";

const rounds = 3;

/**
 * Converges 1,000 and 10,000 VirtualMachines to Ready with a zero-delay mock and the rate limit out of the way; the former with
 * telemetry and with none of it, in alternating processes.
 */
export async function benchConverge(): Promise<BenchResult> {
  const thousand: Convergence[] = [];
  const silent: Convergence[] = [];
  for (let round = 0; round < rounds; round++) {
    thousand.push(await converge(1_000, true));
    silent.push(await converge(1_000, false));
  }
  const tenThousand = [await converge(10_000, true)];
  const seconds = (runs: readonly Convergence[]): number[] => runs.map((run) => run.seconds);
  const cpu = (runs: readonly Convergence[]): number[] => runs.map((run) => (run.cpuSeconds / run.reconciles) * 1e6);
  const allCpu = (runs: readonly Convergence[]): number[] => runs.map((run) => run.cpuSeconds + run.peersCpuSeconds);
  const growth = median(seconds(tenThousand)) / median(seconds(thousand));
  const overhead = thousand.map((run, round) => (run.cpuSeconds / (silent[round]?.cpuSeconds ?? Number.NaN) - 1) * 100);
  const rows: BenchRow[] = [
    { what: "1,000 machines to Ready, s", rounds: seconds(thousand) },
    { what: "1,000 machines, manager CPU per reconcile, µs", rounds: cpu(thousand) },
    { what: "1,000 machines, reconciles per machine", rounds: thousand.map((run) => run.reconciles / run.machines) },
    { what: "1,000 machines, manager peak RSS, MiB", rounds: thousand.map((run) => run.peakRssMib) },
    { what: "10,000 machines to Ready, s", rounds: seconds(tenThousand) },
    { what: "10,000 machines, manager CPU per reconcile, µs", rounds: cpu(tenThousand) },
    { what: "10,000 machines, manager peak RSS, MiB", rounds: tenThousand.map((run) => run.peakRssMib) },
    {
      what: "10 × the machines, × the CPU of all processes",
      rounds: [median(allCpu(tenThousand)) / median(allCpu(thousand))],
    },
    { what: "10 × the machines, × the time", rounds: [growth], must: { atMost: 11 } },
    { what: "telemetry against all no-op, % more manager CPU", rounds: overhead, must: { atMost: 15 } },
  ];
  return {
    name: "converge",
    title: "Converging virtual machines",
    rows,
    notes: [
      "The manager has a process of its own; API server and provider share another. The mock has no delay and the provider's rate limit is out of the way (1,000 calls a second, the most that the definition allows).",
    ],
  };
}
