import { createRandom } from "./random.ts";
import type { Random } from "./random.ts";

/** Providers of a program; `c` is a second object for the hypervisor of `b`, deleted and created again. */
export const providerNames = ["a", "b", "c"] as const;
export type ProviderName = (typeof providerNames)[number];
/** Processes that stand for hypervisors. */
export type HypervisorName = "a" | "b";

export interface Key {
  readonly namespace: string;
  readonly name: string;
}

/** What a hypervisor's process is told at its next start, as variables of the mock. */
export type Knobs = Readonly<Record<string, string>>;

export type Power = "On" | "Off" | "OffGraceful";

/** One thing that a user or fate does. */
export type Action =
  | {
      readonly type: "create";
      readonly key: Key;
      readonly provider: ProviderName;
      readonly size: Size;
      readonly image: string;
      readonly power: Power;
    }
  | { readonly type: "power"; readonly key: Key; readonly power: Power }
  | { readonly type: "resize"; readonly key: Key; readonly size: Size }
  | { readonly type: "delete"; readonly kind: "machine" | "snapshot" | "clone"; readonly key: Key }
  | { readonly type: "snapshot"; readonly key: Key; readonly machine: string; readonly memory: boolean }
  | { readonly type: "revert"; readonly key: Key; readonly snapshot: string }
  | {
      readonly type: "clone";
      readonly key: Key;
      readonly source: string;
      readonly target: string;
      readonly linked: boolean;
      readonly powerOn: boolean;
    }
  | { readonly type: "image"; readonly name: string }
  | { readonly type: "changeImage"; readonly name: string; readonly version: number }
  /** Several writers at once on what they read before. */
  | { readonly type: "edit"; readonly key: Key; readonly writers: number }
  | { readonly type: "dropProvider"; readonly name: ProviderName }
  | {
      readonly type: "kill";
      /** How long it lives once it is ready, milliseconds. */
      readonly afterMs: number;
      readonly manager?: number;
      readonly hypervisors: Readonly<Partial<Record<HypervisorName, Knobs>>>;
    }
  /** It stands still for longer than its Leases last, then goes on as if nothing had been. */
  | { readonly type: "pause"; readonly manager: number; readonly forMs: number }
  | { readonly type: "restartApi" };

export type Size = "small" | "medium";

export interface Step {
  /** Time that passes before it, milliseconds. */
  readonly pauseMs: number;
  readonly action: Action;
}

export interface PlanOptions {
  readonly seed: number;
  readonly steps: number;
  /** Managers to kill, by number. */
  readonly managers: number;
  readonly namespaces: readonly string[];
  /** Processes that are killed, APIs not counted. */
  readonly kills: number;
  /** Managers that are paused; they must be more than one. */
  readonly pauses: number;
  readonly restartsApi: boolean;
}

/** Machines at most; more would only make every question longer. */
const most = 16;

interface Planned {
  readonly key: Key;
  readonly provider: ProviderName;
}

/** A program of random steps. Pure: the same options give the same program. */
export function planProgram(options: PlanOptions): Step[] {
  const random = createRandom(options.seed);
  const draft = createDraft(random, options);
  const steps: Step[] = [];
  let kills = 0;
  let pauses = 0;
  while (steps.length < options.steps) {
    if (pauses < options.pauses && random.chance((options.pauses - pauses) / (options.steps - steps.length))) {
      steps.push({ pauseMs: random.between(0, 60), action: draft.pause() });
      pauses += 1;
      continue;
    }
    if (random.chance((options.kills - kills) / (options.steps - steps.length))) {
      const action = draft.fault();
      if (action.type === "kill") kills += victimsOf(action);
      steps.push({ pauseMs: random.between(0, 60), action });
      continue;
    }
    for (const action of draft.wish()) steps.push({ pauseMs: random.between(0, 40), action });
  }
  return steps.slice(0, options.steps);
}

function victimsOf({ manager, hypervisors }: Extract<Action, { readonly type: "kill" }>): number {
  return Object.keys(hypervisors).length + (manager === undefined ? 0 : 1);
}

function createDraft(random: Random, options: PlanOptions) {
  let counter = 0;
  let machines: Planned[] = [];
  let snapshots: { readonly key: Key; readonly machine: string }[] = [];
  const clones: Key[] = [];
  const images = ["base"];

  const fresh = (prefix: string): string => `${prefix}-${counter++}`;
  const size = (): Size => random.pick(["small", "medium"]);
  const power = (): Power => random.pick(["On", "On", "Off", "OffGraceful"]);

  function create(): Action {
    const key = { namespace: random.pick(options.namespaces), name: fresh("vm") };
    const provider = random.pick(providerNames);
    machines.push({ key, provider });
    return { type: "create", key, provider, size: size(), image: random.pick(images), power: power() };
  }

  function remove(): Action {
    const { key } = random.pick(machines);
    machines = machines.filter((machine) => machine.key !== key);
    snapshots = snapshots.filter(({ machine }) => machine !== key.name);
    return { type: "delete", kind: "machine", key };
  }

  function snapshot(): Action {
    const { key: machine } = random.pick(machines);
    const key = { namespace: machine.namespace, name: fresh("snap") };
    snapshots.push({ key, machine: machine.name });
    return { type: "snapshot", key, machine: machine.name, memory: random.chance(0.3) };
  }

  function clone(): Action {
    const { key: source, provider } = random.pick(machines);
    const target = { namespace: source.namespace, name: fresh("vm") };
    const key = { namespace: source.namespace, name: fresh("clone") };
    clones.push(key);
    machines.push({ key: target, provider });
    return {
      type: "clone",
      key,
      source: source.name,
      target: target.name,
      linked: random.chance(0.5),
      powerOn: random.chance(0.5),
    };
  }

  function onSnapshot(): Action {
    const chosen = random.pick(snapshots);
    const { key, machine } = chosen;
    if (random.chance(0.5)) {
      return { type: "revert", key: { namespace: key.namespace, name: machine }, snapshot: key.name };
    }
    snapshots = snapshots.filter((other) => other !== chosen);
    return { type: "delete", kind: "snapshot", key };
  }

  function image(): Action {
    const known = images.slice(1);
    if (known.length > 0 && random.chance(0.6))
      return { type: "changeImage", name: random.pick(known), version: counter++ };
    const name = fresh("image");
    images.push(name);
    return { type: "image", name };
  }

  function dropProvider(): Action[] {
    const users = machines.filter(({ provider }) => provider === "c");
    machines = machines.filter(({ provider }) => provider !== "c");
    return [
      { type: "dropProvider", name: "c" },
      ...users.map(({ key }): Action => ({ type: "delete", kind: "machine", key })),
    ];
  }

  return {
    wish(): Action[] {
      if (machines.length < 4) return [create()];
      const dice = random.next();
      const { key } = random.pick(machines);
      if (dice < 0.18) return machines.length < most ? [create()] : [remove()];
      // Deleted while it is being made.
      if (dice < 0.21) {
        const made = create();
        if (made.type !== "create") return [made];
        machines = machines.filter((machine) => machine.key !== made.key);
        return [made, { type: "delete", kind: "machine", key: made.key }];
      }
      if (dice < 0.38) return [{ type: "power", key, power: power() }];
      if (dice < 0.5) return [{ type: "resize", key, size: size() }];
      if (dice < 0.59) return [remove()];
      if (dice < 0.68) return [snapshot()];
      if (dice < 0.77) return snapshots.length === 0 ? [snapshot()] : [onSnapshot()];
      if (dice < 0.84) return machines.length < most ? [clone()] : [remove()];
      if (dice < 0.86)
        return clones.length === 0 ? [clone()] : [{ type: "delete", kind: "clone", key: clones.shift()! }];
      if (dice < 0.89) return [image()];
      if (dice < 0.985) return [{ type: "edit", key, writers: random.between(2, 4) }];
      return dropProvider();
    },

    pause(): Action {
      return { type: "pause", manager: random.between(0, options.managers - 1), forMs: random.between(13_000, 15_000) };
    },

    fault(): Action {
      if (options.restartsApi && random.chance(0.05)) return { type: "restartApi" };
      const manager = random.between(0, options.managers - 1);
      const afterMs = random.between(0, 800);
      const dice = random.next();
      if (dice < 0.45) return { type: "kill", afterMs, manager, hypervisors: {} };
      if (dice < 0.65) return { type: "kill", afterMs, hypervisors: { a: knobs(random) } };
      if (dice < 0.85) return { type: "kill", afterMs, hypervisors: { b: knobs(random) } };
      return { type: "kill", afterMs, manager, hypervisors: { [random.pick(["a", "b"] as const)]: knobs(random) } };
    },
  };
}

/** A hypervisor that is well. */
export const calm: Knobs = { MOCK_RPC_MS: "0-5", MOCK_TASK_MS: "10-80", MOCK_IP_MS: "0-50" };

/** How a hypervisor is after its next start: well, failing, or slow; and whether it knows what it was at. */
function knobs(random: Random): Knobs {
  const forgets = random.chance(0.4) ? { MOCK_FORGET_TASKS: "true" } : {};
  const seed = { MOCK_SEED: String(random.between(1, 1_000_000)), ...forgets };
  const dice = random.next();
  if (dice < 0.4) return { ...calm, ...seed };
  if (dice < 0.8) {
    const codes = random.pick([
      "UNAVAILABLE:2,INTERNAL:1,ABORTED:1",
      "UNAVAILABLE:1",
      "INTERNAL:1,RESOURCE_EXHAUSTED:1",
    ]);
    return { ...calm, ...seed, MOCK_RPC_RATE: "0.06", MOCK_TASK_RATE: "0.08", MOCK_CODES: codes };
  }
  return { ...calm, ...seed, MOCK_RPC_MS: "20-150", MOCK_TASK_MS: "100-600" };
}
