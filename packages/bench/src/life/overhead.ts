import { telemetryKinds } from "../manager-telemetry.ts";
import type { TelemetryKind } from "../manager-telemetry.ts";
import { median } from "../result.ts";
import type { Progress } from "../result.ts";
import { checkWork, steps, take } from "./steps.ts";
import type { Step } from "./steps.ts";
import { createWorld } from "./world.ts";

/** How much more CPU time the same work takes than with telemetry that does nothing, in percent. */
interface Percent {
  readonly recorded: number;
  readonly exported: number;
}

/** Over everything measured, and over each part of it: how much they differ says how far to trust the whole. */
export interface Overhead extends Percent {
  readonly parts: readonly Percent[];
}

const machinesAtATime = 50;
/** Until compilers have seen what a manager does all day: the CPU time of a life falls by a third within these. */
const warmUpLives = 10;
const lives = 60;
const parts = 3;

/** CPU seconds that the same step of as many machines took. */
type Turn = Readonly<Record<TelemetryKind, number>>;

/**
 * One manager leads machines through the same lives, with each kind of telemetry its own, in turns of a fifth of a second: what the machine does
 * besides hits all of them. The median over all turns counts, since a full collection of garbage makes a single one twice as long.
 */
export async function telemetryOverhead(progress: Progress, signal: AbortSignal): Promise<Overhead> {
  await using world = await createWorld();
  await using manager = await world.startManager("switched");
  const turns: Turn[] = [];
  for (let life = 0; life < warmUpLives + lives; life++) {
    const measured = life - warmUpLives;
    progress(`with telemetry and without: ${measured < 0 ? "warming up" : `${measured + 1} of ${lives}`}`);
    for (const step of steps) {
      const turn = { none: 0, recorded: 0, exported: 0 };
      // Who goes first changes from turn to turn.
      const first = (life * steps.length + steps.indexOf(step)) % telemetryKinds.length;
      for (const kind of [...telemetryKinds.slice(first), ...telemetryKinds.slice(0, first)])
        turn[kind] = await lead(step, kind, `${kind}-${life}`);
      if (measured >= 0) turns.push(turn);
    }
  }
  const machines = (warmUpLives + lives) * machinesAtATime;
  checkWork(world, machines * telemetryKinds.length, [(await manager.counts()).operations], machines * 2);
  const third = turns.length / parts;
  return {
    ...percent(turns),
    parts: Array.from({ length: parts }, (_, part) => percent(turns.slice(part * third, (part + 1) * third))),
  };

  async function lead(step: Step, kind: TelemetryKind, prefix: string): Promise<number> {
    const names = Array.from({ length: machinesAtATime }, (_, number) => `${prefix}-${number}`);
    await manager.use(kind);
    const before = await manager.cpu();
    await take(step, world, names, signal);
    // What one kind leaves to do is not for the next one to do.
    await manager.flush();
    return (await manager.cpu()).cpuSeconds - before.cpuSeconds;
  }
}

function percent(turns: readonly Turn[]): Percent {
  const more = (kind: TelemetryKind): number => (median(turns.map((turn) => turn[kind] / turn.none)) - 1) * 100;
  return { recorded: more("recorded"), exported: more("exported") };
}
