import { silentLogger } from "@almanac/core";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { createCongestion } from "./congestion.ts";

/** A Provider of which `limit` calls may be slow. */
function createProvider(limit: number) {
  const clock = createVirtualClock();
  const told: string[] = [];
  const tell = (message: string): void => void told.push(message);
  const logger = { ...silentLogger, info: tell, warn: tell };
  return { clock, told, congestion: createCongestion({ limit, clock, logger }) };
}

describe("createCongestion", () => {
  it("puts others off while as many calls as may be are without an answer for a second", async () => {
    const { clock, congestion, told } = createProvider(2);
    const calls = [0, 1, 2].map(() => Promise.withResolvers<string>());
    const answers = calls.map(({ promise }) => congestion.watch(promise));
    await clock.advance(999);
    expect(congestion.delayMs("a")).toBe(0);
    await clock.advance(1);
    expect(congestion.delayMs("a")).toBe(1_000);
    calls[0]?.resolve("late");
    await expect(answers[0]).resolves.toBe("late");
    expect(congestion.delayMs("a")).toBe(1_000);
    calls[1]?.reject(new Error("no"));
    await expect(answers[1]).rejects.toThrow("no");
    expect(congestion.delayMs("a")).toBe(0);
    calls[2]?.resolve("at last");
    await answers[2];
    expect(told).toEqual([
      "The provider leaves requests without an answer: others are put off",
      "The provider has answered what it had left waiting",
    ]);
  });

  it("lets them come back one by one, each once, and after half a minute at the latest", async () => {
    const { clock, congestion } = createProvider(1);
    const call = Promise.withResolvers<void>();
    const answer = congestion.watch(call.promise);
    await clock.advance(1_000);
    const delays = Array.from({ length: 5_000 }, (_, index) => congestion.delayMs(`vm-${index}`));
    expect([delays[0], delays[99], delays[100], delays[2_999], delays[4_999]]).toEqual([
      1_000, 1_000, 1_010, 30_000, 30_000,
    ]);
    call.resolve();
    await answer;
    // Whoever does not come back is forgotten.
    const next = Promise.withResolvers<void>();
    void congestion.watch(next.promise);
    await clock.advance(1_000);
    expect([congestion.delayMs("a"), congestion.delayMs("a")]).toEqual([1_000, 1_000]);
    next.resolve();
  });

  it("wakes whoever is still put off, once all is answered", async () => {
    const { clock, congestion } = createProvider(1);
    const calls = [0, 1].map(() => Promise.withResolvers<void>());
    const answers = calls.map(({ promise }) => congestion.watch(promise));
    await clock.advance(1_000);
    const woken: string[] = [];
    for (const ticket of ["a", "b", "a"]) congestion.delayMs(ticket, () => void woken.push(ticket));
    calls[0]?.resolve();
    await answers[0];
    expect(woken).toEqual([]);
    calls[1]?.resolve();
    await answers[1];
    expect(woken).toEqual(["a", "b"]);
  });

  it("minds no answer that comes in time", async () => {
    const { clock, congestion, told } = createProvider(1);
    for (let call = 0; call < 3; call++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const answer = congestion.watch(promise);
      await clock.advance(900);
      resolve();
      await answer;
    }
    await clock.advance(10_000);
    expect(congestion.delayMs("a")).toBe(0);
    expect(told).toEqual([]);
  });
});
