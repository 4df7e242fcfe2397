import { TimeoutError } from "@opentelemetry/sdk-metrics";
import type { Clock } from "@almanac/core";

/** What `pending` comes to, or a rejection with the official SDK's TimeoutError once `timeoutMs` are over. Without a time it waits. */
export function withinTime<T>(
  pending: PromiseLike<T>,
  { timeoutMs, clock, what }: { readonly timeoutMs: number | undefined; readonly clock: Clock; readonly what: string },
): Promise<T> {
  if (timeoutMs === undefined) return Promise.resolve(pending);
  return new Promise((resolve, reject) => {
    // Keeps the process running: it may be all that an export at the end of one still waits for.
    const timer = clock.setTimeout(
      // Whole milliseconds, so that the same trouble has the same text each time.
      () => reject(new TimeoutError(`${what} did not end within ${Math.round(timeoutMs)} ms`)),
      timeoutMs,
    );
    pending.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: Error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
