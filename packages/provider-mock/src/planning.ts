import { randomUUID } from "node:crypto";
import { ProviderError } from "@almanac/provider";
import type { ProviderMethod } from "@almanac/catalog";
import type { Change } from "./change.ts";
import type { HypervisorState } from "./hypervisor-state.ts";
import type { Feature, MockSettings } from "./options.ts";
import type { SeededRandom } from "./random.ts";
import { vmKey, type VmRecord } from "./records.ts";

/** What the planning functions look at. They change nothing. */
export interface World {
  readonly state: HypervisorState;
  readonly settings: MockSettings;
  readonly random: SeededRandom;
  now(): number;
}

/** The change an RPC asks for: a new one, one that is under way already, or none because the wish is fulfilled. */
export interface Plan {
  readonly change?: Change;
}

/** Short unique id behind a readable prefix. */
export function newId(prefix: string): string {
  return `${prefix}-${randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

/** Who asks, for a new change. */
export function head(method: ProviderMethod, wish: string): { id: string; method: ProviderMethod; wish: string } {
  return { id: randomUUID(), method, wish };
}

/**
 * The VM, and what is under way with it when that is this very wish.
 *
 * @throws ProviderError NOT_FOUND; ABORTED while something else is under way.
 */
export function vmForChange(world: World, id: string, wish: string): { vm: VmRecord; underway: Change | undefined } {
  const pending = world.state.pending(vmKey(id));
  const vm = world.state.vm(id);
  if (vm === undefined) {
    if (pending !== undefined) throw busy(id, pending);
    throw noSuchVm(id);
  }
  if (pending !== undefined && pending.wish !== wish) throw busy(id, pending);
  return { vm, underway: pending };
}

export function noSuchVm(id: string): ProviderError {
  return new ProviderError("NOT_FOUND", `VM ${id} does not exist`);
}

export function busy(what: string, pending: Change): ProviderError {
  return new ProviderError("ABORTED", `${pending.method} of ${what} is under way; try again when it has ended`);
}

/** @throws ProviderError UNIMPLEMENTED when the feature is not offered. */
export function requireFeature(world: World, feature: Feature, what: string): void {
  if (world.settings.without.has(feature)) {
    throw new ProviderError("UNIMPLEMENTED", `this hypervisor does not offer ${what}`);
  }
}

/** The delay to the first IP address after a power-on that is planned now. */
export function drawIpDelay(world: World): number {
  return world.random.between("ip", world.settings.delays.ipMs);
}
