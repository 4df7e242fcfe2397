import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import { sleep, type Clock } from "@almanac/core";
import { HttpAnswerError } from "./http.ts";
import { readRetryDelayMs } from "./response.ts";

/** CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS (OTLP specification, "Failures"). */
const retryableCodes: ReadonlySet<unknown> = new Set([1, 4, 10, 11, 14, 15]);
/** Only if the server says when to come again. */
const resourceExhausted = 8;
/** OTLP specification, "Retryable Response Codes". */
const retryableStatuses: ReadonlySet<unknown> = new Set([429, 502, 503, 504]);
const retryableNetworkErrors: ReadonlySet<unknown> = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

// As the official transport has them.
const mostRetries = 5;
const firstBackoffMs = 1_000;
const longestBackoffMs = 5_000;
const backoffFactor = 1.5;
const jitter = 0.2;
/** A receiver that asks for a longer rest, perhaps by mistake, is asked again by then. */
const longestAskedMs = 300_000;

interface RetryOptions {
  /** For all attempts together. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Ends the attempt under way and those to come. */
  readonly signal: AbortSignal;
}

/** Sends until it succeeds, for as long and as often as it makes sense. Rejects with the last failure, or with the signal's reason. */
export async function sendWithRetries(
  send: (signal: AbortSignal) => Promise<void>,
  { timeoutMs, clock, signal }: RetryOptions,
): Promise<void> {
  const deadline = clock.monotonic() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    try {
      await attemptWithin(send, { timeoutMs: deadline - clock.monotonic(), clock, signal });
      return;
    } catch (thrown) {
      const delayMs = attempt < mostRetries && !signal.aborted ? retryDelayMs(thrown, attempt) : undefined;
      if (delayMs === undefined || clock.monotonic() + delayMs >= deadline) throw thrown;
      await sleep(delayMs, { clock, signal });
    }
  }
}

/**
 * How long to wait before the next attempt, milliseconds: what the receiver asked for, else longer after each of the failed `attempt`s.
 * Undefined where another attempt would fail as well.
 */
export function retryDelayMs(thrown: unknown, attempt = Infinity): number | undefined {
  if (!isTransient(thrown)) return undefined;
  const backoffMs = Math.min(firstBackoffMs * backoffFactor ** attempt, longestBackoffMs);
  return askedDelayMs(thrown) ?? backoffMs * (1 + (Math.random() * 2 - 1) * jitter);
}

/** How long the receiver asked to be left alone, milliseconds. */
export function askedDelayMs(thrown: unknown): number | undefined {
  let askedMs: number | undefined;
  if (thrown instanceof HttpAnswerError) {
    askedMs = thrown.retryAfterMs;
  } else {
    const { metadata } = (thrown ?? {}) as { readonly metadata?: { get(key: string): (string | Uint8Array)[] } };
    const details = metadata?.get("grpc-status-details-bin")[0];
    askedMs = details instanceof Uint8Array ? readRetryDelayMs(details) : undefined;
  }
  return askedMs === undefined ? undefined : Math.min(askedMs, longestAskedMs);
}

function isTransient(thrown: unknown): boolean {
  const { code } = (thrown ?? {}) as { readonly code?: unknown };
  if (thrown instanceof HttpAnswerError) return retryableStatuses.has(code);
  if (code === resourceExhausted) return askedDelayMs(thrown) !== undefined;
  // Without a code it is an attempt that took too long.
  if (thrown instanceof OTLPExporterError && code === undefined) return true;
  return retryableCodes.has(code) || retryableNetworkErrors.has(code);
}

async function attemptWithin(
  send: (signal: AbortSignal) => Promise<void>,
  { timeoutMs, clock, signal }: RetryOptions,
): Promise<void> {
  signal.throwIfAborted();
  const attempt = new AbortController();
  const timer = clock.setTimeout(() => attempt.abort(new OTLPExporterError("Request timed out")), timeoutMs);
  const onAbort = (): void => attempt.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      attempt.signal.addEventListener("abort", () => reject(attempt.signal.reason as Error), { once: true });
      send(attempt.signal).then(resolve, reject);
    });
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", onAbort);
  }
}
