import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { createWorkers } from "./workers.ts";

/** Jobs that workers take one after the other; `release` ends one. */
function createBench(count: number) {
  const clock = createVirtualClock();
  const waiting: ((job: number | undefined) => void)[] = [];
  const running = new Map<number, () => void>();
  let lends: ReadonlySet<number> = new Set();
  let next = 0;
  let closed = false;
  let most = 0;
  const workers = createWorkers({
    count,
    lendAfterMs: 1_000,
    clock,
    async work() {
      const job = closed ? undefined : await new Promise<number | undefined>((resolve) => waiting.push(resolve));
      if (job === undefined) return false;
      const end = Promise.withResolvers<void>();
      running.set(job, end.resolve);
      most = Math.max(most, running.size);
      await (lends.has(job) ? workers.lend(end.promise) : end.promise);
      running.delete(job);
      return true;
    },
  });
  const settle = () => clock.advance(0);
  return {
    clock,
    workers,
    running,
    get idle() {
      return waiting.length;
    },
    get most() {
      return most;
    },
    lendAll(jobs: readonly number[]) {
      lends = new Set(jobs);
    },
    /** Hands out jobs while somebody waits for one. */
    async offer(jobs: number): Promise<void> {
      await settle();
      for (let job = 0; job < jobs && waiting.length > 0; job++) {
        waiting.shift()?.(next++);
        await settle();
      }
    },
    async release(job: number): Promise<void> {
      running.get(job)?.();
      await settle();
    },
    async close(): Promise<void> {
      closed = true;
      for (const resolve of waiting.splice(0)) resolve(undefined);
      for (const end of running.values()) end();
      await workers.ended;
    },
  };
}

describe("createWorkers", () => {
  it("has as many work at a time as it was told to", async () => {
    const bench = createBench(2);
    await bench.offer(5);
    expect([...bench.running.keys()]).toEqual([0, 1]);
    await bench.clock.advance(10_000);
    await bench.offer(5);
    expect([...bench.running.keys()]).toEqual([0, 1]);
    await bench.release(0);
    await bench.offer(5);
    expect([...bench.running.keys()]).toEqual([1, 2]);
    await bench.close();
  });

  it("puts another one in the place of one that has waited for long, and takes it back afterwards", async () => {
    const bench = createBench(2);
    bench.lendAll([0, 1]);
    await bench.offer(5);
    await bench.clock.advance(999);
    await bench.offer(5);
    expect([...bench.running.keys()]).toEqual([0, 1]);
    await bench.clock.advance(1);
    await bench.offer(5);
    expect([...bench.running.keys()]).toEqual([0, 1, 2, 3]);
    for (const job of [0, 1, 2, 3]) await bench.release(job);
    expect(bench.idle).toBe(2);
    await bench.offer(5);
    expect([...bench.running.keys()]).toEqual([4, 5]);
    expect(bench.most).toBe(4);
    await bench.close();
  });

  it("hires nobody for waits that are short, or over", async () => {
    const bench = createBench(1);
    bench.lendAll([0, 1]);
    for (const job of [0, 1]) {
      await bench.offer(1);
      await bench.clock.advance(900);
      await bench.release(job);
    }
    await bench.clock.advance(10_000);
    expect(bench.idle).toBe(1);
    expect(bench.most).toBe(1);
    await bench.close();
  });

  it("gives the answer on, or the error", async () => {
    const bench = createBench(1);
    await expect(bench.workers.lend(Promise.resolve(7))).resolves.toBe(7);
    await expect(bench.workers.lend(Promise.reject(new Error("gone")))).rejects.toThrow("gone");
    await bench.close();
  });
});
