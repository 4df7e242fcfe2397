import { context as contexts, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Clock, Logger } from "@almanac/core";
import { describeError } from "@almanac/core";
import type { VMInfo } from "@almanac/provider";
import type { Provider } from "../api/provider.ts";
import type { Informers } from "../context.ts";
import { powerStateOf } from "../virtual-machine/requests.ts";
import { providerKey } from "./names.ts";
import type { ProviderHandle } from "./pool.ts";

/** A machine as a list of all machines shows it. */
export interface Sighting {
  readonly power: "On" | "Off" | "Suspended";
  readonly ips: readonly string[];
}

/** What a list says of a machine: how it was; that it is being asked for; or nothing, so that the machine must be asked for alone. */
export type Seen =
  | { readonly type: "seen"; readonly sighting: Sighting }
  | { readonly type: "wait"; readonly afterMs: number }
  | { readonly type: "unseen" };

/** Lists of all machines of a Provider: one request in place of thousands. */
export interface Sightings {
  /**
   * The machine `id` in a list that was asked for after `sinceMs` on the monotonic clock. Asks for one when there is none that is recent and
   * enough machines are to be seen. Never rejects.
   */
  find(provider: Provider, handle: ProviderHandle, machine: { readonly id: string; readonly sinceMs: number }): Seen;
}

interface Entry {
  readonly uid: string;
  askedAtMs: number;
  state: "asking" | "there" | "none";
  machines: ReadonlyMap<string, Sighting>;
}

/** With fewer of them, asking for each is the lesser work for a hypervisor that has many others. */
const enough = 100;
const waitMs = 250;

const unseen: Seen = { type: "unseen" };

/**
 * A list serves for `freshMs`. A provider that cannot make one, or is too slow, is not asked for one again before that; its machines are asked for
 * one by one. Of each Provider the last list is kept.
 */
export function createSightings(options: {
  readonly informers: Pick<Informers, "virtualMachines">;
  readonly freshMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends requests under way. */
  readonly signal: AbortSignal;
}): Sightings {
  const { informers, freshMs, clock, logger, signal } = options;
  const entries = new Map<string, Entry>();

  async function ask(entry: Entry, key: string, handle: ProviderHandle): Promise<void> {
    try {
      const call = { signal, lend: <V>(waiting: Promise<V>) => waiting, ticket: entry.uid, deadlineMs: freshMs };
      const { vms } = await handle.call("listVMs", {}, call);
      entry.machines = new Map(vms.flatMap(sightingOf));
      entry.state = "there";
    } catch (thrown) {
      entry.state = "none";
      // Whoever asks for a machine alone finds out what is wrong, and says so.
      logger.debug("The machines were not listed", { provider: key, error: describeError(thrown) });
    }
  }

  return {
    find(provider, handle, { id, sinceMs }) {
      const key = providerKey(provider);
      const nowMs = clock.monotonic();
      let entry = entries.get(key);
      if (entry?.uid !== handle.uid || nowMs - entry.askedAtMs > freshMs) {
        entry = { uid: handle.uid, askedAtMs: nowMs, state: "none", machines: new Map() };
        entries.set(key, entry);
        if (informers.virtualMachines.byIndex("provider", key).length >= enough) {
          entry.state = "asking";
          // Of no operation: it is about all of them. It handles its failures itself.
          void contexts.with(ROOT_CONTEXT, ask, undefined, entry, key, handle);
        }
      }
      if (entry.askedAtMs < sinceMs) return unseen;
      if (entry.state === "asking") return { type: "wait", afterMs: waitMs };
      const sighting = entry.machines.get(id);
      return sighting === undefined ? unseen : { type: "seen", sighting };
    },
  };
}

function sightingOf({ id, powerState, ips }: VMInfo): [string, Sighting][] {
  const power = powerStateOf(powerState);
  return power === undefined ? [] : [[id, { power, ips: [...ips] }]];
}
