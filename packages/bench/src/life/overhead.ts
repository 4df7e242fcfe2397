import { checkWork, steps, take } from "./steps.ts";
import type { Step } from "./steps.ts";
import type { ManagerProcess } from "./manager-process.ts";
import type { TelemetryKind } from "../manager-telemetry.ts";
import { createWorld } from "./world.ts";
import type { World } from "./world.ts";
import type { Progress } from "../result.ts";

/** How much more CPU time the same work takes than with telemetry that does nothing, in percent. */
export interface Overhead {
  readonly recorded: number;
  readonly exported: number;
}

interface Side {
  readonly kind: TelemetryKind;
  readonly world: World;
  readonly manager: ManagerProcess;
  cpuSeconds: number;
}

const kinds: readonly TelemetryKind[] = ["none", "recorded", "exported"];
/** Each side leads so many machines through one step of their life, for a second or so, and then the next side. */
const machinesAtATime = 50;
/** Until the managers' code is compiled; not measured. */
const warmUpSlices = 4;

/**
 * Managers that differ in their telemetry alone lead machines through the same lives, in turns of a second or so: what the machine does besides
 * hits all of them. Their CPU time is compared over all turns together. `turn` changes who goes first.
 */
export async function telemetryOverhead(
  slices: number,
  turn: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<Overhead> {
  await using stack = new AsyncDisposableStack();
  const sides: Side[] = [];
  for (const kind of kinds) {
    const world = stack.use(await createWorld());
    sides.push({ kind, world, manager: stack.use(await world.startManager(kind)), cpuSeconds: 0 });
  }
  let next = turn;
  const lead = async (step: Step, names: readonly string[]): Promise<void> => {
    const first = next++ % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      const before = await side.manager.cpu();
      await take(step, side.world, names, signal);
      side.cpuSeconds += (await side.manager.cpu()).cpuSeconds - before.cpuSeconds;
    }
  };
  for (let slice = 0; slice < warmUpSlices + slices; slice++) {
    if (slice === warmUpSlices) for (const side of sides) side.cpuSeconds = 0;
    const life = slice < warmUpSlices ? "warming up" : `life ${slice - warmUpSlices + 1} of ${slices}`;
    progress(`with telemetry and without: ${life}`);
    const names = Array.from({ length: machinesAtATime }, (_, number) => `vm-${slice}-${number}`);
    for (const step of steps) await lead(step, names);
  }
  const machines = (warmUpSlices + slices) * machinesAtATime;
  for (const { kind, world, manager } of sides)
    checkWork(world, machines, kind === "none" ? undefined : [(await manager.counts()).operations]);
  const secondsOf = (kind: TelemetryKind): number => sides.find((side) => side.kind === kind)?.cpuSeconds ?? Number.NaN;
  const percentOf = (kind: TelemetryKind): number => (secondsOf(kind) / secondsOf("none") - 1) * 100;
  return { recorded: percentOf("recorded"), exported: percentOf("exported") };
}
