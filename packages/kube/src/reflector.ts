import { sleep, type Clock, type Logger } from "@almanac/core";
import { createJitteredBackoff, longestRetryAfterMs } from "./backoff.ts";
import type { Cache } from "./cache.ts";
import { isKubeError, KubeError } from "./error.ts";
import { compareResourceVersions, type KubeObject } from "./objects.ts";
import type { ResourceClient } from "./resource.ts";

/** What the reflector says about itself; it is the only writer. */
export interface ReflectorHealth {
  lastActivityMs: number | undefined;
  lastError: Error | undefined;
  failures: number;
  /** Lists that became the store's content. */
  lists: number;
}

interface ReflectorOptions<T extends KubeObject> {
  readonly resource: ResourceClient<T>;
  readonly cache: Cache<T>;
  readonly health: ReflectorHealth;
  readonly namespace: string | undefined;
  readonly labelSelector: string | undefined;
  readonly fieldSelector: string | undefined;
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** A list was taken over. */
  readonly onListed: () => void;
}

/** A watch that lived so long proves that the connection works, whatever ended it. */
const healthyWatchMs = 5_000;

/**
 * Lists, then watches from the version of the list, again and again until `signal` aborts. Nothing else ends it: every failure leads to
 * a new watch from the last version seen, or to a new list when the server has forgotten that version, after a growing pause.
 *
 * Lists ask for the most recent state, page by page, and not for resourceVersion=0: a list from an API server's lagging cache can be
 * older than what the store already shows, which would take it back in time. Source: kubernetes/kubernetes#59848, KEP-2340.
 */
export async function runReflector<T extends KubeObject>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<void> {
  const { resource, cache, health, clock, logger, random } = options;
  const { namespace, labelSelector, fieldSelector } = options;
  const backoff = createJitteredBackoff({ random });
  let listFirst = true;

  function active(): void {
    health.lastActivityMs = clock.now();
  }

  async function list(): Promise<void> {
    cache.beginList();
    const all = await resource.list({ namespace, labelSelector, fieldSelector, signal });
    if (all.resourceVersion === "")
      throw new KubeError("protocol", `the list of ${resource.definition.plural} has no resourceVersion`);
    cache.replace(all.items, all.resourceVersion, health.lists === 0);
    health.lists += 1;
    listFirst = false;
    active();
    options.onListed();
  }

  /** Ends with the watch. */
  async function watch(progress: { news: boolean }): Promise<void> {
    const events = resource.watch({
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: cache.position,
      // Spread, so that watches opened together do not end together. Source: client-go, 5 to 10 minutes.
      timeoutSeconds: Math.floor(300 * (1 + random())),
      idleTimeoutMs: options.idleTimeoutMs,
      signal,
    });
    for await (const event of events) {
      active();
      health.failures = 0;
      if (event.type === "BOOKMARK" && (compareResourceVersions(event.resourceVersion, cache.position) ?? 0) < 0) {
        // Restored from a backup or started empty: versions seen so far belong to another history.
        throw new KubeError(
          "gone",
          `the server is at version ${event.resourceVersion}, before ${cache.position ?? ""}`,
        );
      }
      if (cache.apply(event)) progress.news = true;
    }
  }

  while (!signal.aborted) {
    const progress = { news: false };
    let startedAt = clock.monotonic();
    let failure: KubeError | undefined;
    try {
      if (listFirst) {
        await list();
        startedAt = clock.monotonic();
      }
      await watch(progress);
    } catch (thrown) {
      failure = KubeError.from(thrown);
    }
    if (signal.aborted) return;

    const healthy = clock.monotonic() - startedAt >= healthyWatchMs;
    if (healthy || progress.news) backoff.reset();
    health.lastError = failure;
    if (failure !== undefined && needsList(failure)) listFirst = true;
    const fields = { resource: resource.definition.plural, code: failure?.code, error: failure?.message };
    // The end of a watch and an expired version are everyday events; pauses are for what happens at once or over and over.
    const everyday = failure === undefined || failure.code === "gone";
    if (everyday && healthy) {
      logger.debug("watch ended", fields);
      continue;
    }
    // Asked for by one answer to many clients, which must not come back all at once.
    const askedForMs = Math.min(failure?.retryAfterMs ?? 0, longestRetryAfterMs) * (1 + random());
    const pauseMs = Math.max(backoff.next(), askedForMs);
    health.failures = backoff.failures;
    if (everyday) logger.debug("watch ended early", { ...fields, pauseMs: Math.round(pauseMs) });
    else
      logger.warn("list or watch failed, trying again", {
        ...fields,
        failures: backoff.failures,
        pauseMs: Math.round(pauseMs),
      });
    await sleep(pauseMs, { clock, signal }).catch(() => {});
  }
}

/** After these the version last seen is of no use, or the same answer would come again. */
function needsList(failure: KubeError): boolean {
  // A version the server has not reached yet, which it will not soon if its history was reset.
  if (failure.code === "timeout" && failure.causes.some((cause) => cause.reason === "ResourceVersionTooLarge"))
    return true;
  return isKubeError(failure, "gone", "protocol", "bad_request", "invalid");
}
