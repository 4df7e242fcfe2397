import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import { sleep, type Clock } from "@almanac/core";
import { readRetryDelayMs } from "./response.ts";

/** CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS (OTLP specification, "Failures"). */
const retryable: ReadonlySet<unknown> = new Set([1, 4, 10, 11, 14, 15]);
/** Only if the server says when to come again. */
const resourceExhausted = 8;

// As the official transport has them under HTTP.
const mostRetries = 5;
const firstBackoffMs = 1_000;
const longestBackoffMs = 5_000;
const backoffFactor = 1.5;
const jitter = 0.2;

/** Sends until it succeeds, for as long and as often as it makes sense. Rejects with the last failure. */
export async function sendWithRetries(
  send: () => Promise<void>,
  { timeoutMs, clock }: { readonly timeoutMs: number; readonly clock: Clock },
): Promise<void> {
  const deadline = clock.monotonic() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    try {
      await withinTime(send(), deadline - clock.monotonic(), clock);
      return;
    } catch (thrown) {
      const delayMs = attempt < mostRetries ? retryDelayMs(thrown, attempt) : undefined;
      if (delayMs === undefined || clock.monotonic() + delayMs >= deadline) throw thrown;
      await sleep(delayMs, { clock });
    }
  }
}

async function withinTime(pending: Promise<void>, timeoutMs: number, clock: Clock): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new OTLPExporterError("Request timed out")), timeoutMs);
    void pending.then(resolve, reject).finally(() => timer.cancel());
  });
}

function retryDelayMs(thrown: unknown, attempt: number): number | undefined {
  const { code, metadata } = thrown as {
    readonly code?: unknown;
    readonly metadata?: { get(key: string): (string | Uint8Array)[] };
  };
  const details = metadata?.get("grpc-status-details-bin")[0];
  const asked = details instanceof Uint8Array ? readRetryDelayMs(details) : undefined;
  if (code === resourceExhausted) return asked;
  if (!retryable.has(code)) return undefined;
  const backoffMs = firstBackoffMs * backoffFactor ** attempt * (1 + (Math.random() * 2 - 1) * jitter);
  return asked ?? Math.min(backoffMs, longestBackoffMs);
}
