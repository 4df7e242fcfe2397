import { sleep } from "@almanac/core";
import type { ProviderClient } from "../client.ts";
import { ownerOf, type ProviderFunction } from "../contract.ts";
import { ProviderError } from "../error.ts";

// What the contract lets a manager ask again after UNAVAILABLE without knowing whether the first request had its effect.
const idempotent: ReadonlySet<ProviderFunction> = new Set([
  "validate",
  "getCapabilities",
  "taskStatus",
  "describeVM",
  "listVMs",
  "getDiskInfo",
  "deleteVM",
]);

const mostTries = 6;
const firstPauseMs = 10;

/**
 * Repeats what fails with an error that `isPassing` accepts, at most five times, with pauses that double from 10 ms. Rejects with the last
 * error, also when `signal` ends the wait.
 */
export async function withRetries<T>(
  call: () => Promise<T>,
  options: { readonly isPassing: (thrown: unknown) => boolean; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (thrown) {
      if (tries === mostTries || !options.isPassing(thrown)) throw thrown;
      const pauseMs = firstPauseMs * 2 ** (tries - 1);
      await sleep(pauseMs, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {
        throw thrown;
      });
    }
  }
}

function isUnavailable(thrown: unknown): boolean {
  return thrown instanceof ProviderError && thrown.code === "UNAVAILABLE";
}

/**
 * The client as a manager would use it: calls that are idempotent by contract, CreateVM with an owner among them, are repeated a few times
 * when the answer is UNAVAILABLE. Everything else comes back as it is. `client` stays the caller's to dispose.
 */
export function retryingClient(client: ProviderClient): ProviderClient {
  return new Proxy(client, {
    get(target, name, receiver) {
      const call: unknown = Reflect.get(target, name, receiver);
      if (typeof call !== "function" || typeof name !== "string") return call;
      return (request: object, options: { readonly signal?: AbortSignal } = {}) => {
        const send = () => (call as ProviderClient["validate"])(request, options);
        return isRepeatable(name as ProviderFunction, request)
          ? withRetries(send, { isPassing: isUnavailable, signal: options.signal })
          : send();
      };
    },
  });
}

function isRepeatable(name: ProviderFunction, request: object): boolean {
  if (name !== "createVM") return idempotent.has(name);
  return "tags" in request && ownerOf(request.tags as readonly string[]) !== undefined;
}
