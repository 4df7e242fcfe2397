import { join } from "node:path";
import { checkEffects, checkMachines, checkManagersAtRest, checkResults, checkRpcs } from "../lib/chaos/checks.ts";
import { planProgram } from "../lib/chaos/plan.ts";
import { runProgram, settle, tearDown } from "../lib/chaos/program.ts";
import { startRecorder } from "../lib/chaos/recorder.ts";
import { overlaps, startSpanSink } from "../lib/chaos/spans.ts";
import { checkPauses, checkTakeovers, followHolders, pausesOf } from "../lib/chaos/takeovers.ts";
import { startWorld } from "../lib/chaos/world.ts";
import type { World } from "../lib/chaos/world.ts";
import type { Report } from "../lib/report.ts";
import { must } from "../lib/report.ts";
import type { RunOptions, Scenario } from "../main.ts";

interface Program {
  readonly seed: number;
  readonly api: "embedded" | "kube-apiserver";
  readonly steps: number;
  readonly kills: number;
  /** Managers that are stopped for longer than their Leases last. Default: none. */
  readonly pauses?: number;
  /** More than one share the namespaces. Default: one. */
  readonly managers?: number;
}

const namespaces = ["default", "blue", "green", "red", "white", "black"];
const shards = 6;
const longestTakeoverMs = 20_000;

/** Programs that run side by side, one round after the other. */
function rounds({ seed, full }: RunOptions): Program[][] {
  const many = { steps: 500, kills: full ? 64 : 58 };
  const round = (number: number): Program[] => [
    { ...many, seed: seed + number * 10, api: "embedded" },
    { ...many, seed: seed + number * 10 + 1, api: "embedded" },
    { ...many, seed: seed + number * 10 + 2, api: "kube-apiserver" },
  ];
  // A takeover takes seconds: fewer kills, and what is between them counts.
  const shared = { steps: 150, kills: 10, pauses: 3, api: "embedded" } as const;
  const all = Array.from({ length: full ? 5 : 1 }, (_, number) => round(number));
  all[0]?.push({ ...shared, seed: seed + 3, managers: 2 }, { ...shared, seed: seed + 4, managers: 3 });
  return all;
}

/** Random programs of users, with SIGKILL and SIGSTOP in their midst: afterwards all accounts agree. */
export const chaos: Scenario = {
  title: "Random programs with kills, on the embedded API and on kube-apiserver",
  async run(report, folder, options) {
    let kills = 0;
    let number = 0;
    for (const round of rounds(options)) {
      const counts = await Promise.all(
        round.map((program) => runOne(report, join(folder, `${(number += 1)}-${program.api}`), program)),
      );
      kills += counts.reduce((sum, count) => sum + count, 0);
    }
    const least = options.full ? 1_000 : 200;
    await report.check(`at least ${least} processes were killed`, () => {
      must(kills >= least, `${kills} kills; the programs are too short or too calm`);
      return `${kills} kills`;
    });
  },
};

async function runOne(report: Report, folder: string, program: Program): Promise<number> {
  const { seed, api, steps, kills, pauses = 0, managers = 1 } = program;
  const isShared = managers > 1;
  const what = `seed ${seed} on ${api === "embedded" ? "the embedded API" : api}${isShared ? `, ${managers} managers` : ""}`;
  const places = isShared ? namespaces : ["default"];
  const ended = new AbortController();
  await using sink = await startSpanSink();
  let running: World | undefined;
  try {
    const world = await startWorld({
      folder,
      api,
      managers,
      namespaces: places,
      managerArgs: isShared ? ["--shards", String(shards)] : ["--no-leader-elect"],
      ...(isShared ? { tracesUrl: sink.url } : {}),
    });
    running = world;
    const recorder = startRecorder(world, ended.signal);
    const holders = followHolders(world.kube, ended.signal);
    const plan = planProgram({ seed, steps, managers, namespaces: places, kills, pauses, restartsApi: !isShared });
    await report.check(`${what}: ${steps} steps, then everything is as it is wished`, async () => {
      await runProgram(world, plan);
      const began = performance.now();
      const all = await settle(world);
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      return `${checkMachines(world, recorder, all)}, ${killsOf(world)} kills, settled after ${seconds} s`;
    });
    await report.check(`${what}: nothing lost and nothing doubled`, async () => {
      await tearDown(world);
      return checkEffects(world, recorder, true);
    });
    await report.check(`${what}: what was kept is counted once`, () => checkResults(world, recorder));
    await report.check(`${what}: what providers did is counted once, and no task is left in flight`, () =>
      checkRpcs(world),
    );
    await report.check(`${what}: queues and breakers agree with an account of their own`, () =>
      checkManagersAtRest(world),
    );
    if (isShared) {
      await report.check(`${what}: no two processes reconcile one object at a time`, () => {
        const both = overlaps(sink.reconciles, pausesOf(world.managers));
        must(both.length === 0, both.slice(0, 5).join("\n"));
        const lives = new Set(sink.reconciles.map(({ life }) => life));
        // One that is killed early tells nothing, and its successor may come when every shard is taken.
        must(lives.size > 1, `only ${lives.size} processes told of reconciles`);
        return `${sink.reconciles.length} reconciles of ${lives.size} processes`;
      });
      await report.check(`${what}: a process that was stopped for longer than its Leases last does nothing more`, () =>
        checkPauses(holders, world.managers, sink.acts),
      );
      await report.check(`${what}: shards of a killed process are taken over`, () =>
        checkTakeovers(holders, world.managers, longestTakeoverMs),
      );
    }
    return killsOf(world);
  } finally {
    ended.abort(new Error("the program has ended"));
    await running?.[Symbol.asyncDispose]();
  }
}

function killsOf(world: World): number {
  return [...world.managers, ...Object.values(world.hypervisors)].reduce((sum, { kills }) => sum + kills, 0);
}
