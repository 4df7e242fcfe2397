import { silentLogger } from "@almanac/core";
import { ProviderError } from "@almanac/provider";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import type { Provider } from "../api/provider.ts";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { Informers } from "../context.ts";
import type { ProviderHandle } from "./pool.ts";
import { createSightings } from "./sightings.ts";

const intervalMs = 60_000;
const provider = { metadata: { namespace: "default", name: "lab", uid: "p-1" } } as Provider;

function machine(name: string, journal: object = {}): VirtualMachine {
  const annotations = { "almanac.dev/operation": JSON.stringify({ id: name, applied: "shape", ...journal }) };
  const conditions = [{ type: "Ready", status: "True", observedGeneration: 1 }];
  return {
    metadata: { namespace: "default", name, uid: name, generation: 1, annotations },
    spec: { providerRef: { name: "lab" } },
    status: { id: name, powerState: "On", ips: ["192.0.2.1"], conditions },
  } as unknown as VirtualMachine;
}

function lab(machines: readonly VirtualMachine[]) {
  const clock = createVirtualClock();
  const shown = new Map<string, object>();
  for (const { metadata } of machines)
    shown.set(metadata.name, { id: metadata.name, powerState: "poweredOn", ips: ["192.0.2.1"] });
  const found: string[] = [];
  const state = { able: true, active: true, lists: 0 };
  const handle = {
    uid: "p-1",
    call() {
      state.lists += 1;
      return state.able
        ? Promise.resolve({ vms: [...shown.values()] })
        : Promise.reject(new ProviderError("UNIMPLEMENTED", "no lists here"));
    },
  } as unknown as ProviderHandle;
  const informers = { virtualMachines: { byIndex: () => machines } } as unknown as Informers;
  const ended = new AbortController();
  const { signal } = ended;
  const isActive = () => state.active;
  const sightings = createSightings({ informers, intervalMs, isActive, clock, logger: silentLogger, signal });
  sightings.onFind(({ name }, priority) => found.push(`${name} ${priority}`));
  return { clock, shown, found, state, ended, cover: (due: boolean) => sightings.coverOf(provider, handle, due) };
}

const many = Array.from({ length: 100 }, (_, number) => machine(`vm-${number}`));

describe("createSightings", () => {
  it("looks after many machines with one list per interval, from the first that is due to the end", async () => {
    const { clock, found, state, ended, cover } = lab(many);
    expect([cover(false), state.lists]).toEqual(["none", 0]);
    expect([cover(true), cover(false), state.lists]).toEqual(["asking", "asking", 1]);
    await clock.advance(intervalMs - 1);
    expect([cover(true), state.lists]).toEqual(["covered", 1]);
    await clock.advance(1);
    expect([cover(true), state.lists]).toEqual(["covered", 2]);
    await clock.advance(10 * intervalMs);
    expect(state.lists).toBe(12);
    ended.abort(new Error("stop"));
    expect([found, clock.pending]).toEqual([[], 0]);
  });

  it("lists nothing while another process reconciles the machines, and begins anew afterwards", async () => {
    const { clock, found, state, cover } = lab(many);
    cover(true);
    state.active = false;
    await clock.advance(intervalMs);
    expect([state.lists, clock.pending, found]).toEqual([1, 0, []]);
    state.active = true;
    expect([cover(false), cover(true), state.lists]).toEqual(["none", "asking", 2]);
  });

  it("finds what is not as its status says, unless it is not at rest", async () => {
    const underway = machine("underway", { attempt: { operation: "Power", startedAtMs: 1 } });
    const { clock, shown, found, cover } = lab([...many, underway]);
    shown.delete("vm-1");
    shown.set("vm-2", { id: "vm-2", powerState: "off", ips: ["192.0.2.1"] });
    shown.set("vm-3", { id: "vm-3", powerState: "on", ips: [] });
    shown.set("vm-4", { id: "vm-4", powerState: "migrating", ips: ["192.0.2.1"] });
    shown.delete("underway");
    cover(true);
    await clock.advance(0);
    expect(found).toEqual(["vm-1 normal", "vm-2 normal", "vm-3 normal", "vm-4 normal"]);
  });

  it("asks for no list for few machines, and leaves machines to themselves when lists fail", async () => {
    const few = lab(many.slice(1));
    expect([few.cover(true), few.state.lists]).toEqual(["none", 0]);
    const { clock, found, state, cover } = lab(many);
    state.able = false;
    cover(true);
    await clock.advance(intervalMs - 1);
    expect([cover(true), state.lists]).toEqual(["none", 1]);
    state.able = true;
    await clock.advance(1);
    cover(true);
    await clock.advance(0);
    expect([cover(false), found]).toEqual(["covered", []]);
    state.able = false;
    await clock.advance(intervalMs);
    expect([cover(false), state.lists]).toEqual(["none", 3]);
    expect([found.length, found[0]]).toEqual([many.length, "vm-0 low"]);
  });
});
