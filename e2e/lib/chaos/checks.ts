import { total } from "../page.ts";
import { eventually, must } from "../report.ts";
import { balancePage, balanceResults, checkAtRest, countedResults, countedRpcs } from "./account.ts";
import { readLog } from "./log.ts";
import type { AnyObject } from "./program.ts";
import type { FollowedKind } from "./results.ts";
import type { Recorder } from "./recorder.ts";
import { journalOf } from "./results.ts";
import type { World } from "./world.ts";

const hypervisorNames = ["a", "b"] as const;
const sizes: Readonly<Record<string, number>> = { small: 1, medium: 2 };

/** The machines that the API has are those that the hypervisors have, and as they are wished. */
export function checkMachines(world: World, recorder: Recorder, all: Record<FollowedKind, AnyObject[]>): string {
  const wrong: string[] = [];
  const machines = hypervisorNames
    .flatMap((name) => world.machines(name))
    .filter(({ owner = "" }) => !recorder.slipped(owner));
  const kept = new Map(machines.map((machine) => [machine.owner ?? machine.id, machine]));
  const count = machines.length;
  for (const { metadata, spec } of all.VirtualMachine) {
    const what = `${metadata.namespace}/${metadata.name} (${metadata.uid})`;
    const machine = kept.get(metadata.uid ?? "");
    if (machine === undefined) {
      wrong.push(`${what} is lost: no hypervisor has it`);
      continue;
    }
    const power = spec.powerState === "On" || spec.powerState === undefined ? "On" : "Off";
    if (machine.name !== metadata.name) wrong.push(`${what} is named ${machine.name} there`);
    if (machine.powerState !== power) wrong.push(`${what} is ${machine.powerState}, wished ${power}`);
    const cpu = spec.classRef === undefined ? undefined : sizes[spec.classRef.name];
    if (cpu !== undefined && machine.cpu !== cpu) wrong.push(`${what} has ${machine.cpu} CPU, wished ${cpu}`);
    const wished = all.VMSnapshot.filter(
      (snapshot) => snapshot.metadata.namespace === metadata.namespace && snapshot.spec.vmRef?.name === metadata.name,
    ).map((snapshot) => journalOf(snapshot).id ?? "(no id)");
    const found = machine.snapshots.map(({ id }) => id);
    if (wished.sort().join() !== found.sort().join())
      wrong.push(`${what} has the snapshots ${found.join(" ")}, the API ${wished.join(" ")}`);
  }
  if (count !== all.VirtualMachine.length) {
    const known = new Set(all.VirtualMachine.map(({ metadata }) => metadata.uid));
    const strays = [...kept.values()].filter(({ owner }) => !known.has(owner));
    wrong.push(
      `the hypervisors have ${count} machines, the API ${all.VirtualMachine.length}: ${JSON.stringify(strays)}`,
    );
  }
  must(wrong.length === 0, wrong.join("\n"));
  return `${count} machines, ${all.VMSnapshot.length} snapshots`;
}

const effectOperations: Readonly<Record<string, string>> = {
  PowerVM: "Power",
  ReconfigureVM: "Reconfigure",
  RevertSnapshot: "Revert",
  DeleteVM: "Delete",
};

/** No effect happened more often than it was asked for. `isEmpty`: every machine that was made has been deleted. */
export function checkEffects(world: World, recorder: Recorder, isEmpty: boolean): string {
  const wrong: string[] = [];
  const cut = world.managers.flatMap(({ lives }) => lives).flatMap((life) => readLog(life).cut);
  let effects = 0;
  for (const name of hypervisorNames) {
    const lines = world.journal(name).filter(({ kind }) => kind === "effect");
    effects += lines.length;
    const changes = new Set(lines.map(({ change }) => change));
    if (changes.size !== lines.length) wrong.push(`${name}: ${lines.length - changes.size} effects happened twice`);
    for (const [owner = "", own] of Map.groupBy(lines, (line) => line.owner)) {
      const tally = (...methods: string[]): number => own.filter(({ method }) => methods.includes(method)).length;
      const made = tally("CreateVM", "CloneVM");
      if (owner === "") {
        if (made > 0) wrong.push(`${name}: ${made} machines were made for nobody`);
        continue;
      }
      if (made !== 1) wrong.push(`${name}: machine of ${owner} was made ${made} times`);
      const deleted = tally("DeleteVM");
      if (deleted > made || (isEmpty && deleted !== made && !recorder.slipped(owner)))
        wrong.push(`${name}: machine of ${owner} was made ${made} times and deleted ${deleted} times`);
      for (const [method, operation] of Object.entries(effectOperations)) {
        const asked = recorder.wishes(owner, operation) + (operation === "Revert" ? repeatedReverts(owner) : 0);
        if (tally(method) > asked)
          wrong.push(`${name}: ${tally(method)} × ${method} for ${owner}, asked for ${asked} times`);
      }
      const taken = tally("CreateSnapshot");
      const snapshots = recorder.snapshotsOf(owner);
      if (taken > snapshots) wrong.push(`${name}: ${taken} snapshots taken of ${owner}, ${snapshots} VMSnapshots`);
      if (tally("DeleteSnapshot") > taken) wrong.push(`${name}: more snapshots of ${owner} deleted than taken`);
    }
  }
  must(wrong.length === 0, wrong.join("\n"));
  return `${effects} effects`;

  /**
   * A manager that was killed before it kept the answer has the request sent again. A machine that was put back with its memory runs on, and
   * no hypervisor can tell it from one that still has to be put back; everything else finds that there is nothing more to do.
   */
  function repeatedReverts(owner: string): number {
    const object = recorder.objectOf(owner);
    return cut.filter((one) => one.object === object && recorder.underway(owner, "Revert", one.endedAtMs) > 0).length;
  }
}

/** What the managers counted over all their lives is what the API kept, and what their pages say. */
export async function checkResults(world: World, recorder: Recorder): Promise<string> {
  await Promise.all(world.managers.map((manager) => manager.read()));
  must(recorder.failure === undefined, `the account of the API is not complete: ${String(recorder.failure)}`);
  const kept = recorder.results;
  const lives = world.managers.flatMap((manager) => manager.lives);
  const logs = lives.map(readLog);
  const counted = logs.flatMap((log) => log.counted);
  const cut = logs.flatMap((log) => log.cut);
  const { uncounted } = balanceResults({ kept, counted, cut, blindness: recorder.blindness });
  const seriesOf = new Map(
    kept.flatMap(({ object, operation, startedAtMs, series }) => [
      [`${object} ${operation}`, series],
      [`${object} ${operation} ${startedAtMs}`, series],
    ]),
  );
  let paged = 0;
  for (const [number, life] of lives.entries()) {
    const happened = (logs[number]?.counted ?? []).map(({ object, operation, startedAtMs, outcome, atMs }) => {
      const task = `${object} ${operation}`;
      return { series: `${seriesOf.get(`${task} ${startedAtMs}`) ?? seriesOf.get(task)} ${outcome}`, atMs };
    });
    // A line's time has no fractions of milliseconds.
    paged += balancePage(life, happened, countedResults(life.samples), 1);
  }
  const kills = world.managers.reduce((sum, manager) => sum + manager.kills, 0);
  return `${kept.length} results, ${uncounted} of them uncounted in ${cut.length} reconciles that ${kills} kills cut off; ${paged} on pages`;
}

/** How long after its answer a call is counted, at most, and how long before. */
const rpcSlackMs = 500;

/** What the pages of the providers count is what their journals say, life by life. */
export async function checkRpcs(world: World): Promise<string> {
  const evidence: string[] = [];
  for (const name of hypervisorNames) {
    const process = world.hypervisors[name];
    await process.read();
    const lines = world
      .journal(name)
      .filter(({ kind }) => kind === "rpc")
      .map(({ method, code, time }) => ({ series: `${method} ${code}`, atMs: Date.parse(time) }));
    let counted = 0;
    for (const life of process.lives) {
      const { startedAtMs, endedAtMs = Number.POSITIVE_INFINITY, samples } = life;
      const own = lines.filter(({ atMs }) => atMs >= startedAtMs && atMs <= endedAtMs);
      counted += balancePage(life, own, countedRpcs(samples), rpcSlackMs);
    }
    const inflight = total(process.lives.at(-1)?.samples ?? [], "virtrigaud_provider_tasks_inflight");
    must(inflight === 0, `${name}: ${inflight} tasks in flight at rest`);
    evidence.push(`${name} ${counted} of ${lines.length} in ${process.kills + 1} lives`);
  }
  return evidence.join(", ");
}

/** The queues and breakers of every manager, against other families of the same page. */
export function checkManagersAtRest(world: World): Promise<string> {
  return eventually(async () => {
    const evidence: string[] = [];
    for (const manager of world.managers) {
      await manager.read();
      for (const life of manager.lives.slice(-1)) evidence.push(checkAtRest(life, world.managers.length > 1));
    }
    return evidence.join("; ");
  }, 20_000);
}
