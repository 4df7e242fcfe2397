import { median } from "../result.ts";
import type { Progress } from "../result.ts";
import { checkWork, steps, take } from "./steps.ts";
import { createWorld } from "./world.ts";

const slices = 4;

/**
 * Two managers lead machines through the same life, one with telemetry and one with none of it, in turns of a few seconds: what the machine
 * does besides hits both. The median over the turns of how much more CPU time a reconcile takes with it, in percent.
 */
export async function telemetryOverhead(
  machines: number,
  loudFirst: boolean,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  await using loudWorld = await createWorld();
  await using silentWorld = await createWorld();
  await using loud = await loudWorld.startManager(true);
  await using silent = await silentWorld.startManager(false);
  const sides = [
    { world: loudWorld, manager: loud },
    { world: silentWorld, manager: silent },
  ];
  const names = Array.from({ length: machines }, (_, number) => `vm-${number}`);
  const ratios: number[] = [];
  for (const step of steps) {
    progress(`telemetry and none: ${step}`);
    for (let slice = 0; slice < slices; slice++) {
      const part = names.filter((_, number) => number % slices === slice);
      const cost = [Number.NaN, Number.NaN];
      // Who goes first changes from turn to turn.
      for (const side of (slice % 2 === 0) === loudFirst ? [0, 1] : [1, 0]) {
        const { world, manager } = sides[side] ?? { world: loudWorld, manager: loud };
        const before = await manager.cpu();
        await take(step, world, part, signal);
        const after = await manager.cpu();
        cost[side] = (after.cpuSeconds - before.cpuSeconds) / Math.max(1, after.reconciles - before.reconciles);
      }
      ratios.push((cost[0] ?? Number.NaN) / (cost[1] ?? Number.NaN));
    }
  }
  checkWork(loudWorld, machines, [(await loud.counts()).operations]);
  checkWork(silentWorld, machines, undefined);
  return (median(ratios) - 1) * 100;
}
