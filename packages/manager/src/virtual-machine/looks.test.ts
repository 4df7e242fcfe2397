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
    const looks = createLooks({ intervalMs, clock: createVirtualClock() });
    expect(machines.some((vm) => looks.isDue(vm))).toBe(false);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (const vm of machines) {
      const inMs = looks.plan(vm, false);
      expect(inMs).toBeGreaterThan(0);
      expect(inMs).toBeLessThanOrEqual(intervalMs);
      const tenth = Math.min(9, Math.floor((inMs / intervalMs) * 10));
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(count).toBeGreaterThan(30);
  });

  it("gives every machine its turn once per interval, and the same turn in another process", async () => {
    const clock = createVirtualClock();
    const [one, other] = [createLooks({ intervalMs, clock }), createLooks({ intervalMs, clock })];
    const [vm] = machines as [VirtualMachine];
    const inMs = one.plan(vm, false);
    await clock.advance(inMs - 1);
    expect(one.isDue(vm)).toBe(false);
    await clock.advance(1);
    expect(one.isDue(vm)).toBe(true);
    expect(one.lastMs(vm)).toBe(Number.NEGATIVE_INFINITY);
    expect(one.plan(vm, true)).toBeCloseTo(intervalMs);
    expect(one.lastMs(vm)).toBe(clock.monotonic());
    expect(one.isDue(vm)).toBe(false);
    await clock.advance(20_000);
    expect(other.plan(vm, false)).toBeCloseTo(intervalMs - 20_000);
  });

  it("keeps what is planned, and moves it by a look of between half and one and a half intervals", async () => {
    const clock = createVirtualClock();
    const looks = createLooks({ intervalMs, clock });
    for (const vm of machines) {
      const first = looks.plan(vm, false);
      await clock.advance(7);
      expect(looks.plan(vm, false)).toBeCloseTo(first <= 7 ? first - 7 + intervalMs : first - 7);
      const next = looks.plan(vm, true);
      expect(next).toBeGreaterThan(intervalMs / 2);
      expect(next).toBeLessThanOrEqual(1.5 * intervalMs);
    }
  });

  it("knows nothing of another machine of that name, or of one that is gone", () => {
    const looks = createLooks({ intervalMs, clock: createVirtualClock() });
    const vm = machine("old");
    looks.plan(vm, true);
    const successor = { metadata: { ...vm.metadata, uid: "new" } } as VirtualMachine;
    expect(looks.lastMs(successor)).toBe(Number.NEGATIVE_INFINITY);
    expect(looks.lastMs(vm)).toBe(0);
    looks.forget("default", "vm-old");
    expect(looks.lastMs(vm)).toBe(Number.NEGATIVE_INFINITY);
  });
});
