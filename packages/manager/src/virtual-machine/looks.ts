import { shardOf } from "@almanac/controller";
import type { Clock } from "@almanac/core";
import type { VirtualMachine } from "../api/virtual-machine.ts";

/** When a machine at rest is to be looked at next, on the monotonic clock. */
interface Look {
  readonly uid: string;
  readonly dueAtMs: number;
  readonly alone: boolean;
}

interface PlanOptions {
  readonly looked: boolean;
  readonly everyMs: number;
  /** Default: false. */
  readonly alone?: boolean;
}

/**
 * Turns in which machines at rest are compared with their hypervisor, each once per interval. A machine's turn comes from its UID and the time of
 * day alone: they are spread evenly, and a manager that was restarted, or that took machines over, goes on where the other one was
 * instead of asking for all of them at once.
 */
export interface Looks {
  /** The machine's turn has come. Never for one that this process has not planned a look at yet. */
  isDue(vm: VirtualMachine): boolean;
  /** What is planned is a look at this machine alone, whatever lists tell. */
  isAlone(vm: VirtualMachine): boolean;
  /**
   * Plans the next look after one; without it, what is planned stays if it is soon enough. `alone`: it is for what lists do not tell. Returns the
   * milliseconds until then.
   */
  plan(vm: VirtualMachine, options: PlanOptions): number;
  /** The machine is no more. */
  forget(namespace: string, name: string): void;
}

/** Memory grows with the machines that are at rest. */
export function createLooks(clock: Clock): Looks {
  const looks = new Map<string, Look>();

  function find({ metadata }: VirtualMachine): Look | undefined {
    const known = looks.get(`${metadata.namespace}/${metadata.name}`);
    return known?.uid === metadata.uid ? known : undefined;
  }

  /** Milliseconds to the first turn that is more than `afterMs` away. */
  function turnIn(uid: string, everyMs: number, afterMs: number): number {
    const parts = 1_000_000;
    const own = (shardOf(uid, parts) / parts) * everyMs;
    const since = (clock.now() + afterMs - own) % everyMs;
    return afterMs + everyMs - (since < 0 ? since + everyMs : since);
  }

  return {
    isDue(vm) {
      const known = find(vm);
      return known !== undefined && clock.monotonic() >= known.dueAtMs;
    },
    isAlone: (vm) => find(vm)?.alone === true,
    plan(vm, { looked, everyMs, alone = false }) {
      const { namespace, name, uid } = vm.metadata;
      const nowMs = clock.monotonic();
      const plannedInMs = (find(vm)?.dueAtMs ?? nowMs) - nowMs;
      if (!looked && plannedInMs > 0 && plannedInMs <= 1.5 * everyMs) return plannedInMs;
      // Whoever was looked at just before their turn need not be looked at again in it.
      const inMs = turnIn(uid, everyMs, looked ? everyMs / 2 : 0);
      looks.set(`${namespace}/${name}`, { uid, dueAtMs: nowMs + inMs, alone });
      return inMs;
    },
    forget: (namespace, name) => void looks.delete(`${namespace}/${name}`),
  };
}
