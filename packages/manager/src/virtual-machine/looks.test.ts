import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { createLooks } from "./looks.ts";

const intervalMs = 60_000;
const machine = (uid: string): VirtualMachine =>
  ({ metadata: { namespace: "default", name: `vm-${uid}`, uid } }) as VirtualMachine;
const machines = Array.from({ length: 600 }, (_, number) => machine(`uid-${number}`));

describe("createLooks", () => {
  it("spreads machines that it does not know evenly over the interval, and asks for none of them at once", () => {
    const looks = createLooks(createVirtualClock());
    expect(machines.some((vm) => looks.isDue(vm))).toBe(false);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (const vm of machines) {
      const inMs = looks.plan(vm, { looked: false, everyMs: intervalMs });
      expect(inMs).toBeGreaterThan(0);
      expect(inMs).toBeLessThanOrEqual(intervalMs);
      const tenth = Math.min(9, Math.floor((inMs / intervalMs) * 10));
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(count).toBeGreaterThan(30);
  });

  it("gives every machine its turn once per interval, and the same turn in another process", async () => {
    const clock = createVirtualClock();
    const [one, other] = [createLooks(clock), createLooks(clock)];
    const [vm] = machines as [VirtualMachine];
    const inMs = one.plan(vm, { looked: false, everyMs: intervalMs });
    await clock.advance(inMs - 1);
    expect(one.isDue(vm)).toBe(false);
    await clock.advance(1);
    expect(one.isDue(vm)).toBe(true);
    expect(one.plan(vm, { looked: true, everyMs: intervalMs })).toBeCloseTo(intervalMs);
    expect(one.isDue(vm)).toBe(false);
    await clock.advance(20_000);
    expect(other.plan(vm, { looked: false, everyMs: intervalMs })).toBeCloseTo(intervalMs - 20_000);
  });

  it("keeps what is planned, and moves it by a look of between half and one and a half intervals", async () => {
    const clock = createVirtualClock();
    const looks = createLooks(clock);
    for (const vm of machines) {
      const first = looks.plan(vm, { looked: false, everyMs: intervalMs });
      await clock.advance(7);
      expect(looks.plan(vm, { looked: false, everyMs: intervalMs })).toBeCloseTo(
        first <= 7 ? first - 7 + intervalMs : first - 7,
      );
      const next = looks.plan(vm, { looked: true, everyMs: intervalMs });
      expect(next).toBeGreaterThan(intervalMs / 2);
      expect(next).toBeLessThanOrEqual(1.5 * intervalMs);
    }
  });

  it("brings a turn that is far away near when it comes more often again", () => {
    const looks = createLooks(createVirtualClock());
    for (const vm of machines) {
      looks.plan(vm, { looked: true, everyMs: 10 * intervalMs });
      expect(looks.plan(vm, { looked: false, everyMs: intervalMs })).toBeLessThanOrEqual(1.5 * intervalMs);
    }
  });

  it("knows which looks are at one machine alone", () => {
    const looks = createLooks(createVirtualClock());
    const [vm] = machines as [VirtualMachine];
    expect(looks.isAlone(vm)).toBe(false);
    looks.plan(vm, { looked: true, everyMs: 60 * intervalMs, alone: true });
    expect(looks.isAlone(vm)).toBe(true);
    // Too far away where no list tells anything: planned anew.
    looks.plan(vm, { looked: false, everyMs: intervalMs });
    expect(looks.isAlone(vm)).toBe(false);
  });

  it("knows nothing of another machine of that name, or of one that is gone", async () => {
    const clock = createVirtualClock();
    const looks = createLooks(clock);
    const vm = machine("old");
    const successor = { metadata: { ...vm.metadata, uid: "new" } } as VirtualMachine;
    looks.plan(vm, { looked: true, everyMs: intervalMs });
    await clock.advance(2 * intervalMs);
    expect([looks.isDue(vm), looks.isDue(successor)]).toEqual([true, false]);
    looks.forget("default", "vm-old");
    expect(looks.isDue(vm)).toBe(false);
  });
});
