import { shardOf } from "@almanac/controller";
import type { Clock } from "@almanac/core";
import type { VirtualMachine } from "../api/virtual-machine.ts";

/** When this process last looked at a machine at rest, and when it is to look again, both on the monotonic clock. */
interface Look {
  readonly uid: string;
  readonly lookedAtMs: number | undefined;
  readonly dueAtMs: number;
}

/**
 * Turns in which machines at rest are compared with their hypervisor, each once per interval. A machine's turn comes from its UID and the time of
 * day alone: they are spread evenly, and a manager that was restarted, or that took machines over, goes on where the other one was
 * instead of asking for all of them at once.
 */
export interface Looks {
  /** The machine's turn has come. Never for one that this process has not planned a look at yet. */
  isDue(vm: VirtualMachine): boolean;
  /** When this process last looked, on the monotonic clock; before everything if it never has. */
  lastMs(vm: VirtualMachine): number;
  /** Plans the next look, after one or without it. Returns the milliseconds until then. */
  plan(vm: VirtualMachine, looked: boolean): number;
  /** The machine is no more. */
  forget(namespace: string, name: string): void;
}

/** Memory grows with the machines that are at rest. */
export function createLooks(options: { readonly intervalMs: number; readonly clock: Clock }): Looks {
  const { intervalMs, clock } = options;
  const looks = new Map<string, Look>();

  function find({ metadata }: VirtualMachine): Look | undefined {
    const known = looks.get(`${metadata.namespace}/${metadata.name}`);
    return known?.uid === metadata.uid ? known : undefined;
  }

  /** Milliseconds to the first turn that is more than `afterMs` away. */
  function turnIn(uid: string, afterMs: number): number {
    const parts = 1_000_000;
    const own = (shardOf(uid, parts) / parts) * intervalMs;
    const since = (clock.now() + afterMs - own) % intervalMs;
    return afterMs + intervalMs - (since < 0 ? since + intervalMs : since);
  }

  return {
    isDue(vm) {
      const known = find(vm);
      return known !== undefined && clock.monotonic() >= known.dueAtMs;
    },
    lastMs: (vm) => find(vm)?.lookedAtMs ?? Number.NEGATIVE_INFINITY,
    plan(vm, looked) {
      const { namespace, name, uid } = vm.metadata;
      const nowMs = clock.monotonic();
      const known = find(vm);
      if (!looked && known !== undefined && known.dueAtMs > nowMs) return known.dueAtMs - nowMs;
      // Whoever was looked at just before their turn need not be looked at again in it.
      const inMs = turnIn(uid, looked ? intervalMs / 2 : 0);
      looks.set(`${namespace}/${name}`, {
        uid,
        lookedAtMs: looked ? nowMs : known?.lookedAtMs,
        dueAtMs: nowMs + inMs,
      });
      return inMs;
    },
    forget: (namespace, name) => void looks.delete(`${namespace}/${name}`),
  };
}
