import { silentLogger } from "@almanac/core";
import { ProviderError } from "@almanac/provider";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import type { Provider } from "../api/provider.ts";
import type { Informers } from "../context.ts";
import type { ProviderHandle } from "./pool.ts";
import { createSightings } from "./sightings.ts";

const provider = { metadata: { namespace: "default", name: "lab", uid: "p-1" } } as Provider;
const machine = { id: "vm-1", sinceMs: Number.NEGATIVE_INFINITY };

function lab(users: number) {
  const clock = createVirtualClock();
  let vms: object[] | undefined = [{ id: "vm-1", powerState: "On", ips: ["192.0.2.1"] }];
  let lists = 0;
  const handle = {
    uid: "p-1",
    call() {
      lists += 1;
      return vms === undefined
        ? Promise.reject(new ProviderError("UNIMPLEMENTED", "no lists here"))
        : Promise.resolve({ vms });
    },
  } as unknown as ProviderHandle;
  const informers = { virtualMachines: { byIndex: () => Array.from({ length: users }) } } as unknown as Informers;
  const { signal } = new AbortController();
  const sightings = createSightings({ informers, freshMs: 20_000, clock, logger: silentLogger, signal });
  return {
    clock,
    find: (of: Partial<typeof machine> = {}) => sightings.find(provider, handle, { ...machine, ...of }),
    show: (next: object[] | undefined) => void (vms = next),
    get lists() {
      return lists;
    },
  };
}

describe("createSightings", () => {
  it("serves all machines of a provider from one list, until that is old", async () => {
    const { clock, find, show } = lab(100);
    expect(find()).toEqual({ type: "wait", afterMs: 250 });
    expect(find({ id: "vm-2" })).toEqual({ type: "wait", afterMs: 250 });
    await clock.advance(0);
    const seen = { type: "seen", sighting: { power: "On", ips: ["192.0.2.1"] } };
    expect(find()).toEqual(seen);
    expect(find({ id: "vm-2" })).toEqual({ type: "unseen" });
    show([{ id: "vm-1", powerState: "poweredOff", ips: [] }]);
    await clock.advance(20_000);
    expect(find()).toEqual(seen);
    await clock.advance(1);
    expect(find().type).toBe("wait");
    await clock.advance(0);
    expect(find()).toEqual({ type: "seen", sighting: { power: "Off", ips: [] } });
  });

  it("says nothing of a machine that was looked at since, nor of one in a state that it does not know", async () => {
    const { clock, find, show } = lab(100);
    find();
    await clock.advance(1_000);
    expect(find({ sinceMs: 500 }).type).toBe("unseen");
    show([{ id: "vm-1", powerState: "Migrating", ips: [] }]);
    await clock.advance(20_000);
    find();
    await clock.advance(0);
    expect(find().type).toBe("unseen");
  });

  it("asks for no list for few machines, and not at once again after one that failed", async () => {
    const few = lab(99);
    expect(few.find().type).toBe("unseen");
    expect(few.lists).toBe(0);
    const without = lab(100);
    without.show(undefined);
    without.find();
    await without.clock.advance(19_000);
    expect(without.find().type).toBe("unseen");
    expect(without.lists).toBe(1);
  });
});
