import type { Machine, Snapshot, World } from "./world.ts";

/** What happens to every machine in its life, in this order. */
export const steps = ["create", "power", "reconfigure", "snapshot", "delete"] as const;
export type Step = (typeof steps)[number];

interface Doing {
  readonly write: (world: World, name: string) => Promise<unknown>;
  readonly isDone: (world: World, name: string) => boolean;
  /** What the provider has done for each machine afterwards, as its journal names it. */
  readonly effects: readonly string[];
  /** Attempts that the manager has counted for each machine. */
  readonly operations: readonly string[];
}

const doings: Readonly<Record<Step, Doing>> = {
  create: {
    write: ({ vms }, name) =>
      vms.create({
        metadata: { name, namespace: "default" },
        spec: { providerRef: { name: "bench" }, classRef: { name: "small" }, imageRef: { name: "image" } },
      } as Machine),
    isDone: (world, name) => isReady(machine(world, name)),
    effects: ["CreateVM", "PowerVM"],
    operations: ["Create", "Power"],
  },
  power: {
    write: (world, name) => change(world, name, { powerState: "Off" }),
    isDone: (world, name) => machine(world, name)?.status?.powerState === "Off",
    effects: ["PowerVM"],
    operations: ["Power"],
  },
  reconfigure: {
    write: (world, name) => change(world, name, { classRef: { name: "medium" } }),
    isDone: (world, name) => machine(world, name)?.status?.currentResources?.cpu === 2,
    effects: ["ReconfigureVM"],
    operations: ["Reconfigure"],
  },
  snapshot: {
    write: ({ vmSnapshots }, name) =>
      vmSnapshots.create({
        metadata: { name, namespace: "default" },
        spec: { vmRef: { name } },
      } as Snapshot),
    isDone: ({ snapshots }, name) => isReady(snapshots.get("default", name)),
    effects: ["CreateSnapshot"],
    operations: [],
  },
  delete: {
    write: ({ vms }, name) => vms.delete({ namespace: "default", name }),
    isDone: (world, name) => machine(world, name) === undefined,
    effects: ["DeleteVM"],
    operations: ["Delete"],
  },
};

const writesAtATime = 32;

/** Takes the step with every machine of `names`. Resolves with the seconds from the first write to the last machine that has taken it. */
export async function take(step: Step, world: World, names: readonly string[], signal: AbortSignal): Promise<number> {
  const { write, isDone } = doings[step];
  const began = performance.now();
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let number = next++; number < names.length; number = next++) {
      signal.throwIfAborted();
      await write(world, names[number] ?? "");
    }
  };
  await Promise.all(Array.from({ length: writesAtATime }, writer));
  let done = 0;
  for (;;) {
    // They end about in the order of their writes, so those that are done need not be looked at again.
    while (done < names.length && isDone(world, names[done] ?? "")) done += 1;
    if (done === names.length) return (performance.now() - began) / 1_000;
    await pause(10, signal);
  }
}

/**
 * Compares what was asked of `machines` machines with the provider's journal, and what was asked of `counted` of them with what managers
 * counted.
 *
 * @throws Error naming what differs.
 */
export function checkWork(
  world: World,
  machines: number,
  operations: readonly Readonly<Record<string, number>>[],
  counted = machines,
): void {
  const wanted = (of: (doing: Doing) => readonly string[], times: number): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const key of steps.flatMap((step) => of(doings[step]))) counts[key] = (counts[key] ?? 0) + times;
    return counts;
  };
  const differ: string[] = [];
  const compare = (where: string, found: Readonly<Record<string, number>>, asked: Record<string, number>): void => {
    for (const key of new Set([...Object.keys(found), ...Object.keys(asked)]))
      if (found[key] !== asked[key]) differ.push(`${where} ${key}: ${found[key] ?? 0}, asked for ${asked[key] ?? 0}`);
  };
  compare(
    "journal",
    Object.fromEntries(world.effects),
    wanted(({ effects }) => effects, machines),
  );
  const sum: Record<string, number> = {};
  for (const [key, value] of operations.flatMap((counts) => Object.entries(counts))) {
    // Looks are as many as time allows.
    if (key !== "Describe success")
      sum[key.replace(/ success$/, "")] = (sum[key.replace(/ success$/, "")] ?? 0) + value;
  }
  compare(
    "metrics",
    sum,
    wanted((doing) => doing.operations, counted),
  );
  if (world.present > 0) differ.push(`${world.present} machines are left at the provider`);
  if (differ.length > 0) throw new Error(`the work was not done as asked:\n${differ.join("\n")}`);
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
      Math.max(0, ms),
    );
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

function machine({ machines }: World, name: string): Machine | undefined {
  return machines.get("default", name);
}

function change({ vms }: World, name: string, spec: object): Promise<unknown> {
  return vms.patch({ namespace: "default", name }, { spec }, { type: "merge" });
}

function isReady(object: Machine | Snapshot | undefined): boolean {
  return object?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
}
