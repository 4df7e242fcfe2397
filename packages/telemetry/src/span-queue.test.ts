import { context, ROOT_CONTEXT, TraceFlags } from "@opentelemetry/api";
import { ExportResultCode, isTracingSuppressed, type ExportResult } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { createVirtualClock } from "@almanac/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { useContextManager } from "./context.ts";
import { createSpanQueue, type SpanQueueOptions } from "./span-queue.ts";

const span = (name: string, traceFlags: number = TraceFlags.SAMPLED): ReadableSpan =>
  ({ name, spanContext: () => ({ traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags }) }) as ReadableSpan;

const later: ExportResult = { code: ExportResultCode.FAILED, error: new Error("later") };

function setUp(options: Partial<SpanQueueOptions> = {}) {
  const clock = createVirtualClock();
  const batches: string[][] = [];
  const pending: ((result: ExportResult) => void)[] = [];
  const dropped: Record<string, number> = {};
  const outcomes: string[] = [];
  const exporter: SpanExporter = {
    export(spans, callback) {
      batches.push(spans.map(({ name }) => name));
      pending.push(callback);
    },
    shutdown: () => Promise.resolve(),
  };
  const queue = createSpanQueue(exporter, {
    maxQueueSize: 5,
    maxBatchSize: 3,
    delayMs: 100,
    exportTimeoutMs: 1000,
    shutdownTimeoutMs: 500,
    onExport: (outcome, error) => outcomes.push(error === undefined ? outcome : `${outcome}: ${error}`),
    onDropped: (count, cause) => (dropped[cause] = (dropped[cause] ?? 0) + count),
    clock,
    ...options,
  });
  const answer = async (result: ExportResult = { code: ExportResultCode.SUCCESS }): Promise<void> => {
    pending.shift()?.(result);
    await clock.advance(0);
  };
  return { clock, batches, pending, dropped, outcomes, queue, answer, exporter };
}

describe("createSpanQueue", () => {
  it("sends a full batch at once and the rest after the delay", async () => {
    const { queue, batches, clock, answer, outcomes } = setUp();
    for (const name of ["a", "b", "c", "d"]) queue.onEnd(span(name));
    expect(batches).toEqual([["a", "b", "c"]]);
    await answer();
    await clock.advance(99);
    expect(batches).toHaveLength(1);
    await clock.advance(1);
    expect(batches[1]).toEqual(["d"]);
    await answer();
    expect(outcomes).toEqual(["success", "success"]);
    expect(clock.pending).toBe(0);
  });

  it("ignores what is not sampled", async () => {
    const { queue, batches, clock } = setUp();
    queue.onEnd(span("a", TraceFlags.NONE));
    await clock.advance(1000);
    expect(batches).toEqual([]);
  });

  it("has one export under way at a time and drops what the queue does not hold", async () => {
    const { queue, batches, dropped, answer } = setUp();
    for (let number = 0; number < 12; number++) queue.onEnd(span(String(number)));
    expect(batches).toEqual([["0", "1", "2"]]);
    expect(dropped).toEqual({ queue_full: 4 });
    await answer();
    expect(batches[1]).toEqual(["3", "4", "5"]);
  });

  it("drops a batch that failed for good and goes on with the next", async () => {
    const { queue, batches, dropped, outcomes, answer } = setUp();
    for (let number = 0; number < 6; number++) queue.onEnd(span(String(number)));
    await answer({ code: ExportResultCode.FAILED, error: new Error("503") });
    expect(batches).toHaveLength(2);
    await answer();
    expect(dropped).toEqual({ retries_exhausted: 3 });
    expect(outcomes).toEqual(["failure: 503", "success"]);
  });

  it("keeps a batch that failed for now and sends it again, before what ended later", async () => {
    const { queue, batches, dropped, outcomes, answer, clock } = setUp({
      retry: () => ({ delayMs: 50, asked: false }),
    });
    for (const name of ["a", "b", "c", "d", "e", "f"]) queue.onEnd(span(name));
    await answer(later);
    await clock.advance(49);
    expect(batches).toHaveLength(1);
    await clock.advance(1);
    await answer();
    await answer();
    expect(batches).toEqual([
      ["a", "b", "c"],
      ["a", "b", "c"],
      ["d", "e", "f"],
    ]);
    expect(outcomes).toEqual(["failure: later", "success", "success"]);
    expect(dropped).toEqual({});
    expect(clock.pending).toBe(0);
  });

  it("gives the batch it keeps up only when there is no room left", async () => {
    const { queue, batches, dropped, answer, clock } = setUp({ retry: () => ({ delayMs: 50, asked: false }) });
    for (let number = 0; number < 7; number++) queue.onEnd(span(String(number)));
    await answer(later);
    await clock.advance(50);
    expect(dropped).toEqual({});
    queue.onEnd(span("7"));
    await answer(later);
    expect(dropped).toEqual({ retries_exhausted: 3 });
    expect(batches.at(-1)).toEqual(["3", "4", "5"]);
  });

  it("flushes once for a receiver that is away, and not before a receiver that asked for a rest wants it", async () => {
    let asked = false;
    const { queue, batches, answer } = setUp({ retry: () => ({ delayMs: 50, asked }) });
    queue.onEnd(span("a"));
    const first = queue.forceFlush();
    await answer(later);
    await first;
    const second = queue.forceFlush();
    expect(batches).toHaveLength(2);
    asked = true;
    await answer(later);
    await second;
    await queue.forceFlush();
    expect(batches).toHaveLength(2);
  });

  it("drops what it keeps at shutdown, after a last attempt", async () => {
    const { queue, batches, dropped, answer, clock } = setUp({ retry: () => ({ delayMs: 50, asked: false }) });
    for (const name of ["a", "b", "c", "d"]) queue.onEnd(span(name));
    await answer(later);
    const shutdown = queue.shutdown();
    await answer(later);
    await shutdown;
    expect(batches).toHaveLength(2);
    expect(dropped).toEqual({ shutdown: 4 });
    expect(clock.pending).toBe(0);
  });

  it("takes an exporter that throws, or never answers, for one that failed", async () => {
    const { queue, dropped, outcomes, exporter, clock } = setUp();
    for (const name of ["a", "b", "c"]) queue.onEnd(span(name));
    await clock.advance(1000);
    exporter.export = () => {
      throw new Error("broken");
    };
    for (const name of ["d", "e", "f"]) queue.onEnd(span(name));
    await clock.advance(0);
    expect(outcomes).toEqual(["failure: no result within 1000 ms", "failure: broken"]);
    expect(dropped).toEqual({ retries_exhausted: 6 });
  });

  it("keeps the limit of a batch although an earlier one is answered late", async () => {
    const { queue, outcomes, clock, answer } = setUp();
    for (const name of ["a", "b", "c"]) queue.onEnd(span(name));
    await clock.advance(1000);
    for (const name of ["d", "e", "f"]) queue.onEnd(span(name));
    await answer();
    await clock.advance(1000);
    expect(outcomes).toEqual(["failure: no result within 1000 ms", "failure: no result within 1000 ms"]);
  });

  it("flushes what ended before the flush, and no more", async () => {
    const { queue, batches, answer, pending } = setUp();
    queue.onEnd(span("a"));
    let flushed = false;
    const flush = queue.forceFlush().then(() => (flushed = true));
    queue.onEnd(span("b"));
    expect(batches).toEqual([["a"]]);
    await answer();
    await flush;
    expect(flushed).toBe(true);
    expect(pending).toEqual([]);
    await setUp().queue.forceFlush();
  });

  it("sends everything at shutdown and drops what ends afterwards", async () => {
    const { queue, batches, dropped, answer, clock } = setUp();
    for (const name of ["a", "b", "c", "d"]) queue.onEnd(span(name));
    const shutdown = queue.shutdown();
    await answer();
    await answer();
    await shutdown;
    expect(batches).toEqual([["a", "b", "c"], ["d"]]);
    queue.onEnd(span("late"));
    expect(dropped).toEqual({ shutdown: 1 });
    expect(queue.shutdown()).toBe(queue.shutdown());
    expect(clock.pending).toBe(0);
  });

  it("counts what is left when the time to shut down is over, the batch under way included", async () => {
    const { queue, dropped, outcomes, clock, answer } = setUp();
    for (const name of ["a", "b", "c", "d"]) queue.onEnd(span(name));
    const shutdown = queue.shutdown();
    await clock.advance(500);
    await shutdown;
    expect(dropped).toEqual({ shutdown: 4 });
    // Too late to count as anything else.
    await answer();
    expect(outcomes).toEqual([]);
    expect(dropped).toEqual({ shutdown: 4 });
  });

  it("does not wait for an exporter whose own shutdown hangs", async () => {
    const { queue, exporter, clock } = setUp();
    exporter.shutdown = () => new Promise(() => {});
    const shutdown = queue.shutdown();
    await clock.advance(500);
    await shutdown;
  });

  it("exports outside the spans of whoever ended one", async () => {
    using _manager = useContextManager();
    const { queue, exporter, clock } = setUp({ maxBatchSize: 1 });
    const key = Symbol("request");
    const seen: unknown[] = [];
    exporter.export = (_spans, callback) => {
      seen.push(context.active().getValue(key), isTracingSuppressed(context.active()));
      callback({ code: ExportResultCode.SUCCESS });
    };
    context.with(ROOT_CONTEXT.setValue(key, "of a request"), () => queue.onEnd(span("a")));
    await clock.advance(0);
    expect(seen).toEqual([undefined, true]);
  });

  it("exports or drops every span exactly once, in order, within its bounds", async () => {
    const action = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("end" as const), count: fc.integer({ min: 1, max: 8 }) }) },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("answer" as const), how: fc.constantFrom("ok", "later", "never") }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1200 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
    );
    const run = async (actions: (typeof action extends fc.Arbitrary<infer A> ? A : never)[]): Promise<void> => {
      const { queue, clock, batches, pending, dropped, outcomes } = setUp({
        retry: (error) => ((error as Error).message === "never" ? undefined : { delayMs: 70, asked: false }),
      });
      let ended = 0;
      for (const step of actions) {
        if (step.kind === "end") for (let number = 0; number < step.count; number++) queue.onEnd(span(String(ended++)));
        else if (step.kind === "answer")
          pending.shift()?.(
            step.how === "ok"
              ? { code: ExportResultCode.SUCCESS }
              : { code: ExportResultCode.FAILED, error: new Error(step.how) },
          );
        else if (step.kind === "wait") await clock.advance(step.ms);
        else void queue.forceFlush();
        await clock.advance(0);
        expect(batches.every((batch) => batch.length <= 3)).toBe(true);
      }
      const shutdown = queue.shutdown();
      await clock.advance(500);
      await shutdown;
      // A batch that was kept is the next one again.
      const sent = batches
        .filter((batch, index) => batch[0] !== batches[index - 1]?.[0])
        .flat()
        .map(Number);
      expect(sent).toEqual(sent.toSorted((a, b) => a - b));
      expect(new Set(sent).size).toBe(sent.length);
      const successful = outcomes.filter((outcome) => outcome === "success").length;
      const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
      // Batches end in the order they began, so their outcomes line up with them.
      const exported = batches.filter((_batch, index) => outcomes[index] === "success").flat().length;
      expect(exported + lost).toBe(ended);
      expect(successful).toBeLessThanOrEqual(batches.length);
      expect(clock.pending).toBe(0);
    };
    await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 25 }), run), { numRuns: 150, seed: 20260103 });
  });
});
