import { context as contexts, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Priority, Request } from "@almanac/controller";
import { describeError } from "@almanac/core";
import type { Clock, Logger, Timer } from "@almanac/core";
import type { VMInfo } from "@almanac/provider";
import type { Provider } from "../api/provider.ts";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { Informers } from "../context.ts";
import { readJournal } from "../virtual-machine/journal.ts";
import { powerStateOf } from "../virtual-machine/requests.ts";
import { observedAtRest } from "../virtual-machine/status.ts";
import { providerKey } from "./names.ts";
import type { ProviderHandle } from "./pool.ts";

/** Lists look after the machines of a Provider; the first one is on its way; or each machine must be asked for. */
export type Cover = "covered" | "asking" | "none";

/** Lists of all machines of a Provider in place of thousands of questions. */
export interface Sightings {
  /**
   * Whether lists look after the machines at rest of a Provider. With `due`, somebody needs to know: that begins it. Never throws for what the
   * provider does.
   */
  coverOf(provider: Provider, handle: ProviderHandle, due: boolean): Cover;
  /** Calls `listener` for each machine that is not as its status says, and with priority `low` for those that lists look after no more. */
  onFind(listener: (request: Request, priority: Priority) => void): Disposable;
}

interface Entry {
  readonly uid: string;
  askedAtMs: number;
  cover: Cover;
  /** To the next list, while lists look after the machines. */
  timer: Timer | undefined;
}

/** With fewer of them, asking for each is the lesser work for a hypervisor that has many others. */
const enough = 100;

/**
 * Each Provider with many machines is asked for a list once per interval. A provider that cannot make one, or is too slow, has its machines
 * asked for one by one, and is asked again an interval later at the soonest. No list is kept.
 */
export function createSightings(options: {
  readonly informers: Pick<Informers, "virtualMachines">;
  readonly intervalMs: number;
  /** This process reconciles machines now. */
  readonly isActive: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends requests under way, and all lists. */
  readonly signal: AbortSignal;
}): Sightings {
  const { informers, intervalMs, clock, logger, signal } = options;
  const entries = new Map<string, Entry>();
  const listeners = new Set<(request: Request, priority: Priority) => void>();
  signal.addEventListener("abort", () => {
    for (const { timer } of entries.values()) timer?.cancel();
  });

  function tell({ metadata: { namespace, name } }: VirtualMachine, priority: Priority): void {
    for (const listener of listeners) listener({ namespace, name }, priority);
  }

  /** Asks for a list if there are enough machines, and keeps doing so for as long as that goes well. */
  function look(entry: Entry, key: string, handle: ProviderHandle): void {
    entry.askedAtMs = clock.monotonic();
    const before = entry.cover;
    if (!options.isActive()) {
      // Whoever is active now looks after them; should it be this process again, it begins anew.
      entries.delete(key);
    } else if (informers.virtualMachines.byIndex("provider", key).length < enough) {
      leave(entry, key);
    } else {
      if (before === "none") entry.cover = "asking";
      // Of no operation: it is about all of them. It handles its failures itself.
      void contexts.with(ROOT_CONTEXT, ask, undefined, entry, key, handle);
    }
  }

  async function ask(entry: Entry, key: string, handle: ProviderHandle): Promise<void> {
    try {
      const call = { signal, lend: <V>(waiting: Promise<V>) => waiting, ticket: entry.uid, deadlineMs: intervalMs };
      const { vms } = await handle.call("listVMs", {}, call);
      compare(key, vms);
      entry.cover = "covered";
      const inMs = entry.askedAtMs + intervalMs - clock.monotonic();
      if (!signal.aborted) entry.timer = clock.setTimeout(() => look(entry, key, handle), Math.max(0, inMs));
    } catch (thrown) {
      // Whoever asks for a machine alone finds out what is wrong, and says so.
      logger.debug("The machines were not listed", { provider: key, error: describeError(thrown) });
      leave(entry, key);
    }
  }

  function compare(key: string, vms: readonly VMInfo[]): void {
    const listed = new Map(vms.map((vm) => [vm.id, vm]));
    for (const vm of informers.virtualMachines.byIndex("provider", key)) {
      if (isAs(vm.status, listed.get(vm.status?.id ?? ""))) continue;
      // Whatever is not at rest is looked at by itself.
      if (observedAtRest(vm, readJournal(vm)) !== undefined) tell(vm, "normal");
    }
  }

  function leave(entry: Entry, key: string): void {
    const before = entry.cover;
    entry.cover = "none";
    const machines = informers.virtualMachines.byIndex("provider", key);
    if (machines.length === 0) entries.delete(key);
    if (before !== "covered" || signal.aborted) return;
    for (const vm of machines) tell(vm, "low");
  }

  return {
    coverOf(provider, handle, due) {
      const key = providerKey(provider);
      let entry = entries.get(key);
      if (entry?.uid !== handle.uid) {
        if (!due) return "none";
        entry?.timer?.cancel();
        entry = { uid: handle.uid, askedAtMs: Number.NEGATIVE_INFINITY, cover: "none", timer: undefined };
        entries.set(key, entry);
      }
      if (due && entry.cover === "none" && clock.monotonic() - entry.askedAtMs >= intervalMs) look(entry, key, handle);
      return entry.cover;
    },
    onFind(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}

/** The list shows the machine as its status does. */
function isAs(status: VirtualMachine["status"], info: VMInfo | undefined): boolean {
  if (status === undefined || info === undefined || powerStateOf(info.powerState) !== status.powerState) return false;
  const { ips = [] } = status;
  return ips.length === info.ips.length && ips.every((ip, index) => ip === info.ips[index]);
}
