import { silentLogger } from "@almanac/core";
import { createVirtualClock } from "@almanac/testkit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createIdleCollector } from "./idle-collector.ts";

const windowMs = 10_000;

function collectorWith(collect?: () => void) {
  const clock = createVirtualClock();
  const idle = createIdleCollector({ clock, logger: silentLogger, ...(collect === undefined ? {} : { collect }) });
  const work = async (reconciles: number): Promise<void> => {
    for (let count = 0; count < reconciles; count++) idle.note();
    await clock.advance(windowMs);
  };
  return { clock, idle, work };
}

afterEach(() => vi.restoreAllMocks());

describe("createIdleCollector", () => {
  it("collects once after each busy time, as soon as it is quiet", async () => {
    const collect = vi.fn();
    const { clock, idle, work } = collectorWith(collect);
    await work(0);
    await work(5_000);
    await work(600);
    expect(collect).not.toHaveBeenCalled();
    await work(499);
    expect(collect).toHaveBeenCalledTimes(1);
    for (let windows = 0; windows < 10; windows++) await work(200);
    expect(collect).toHaveBeenCalledTimes(1);
    await work(1_000);
    await work(0);
    expect(collect).toHaveBeenCalledTimes(2);
    idle[Symbol.dispose]();
    expect(clock.pending).toBe(0);
  });

  it("leaves a process alone that was never busy, and survives a collection that fails", async () => {
    const collect = vi.fn(() => {
      throw new Error("not allowed");
    });
    const { work } = collectorWith(collect);
    await work(999);
    await work(0);
    expect(collect).not.toHaveBeenCalled();
    await work(1_000);
    await work(0);
    expect(collect).toHaveBeenCalledTimes(1);
  });

  it("frees what nobody uses", async () => {
    const { work } = collectorWith();
    let freed = false;
    const registry = new FinalizationRegistry(() => (freed = true));
    (() => registry.register({ large: Array.from({ length: 1_000 }) }, undefined))();
    await work(1_000);
    await work(0);
    await vi.waitFor(() => expect(freed).toBe(true), { timeout: 15_000 });
  });
});
