import { setMaxListeners } from "node:events";

export interface LinkedSignal extends Disposable {
  /** Aborts with the reason of the first of its sources that does. */
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
}

/**
 * As `AbortSignal.any`, but let go of by hand: a signal made by `any` stays in memory as long as one of its sources lives and a listener
 * was left on it, which for a process-long source is a leak per request.
 */
export function linkSignals(...sources: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const listeners: { readonly source: AbortSignal; readonly listener: () => void }[] = [];
  for (const source of sources) {
    if (source === undefined) continue;
    if (source.aborted) {
      controller.abort(source.reason);
      break;
    }
    // One signal ends many requests and informers; Node would warn of a leak at the eleventh.
    setMaxListeners(0, source);
    const listener = (): void => controller.abort(source.reason);
    source.addEventListener("abort", listener, { once: true });
    listeners.push({ source, listener });
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]() {
      for (const { source, listener } of listeners) source.removeEventListener("abort", listener);
    },
  };
}
