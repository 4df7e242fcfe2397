import { context, ROOT_CONTEXT, TraceFlags } from "@opentelemetry/api";
import { ExportResultCode, suppressTracing, type ExportResult } from "@opentelemetry/core";
import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import type { ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";
import { describeError, systemClock, type Clock, type Timer } from "@almanac/core";

/** Why recorded spans were never exported. */
type DropCause = "queue_full" | "retries_exhausted" | "shutdown";

export interface SpanQueueOptions {
  /** Spans waiting at most; what ends beyond it is dropped. */
  readonly maxQueueSize: number;
  /** Spans per export; so many waiting are sent at once. */
  readonly maxBatchSize: number;
  /** Fewer wait at most so long. */
  readonly delayMs: number;
  /** An export without a result by then has failed. */
  readonly exportTimeoutMs: number;
  /** How long `shutdown()` goes on sending before it drops what is left. */
  readonly shutdownTimeoutMs: number;
  /**
   * After what time a failed export is worth repeating, milliseconds, and whether the receiver asked for that time. Undefined: never.
   * Left out: none is.
   */
  readonly retry?: (error: unknown) => { readonly delayMs: number; readonly asked: boolean } | undefined;
  /** After each export, repeated ones too; `error` in words when it failed. Must not throw. */
  readonly onExport: (outcome: "success" | "failure", error?: string) => void;
  /** Must not throw. */
  readonly onDropped: (count: number, cause: DropCause) => void;
  readonly clock?: Clock;
}

/**
 * Sampled spans in batches, one export at a time, in the order they ended. Every span is exported or reported as dropped, exactly once.
 * A batch whose export failed for now is kept and exported again while the queue has room for what ends meanwhile; once that is full, the
 * batch, being the oldest, is given up (`retries_exhausted`) after its next failure. Memory: `maxQueueSize` waiting spans plus one batch.
 *
 * `forceFlush` is over when what had ended was exported or dropped, or an export failed for now; it does not wait for a receiver to come
 * back. It and `shutdown` have a batch that is kept exported at once, unless the receiver asked for a rest.
 */
export function createSpanQueue(exporter: SpanExporter, options: SpanQueueOptions): SpanProcessor {
  const { maxQueueSize, maxBatchSize, delayMs, exportTimeoutMs, shutdownTimeoutMs, clock = systemClock } = options;
  const queue: ReadableSpan[] = [];
  // Counted since the start; the order is first in, first out, so a flush is over when `settled` has reached its `accepted`.
  let accepted = 0;
  let settled = 0;
  const flushes = new Set<{ readonly target: number; readonly resolve: () => void }>();
  let delay: Timer | undefined;
  let limit: Timer | undefined;
  /** Was not exported yet, to be tried again when `pause` is over. */
  let kept: ReadableSpan[] | undefined;
  let pause: { readonly timer: Timer; readonly asked: boolean } | undefined;
  let working = false;
  let closing: Promise<void> | undefined;
  let abandoned = false;

  function settle(count: number): void {
    settled += count;
    for (const flush of flushes) {
      if (settled < flush.target) continue;
      flushes.delete(flush);
      flush.resolve();
    }
  }

  async function exportBatch(): Promise<void> {
    const batch = kept ?? queue.splice(0, maxBatchSize);
    const result = await new Promise<ExportResult>((resolve) => {
      const late = {
        code: ExportResultCode.FAILED,
        error: new OTLPExporterError(`no result within ${exportTimeoutMs} ms`),
      };
      // Its own timer: an exporter that answers after all must not stop the clock of a later batch.
      const timer = clock.setTimeout(() => resolve(late), exportTimeoutMs);
      limit = timer;
      const done = (outcome: ExportResult): void => {
        timer.cancel();
        resolve(outcome);
      };
      try {
        exporter.export(batch, done);
      } catch (thrown) {
        done({ code: ExportResultCode.FAILED, error: thrown as Error });
      }
    });
    // Shutdown has counted this batch already.
    if (abandoned) return;
    kept = undefined;
    if (result.code === ExportResultCode.SUCCESS) {
      options.onExport("success");
    } else {
      options.onExport("failure", describeError(result.error));
      const again = queue.length < maxQueueSize ? options.retry?.(result.error) : undefined;
      if (again !== undefined) {
        keep(batch, again);
        return;
      }
      options.onDropped(batch.length, "retries_exhausted");
    }
    settle(batch.length);
  }

  function keep(batch: ReadableSpan[], again: { readonly delayMs: number; readonly asked: boolean }): void {
    kept = batch;
    const timer = clock.setTimeout(resume, again.delayMs, { keepAlive: false });
    pause = { timer, asked: again.asked };
    for (const { resolve } of flushes) resolve();
    flushes.clear();
  }

  function resume(): void {
    pause?.timer.cancel();
    pause = undefined;
    work();
  }

  function work(): void {
    if (working || pause !== undefined) return;
    working = true;
    // Whoever ended a span or armed the timer has nothing to do with the export, and the exporter's own calls must not become spans.
    void context.with(suppressTracing(ROOT_CONTEXT), send);
  }

  async function send(): Promise<void> {
    delay?.cancel();
    delay = undefined;
    while (!abandoned && pause === undefined && isDue()) await exportBatch();
    working = false;
    if (queue.length > 0) arm();
  }

  function isDue(): boolean {
    return kept !== undefined || queue.length >= maxBatchSize || (flushes.size > 0 && queue.length > 0);
  }

  function arm(): void {
    if (delay !== undefined || working || abandoned || pause !== undefined) return;
    const onDue = (): void => {
      delay = undefined;
      void flush();
    };
    delay = clock.setTimeout(onDue, delayMs, { keepAlive: false });
  }

  function flush(): Promise<void> {
    if (settled === accepted || pause?.asked === true) return Promise.resolve();
    return new Promise((resolve) => {
      flushes.add({ target: accepted, resolve });
      resume();
    });
  }

  async function close(): Promise<void> {
    const startedAt = clock.monotonic();
    await within(flush(), shutdownTimeoutMs, clock);
    abandoned = true;
    delay?.cancel();
    limit?.cancel();
    pause?.timer.cancel();
    kept = undefined;
    const left = accepted - settled;
    if (left > 0) options.onDropped(left, "shutdown");
    queue.length = 0;
    settle(left);
    const remainingMs = Math.max(shutdownTimeoutMs - (clock.monotonic() - startedAt), 0);
    await within(exporter.shutdown(), remainingMs, clock);
  }

  return {
    onStart() {},
    onEnd(span) {
      if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
      if (closing !== undefined) return options.onDropped(1, "shutdown");
      if (queue.length >= maxQueueSize) return options.onDropped(1, "queue_full");
      queue.push(span);
      accepted++;
      if (queue.length >= maxBatchSize) work();
      else arm();
    },
    forceFlush: flush,
    shutdown: () => (closing ??= close()),
  };
}

/** Waits for `promise`, at most `ms`; resolves in either case and when it rejects. */
export async function within(promise: Promise<unknown>, ms: number, clock: Clock = systemClock): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = clock.setTimeout(() => resolve(false), ms);
  });
  const inTime = promise.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([inTime, late]);
  } finally {
    timer?.cancel();
  }
}
