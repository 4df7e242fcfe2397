import { sleep, type Clock } from "@almanac/core";
import { MetricsError } from "@almanac/metrics";
import type { MetricsSnapshot, SnapshotProducer } from "@almanac/metrics/internal";

const firstPauseMs = 50;

/**
 * Takes snapshots of one producer, which does not call a callback again while a call of it goes on that ran out of time in an earlier
 * collection. Perhaps that one had less time than this one: then what is missing is asked for again, in growing intervals, until the first
 * half of the time left is over. For a callback that never ends this is done once, not at each collection.
 */
export function createPatientSnapshots(
  clock: Clock,
): (producer: SnapshotProducer, timeoutMs: number) => Promise<MetricsSnapshot> {
  /** When each callback, by what is said of it, was first seen to go on. */
  const since = new Map<string, number>();

  function unfinished({ errors }: MetricsSnapshot): readonly number[] {
    const running = errors.filter((error) => error instanceof MetricsError && error.code === "callback_running");
    const texts = new Set(running.map((error) => (error as MetricsError).message));
    for (const text of since.keys()) if (!texts.has(text)) since.delete(text);
    for (const text of texts) if (!since.has(text)) since.set(text, clock.monotonic());
    return [...since.values()];
  }

  return async (producer, timeoutMs) => {
    const startedAt = clock.monotonic();
    for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
      const leftMs = startedAt + timeoutMs - clock.monotonic();
      const snapshot = await producer.snapshot({ timeoutMillis: leftMs });
      const now = clock.monotonic();
      const mayEnd = unfinished(snapshot).some((seenAt) => now < seenAt + timeoutMs);
      // The callbacks need time too when they are called again.
      if (!mayEnd || pauseMs > (startedAt + timeoutMs - now) / 2) return snapshot;
      await sleep(pauseMs, { clock });
    }
  };
}
