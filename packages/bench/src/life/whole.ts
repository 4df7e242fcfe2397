import type { Progress } from "../result.ts";
import { checkWork, pause, steps, take } from "./steps.ts";
import type { Step } from "./steps.ts";
import { createWorld } from "./world.ts";
import type { World } from "./world.ts";

/** What one life of many machines took, with a rest and a restart of the manager in its midst. */
export interface WholeLife {
  /** From the first write of each step to the last machine that has taken it. */
  readonly seconds: Readonly<Record<Step, number>>;
  /** From the write of a user to the first question that the reconcile asks of the provider, which is later than its start. */
  readonly latenciesMs: readonly number[];
  /** Of the manager at rest. */
  readonly restCpuPercent: number;
  readonly restRssMib: number;
  /** From the start of another manager's process until it has reconciled every machine. */
  readonly restartSeconds: number;
  /** `METHOD path` of the writes to the API that the restart led to. */
  readonly restartWrites: readonly string[];
  /** Changes at the provider. */
  readonly restartChanges: number;
  /** Requests to the provider, by method. */
  readonly restartRpcs: Readonly<Record<string, number>>;
  /** The time in which they were counted. */
  readonly restartWindowSeconds: number;
}

const writesPerSecond = 200;
const pacedSeconds = 15;
/** Until what the machines' making has left is cleared away. */
const settleSeconds = 30;
const restSeconds = 30;
const afterRestartSeconds = 3;

/** Rejects when something is missing or doubled afterwards, or with the reason of `signal`. */
export async function wholeLife(machines: number, progress: Progress, signal: AbortSignal): Promise<WholeLife> {
  await using world = await createWorld();
  const many = `${machines.toLocaleString("en-US")} machines`;
  const names = Array.from({ length: machines }, (_, number) => `vm-${number}`);
  const seconds: Record<Step, number> = { create: 0, power: 0, reconfigure: 0, snapshot: 0, delete: 0 };
  const step = async (which: Step): Promise<void> => {
    progress(`${many}: ${which}`);
    seconds[which] = await take(which, world, names, signal);
  };
  const operations: Readonly<Record<string, number>>[] = [];

  async function first(): Promise<Pick<WholeLife, "latenciesMs" | "restCpuPercent" | "restRssMib">> {
    await using manager = await world.startManager("recorded");
    await step("create");
    progress(`${many}: ${writesPerSecond} writes a second`);
    const latenciesMs = await pacedWrites(names, world, signal);
    progress(`${many} at rest, after p99 ${percentile(latenciesMs, 99).toFixed(0)} ms`);
    await pause(settleSeconds * 1_000, signal);
    const before = await manager.cpu();
    await pause(restSeconds * 1_000, signal);
    const after = await manager.cpu();
    const restCpuPercent = ((after.cpuSeconds - before.cpuSeconds) / restSeconds) * 100;
    const restRssMib = manager.rssMib();
    progress(`${many} rested: ${restCpuPercent.toFixed(1)} % of a core, ${restRssMib.toFixed(0)} MiB`);
    operations.push((await manager.counts()).operations);
    return { latenciesMs, restCpuPercent, restRssMib };
  }

  const atRest = await first();
  progress(`${many}: restart`);
  const writesBefore = world.writes.length;
  const changesBefore = sum(world.effects.values());
  const rpcsBefore = new Map(world.rpcs);
  const began = performance.now();
  await using manager = await world.startManager("recorded");
  while ((await manager.cpu()).reconciles < machines) await pause(50, signal);
  const restartSeconds = (performance.now() - began) / 1_000;
  // What is needless may come a little later.
  await pause(afterRestartSeconds * 1_000, signal);
  const restart = {
    restartSeconds,
    restartWrites: world.writes.slice(writesBefore),
    restartChanges: sum(world.effects.values()) - changesBefore,
    restartRpcs: Object.fromEntries(
      [...world.rpcs].map(([method, count]) => [method, count - (rpcsBefore.get(method) ?? 0)]),
    ),
    restartWindowSeconds: (performance.now() - began) / 1_000,
  };
  progress(`${many} in step after ${restartSeconds.toFixed(1)} s`);
  for (const which of steps.slice(1)) await step(which);
  operations.push((await manager.counts()).operations);
  checkWork(world, machines, operations);
  return { seconds, ...atRest, ...restart };
}

/** Users who annotate machines at rest, so many a second; how long until each is looked at, milliseconds. */
async function pacedWrites(names: readonly string[], world: World, signal: AbortSignal): Promise<number[]> {
  const running: Promise<number>[] = [];
  const count = Math.min(names.length, writesPerSecond * pacedSeconds);
  const began = performance.now();
  for (let number = 0; number < count; number++) {
    const dueInMs = began + (number * 1_000) / writesPerSecond - performance.now();
    if (dueInMs > 0) await pause(dueInMs, signal);
    running.push(writeOne(names[number] ?? ""));
  }
  return await Promise.all(running);

  async function writeOne(name: string): Promise<number> {
    const looked = world.nextLook(world.machines.get("default", name)?.status?.id ?? "");
    const written = performance.now();
    const body = { metadata: { annotations: { "example.com/touched": String(written) } } };
    await world.vms.patch({ namespace: "default", name }, body, { type: "merge" });
    return (await Promise.race([looked, pause(60_000, signal).then(() => Number.POSITIVE_INFINITY)])) - written;
  }
}

/** The smallest value that so many percent of all do not exceed; NaN of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
