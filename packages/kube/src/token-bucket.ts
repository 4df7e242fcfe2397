import { sleep, systemClock, type Clock } from "@almanac/core";
import { KubeError } from "./error.ts";

export interface TokenBucket {
  /** Takes one token, on credit if need be, and says how long to wait for it in milliseconds. */
  reserve(): number;
  /** Takes one token if there is one. */
  tryTake(): boolean;
  /** Waits for a token. Rejects with the signal's reason. */
  take(signal?: AbortSignal): Promise<void>;
}

/** `perSecond` on average, `burst` at once. Starts full. */
export function createTokenBucket(
  rate: { readonly perSecond: number; readonly burst: number },
  clock: Clock = systemClock,
): TokenBucket {
  const { perSecond, burst } = rate;
  if (!(perSecond > 0 && burst >= 1)) {
    throw new KubeError(
      "invalid_options",
      `a rate needs perSecond > 0 and burst >= 1, got perSecond=${perSecond} burst=${burst}`,
    );
  }
  let tokens = burst;
  let filledAt = clock.monotonic();

  function fill(): void {
    const now = clock.monotonic();
    tokens = Math.min(burst, tokens + ((now - filledAt) / 1000) * perSecond);
    filledAt = now;
  }

  function reserve(): number {
    fill();
    tokens -= 1;
    return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
  }

  return {
    reserve,
    tryTake() {
      fill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
    async take(signal) {
      const waitMs = reserve();
      if (waitMs === 0) return;
      try {
        await sleep(waitMs, { clock, signal });
      } catch (error) {
        tokens += 1;
        throw error;
      }
    },
  };
}
