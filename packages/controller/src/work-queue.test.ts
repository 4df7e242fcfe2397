import { stack } from "@almanac/catalog";
import { createInstruments } from "@almanac/metrics";
import { createVirtualClock } from "@almanac/testkit";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type Histogram,
} from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWorkQueue, type WorkItem, type WorkQueue } from "./work-queue.ts";

function queueWith(options: Partial<Parameters<typeof createWorkQueue<string>>[0]> = {}): {
  queue: WorkQueue<string>;
  clock: ReturnType<typeof createVirtualClock>;
} {
  const clock = createVirtualClock();
  return { clock, queue: createWorkQueue<string>({ name: "test", keyOf: (key) => key, clock, ...options }) };
}

async function takeAll(queue: WorkQueue<string>): Promise<string[]> {
  const keys: string[] = [];
  while (queue.depth > 0) {
    const item = await queue.take();
    keys.push(item!.key);
    queue.done(item!.key);
  }
  return keys;
}

describe("createWorkQueue", () => {
  it("hands out keys in order, each once", async () => {
    const { queue } = queueWith();
    for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
    expect(queue.depth).toBe(3);
    expect(await takeAll(queue)).toEqual(["a", "b", "c"]);
  });

  it("holds back a key in work and queues it again once it is done", async () => {
    const { queue } = queueWith();
    queue.add("a");
    await queue.take();
    queue.add("a");
    queue.add("a");
    expect(queue).toMatchObject({ depth: 0, working: 1 });
    queue.done("a");
    expect(queue).toMatchObject({ depth: 1, working: 0 });
    expect((await queue.take())?.key).toBe("a");
  });

  it("wakes those who wait, in their order", async () => {
    const { queue } = queueWith();
    const takes = [queue.take(), queue.take()];
    queue.add("a");
    queue.add("b");
    expect((await Promise.all(takes)).map((item) => item?.key)).toEqual(["a", "b"]);
  });

  it("adds later, at the earliest of several times", async () => {
    const { queue, clock } = queueWith();
    queue.addAfter("a", 1_000);
    queue.addAfter("a", 500);
    queue.addAfter("a", 2_000);
    await clock.advance(499);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(await takeAll(queue)).toEqual(["a"]);
    await clock.advance(5_000);
    expect(queue.depth).toBe(0);
  });

  it("doubles a key's back-off from 5 ms to 1,000 s until it is forgotten", async () => {
    const { queue, clock } = queueWith();
    const delays = Array.from({ length: 20 }, () => queue.retry("a"));
    expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(delays.at(-1)).toBe(1_000_000);
    expect(queue.retries("a")).toBe(20);
    expect(queue.retry("b")).toBe(5);
    queue.forget("a");
    expect(queue.retries("a")).toBe(0);
    expect(queue.retry("a")).toBe(5);
    await clock.advance(5);
    expect(queue.depth).toBe(2);
  });

  it("does not make a change wait for a back-off under way", async () => {
    const { queue } = queueWith();
    for (let count = 0; count < 15; count++) queue.retry("a");
    queue.add("a");
    expect(await takeAll(queue)).toEqual(["a"]);
  });

  it("limits the retries of all keys together", () => {
    const { queue } = queueWith({ retryRate: { perSecond: 10, burst: 2 } });
    expect(["a", "b", "c", "d"].map((key) => queue.retry(key))).toEqual([5, 5, 100, 200]);
  });

  it("lets changes pass resyncs, but resyncs come to their turn", async () => {
    const { queue } = queueWith();
    for (let index = 0; index < 3; index++) queue.add(`low${index}`, { priority: "low" });
    queue.add("low1");
    queue.add("changed");
    expect(await takeAll(queue)).toEqual(["low1", "changed", "low0", "low2"]);
    queue.add("low", { priority: "low" });
    const taken: string[] = [];
    for (let index = 0; index < 20; index++) {
      queue.add(`n${index}`);
      queue.add(`m${index}`);
      const { key } = (await queue.take())!;
      queue.done(key);
      taken.push(key);
    }
    expect(taken).toContain("low");
  });

  it("gives retries the priority of the try that failed, which a change lifts", async () => {
    const { queue, clock } = queueWith({ backoff: { baseMs: 100, maxMs: 100 } });
    const keys = Array.from({ length: 200 }, (_, index) => `k${index}`);
    for (const key of keys) queue.add(key, { priority: "low" });
    for (const _ of keys) {
      const { key, priority } = (await queue.take())!;
      queue.retry(key, { priority });
      queue.done(key);
    }
    await clock.advance(100);
    expect(queue.depth).toBe(200);
    queue.add("user");
    // One turn of eight is for those that wait.
    const order = await takeAll(queue);
    expect(order.slice(0, 2)).toContain("user");
    queue.add("a");
    const { key, priority } = (await queue.take())!;
    queue.retry(key, { priority });
    queue.done(key);
    queue.addAfter("a", 50, { priority: "low" });
    await clock.advance(50);
    expect(await queue.take()).toMatchObject({ key: "a", priority: "normal" });
  });

  it("promotes a key in work that a change asks for again", async () => {
    const { queue } = queueWith();
    queue.add("a");
    await queue.take();
    queue.add("a", { priority: "low" });
    queue.add("other", { priority: "low" });
    queue.add("a");
    queue.done("a");
    expect(await takeAll(queue)).toEqual(["a", "other"]);
  });

  it("ends: takers get undefined, nothing is added, no timer stays", async () => {
    const { queue, clock } = queueWith();
    queue.addAfter("later", 1_000);
    queue.add("now");
    await queue.take();
    const waiting = queue.take();
    queue.shutdown();
    expect(await waiting).toBeUndefined();
    expect(await queue.take()).toBeUndefined();
    queue.add("a");
    queue.retry("b");
    expect(queue.depth).toBe(0);
    expect(clock.pending).toBe(0);
    let idle = false;
    const idling = queue.idle().then(() => (idle = true));
    await clock.advance(1);
    expect(idle).toBe(false);
    queue.done("now");
    await idling;
  });

  it("rejects take and idle with the reason of the signal, and loses no key by it", async () => {
    const { queue } = queueWith();
    const stop = new AbortController();
    const taking = queue.take(stop.signal);
    queue.add("a");
    await taking;
    const idling = queue.idle(stop.signal);
    const second = queue.take(stop.signal);
    stop.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    await expect(idling).rejects.toThrow("enough");
    queue.add("b");
    expect(queue.depth).toBe(1);
  });

  it("records the families of client-go", async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = new MeterProvider({ readers: [reader] });
    const values = async (): Promise<Record<string, unknown>> => {
      exporter.reset();
      await reader.forceFlush();
      const metrics = exporter
        .getMetrics()
        .flatMap((resource) => resource.scopeMetrics.flatMap((scope) => scope.metrics));
      const ours = metrics.filter((metric) => metric.descriptor.name.startsWith("workqueue_"));
      return Object.fromEntries(
        ours.map(({ descriptor, dataPoints }) => {
          expect(dataPoints.map((point) => point.attributes)).toEqual([{ name: "test" }]);
          const value = dataPoints[0]!.value as number | Histogram;
          return [
            descriptor.name.slice("workqueue_".length),
            typeof value === "number" ? value : [value.count, value.sum],
          ];
        }),
      );
    };
    const { queue, clock } = queueWith({ instruments: createInstruments(stack, provider) });
    expect(await values()).toMatchObject({ adds_total: 0, retries_total: 0, depth: 0, unfinished_work_seconds: 0 });
    queue.add("a");
    queue.add("a");
    queue.add("b");
    queue.addAfter("later", 60_000);
    await clock.advance(2_000);
    await queue.take();
    await queue.take();
    await clock.advance(3_000);
    queue.done("b");
    queue.add("a");
    queue.retry("b");
    queue.add("c");
    await clock.advance(1);
    expect(await values()).toEqual({
      depth: 1,
      adds_total: 4,
      retries_total: 1,
      queue_duration_seconds: [2, 4],
      work_duration_seconds: [1, 3],
      unfinished_work_seconds: expect.closeTo(3.001, 6) as number,
      longest_running_processor_seconds: expect.closeTo(3.001, 6) as number,
    });
    expect(queue.longestRunningMs()).toBeCloseTo(3_001);
    queue[Symbol.dispose]();
    await provider.shutdown();
  });

  // Invariants, by a model that knows only what was asked for: no key is in work twice at once; every key asked for is handed out after
  // the last time it was asked for, and after its delay; no key is handed out that nobody asked for.
  it("loses nothing and never hands out a key twice at once", async () => {
    const key = fc.constantFrom("a", "b", "c", "d");
    const action = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant("add" as const), key, low: fc.boolean() }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant("after" as const), key, ms: fc.nat(50), low: fc.boolean() }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("retry" as const), key, low: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("forget" as const), key }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("take" as const) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("done" as const), pick: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(40) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 80 }), async (actions) => {
        const { queue, clock } = queueWith();
        const working = new Set<string>();
        const owed = new Set<string>();
        const owedAt = new Map<string, number>();
        const settleDue = (): void => {
          for (const [key, at] of owedAt) if (at <= clock.monotonic() && owedAt.delete(key)) owed.add(key);
        };
        const later = (key: string, ms: number): void => {
          settleDue();
          owedAt.set(key, Math.min(owedAt.get(key) ?? Infinity, clock.monotonic() + ms));
        };
        const taken = (item: WorkItem<string> | undefined): void => {
          expect(item).toBeDefined();
          expect(working.has(item!.key)).toBe(false);
          settleDue();
          expect(owed.has(item!.key)).toBe(true);
          working.add(item!.key);
          owed.delete(item!.key);
        };
        let waiting = 0;
        const take = (): void => {
          waiting += 1;
          void queue.take().then((item) => {
            waiting -= 1;
            taken(item);
          });
        };
        for (const step of actions) {
          switch (step.do) {
            case "add":
              owed.add(step.key);
              queue.add(step.key, { priority: step.low ? "low" : "normal" });
              break;
            case "after":
              if (step.ms === 0) owed.add(step.key);
              else later(step.key, step.ms);
              queue.addAfter(step.key, step.ms, { priority: step.low ? "low" : "normal" });
              break;
            case "retry":
              later(step.key, queue.retry(step.key, { priority: step.low ? "low" : "normal" }));
              break;
            case "forget":
              queue.forget(step.key);
              break;
            case "take":
              if (queue.depth > 0) take();
              break;
            case "done": {
              const done = [...working][step.pick];
              if (done === undefined) break;
              working.delete(done);
              queue.done(done);
              break;
            }
            case "wait":
              await clock.advance(step.ms);
          }
          await Promise.resolve();
          expect(queue.working).toBe(working.size);
        }
        // Everything asked for comes, once the delays are over and the workers are done.
        for (const done of [...working]) {
          working.delete(done);
          queue.done(done);
        }
        await clock.advance(10_000_000);
        while (queue.depth > 0) {
          const item = await queue.take();
          taken(item);
          working.delete(item!.key);
          queue.done(item!.key);
        }
        expect([...owed, ...owedAt.keys()]).toEqual([]);
        expect(waiting).toBe(0);
        expect(queue.working).toBe(0);
        queue[Symbol.dispose]();
      }),
      { numRuns: 200, seed: 20_260_103, endOnFailure: true },
    );
  });
});
