import { setMaxListeners } from "node:events";
import { silentLogger, type Logger } from "@almanac/core";
import type { LeaderElector } from "@almanac/kube";
import type { Controller } from "./controller.ts";
import type { Shards } from "./shards.ts";

/** What is started before the controllers and stopped after them; an Informer fits. */
export interface Startable {
  readonly started: boolean;
  start(signal: AbortSignal): void;
  synced(signal?: AbortSignal): Promise<void>;
}

export interface RunControllersOptions {
  readonly controllers: readonly Controller[];
  /** Informers beside those that the controllers listen to. */
  readonly informers?: readonly Startable[];
  /** Only the leader's controllers run; the informers of all are kept warm. Default: they run at once. */
  readonly leaderElection?: LeaderElector;
  /** Takes this process' share of the namespaces while the controllers run, which should have it as their `partition`. */
  readonly shards?: Shards;
  readonly signal: AbortSignal;
  readonly logger?: Logger;
  /** Called once all informers are complete, before the controllers begin. */
  readonly onSynced?: () => void;
}

/**
 * Starts the informers that nobody started yet, waits until they are complete, and runs the controllers until `signal` aborts. Then, in
 * this order: the controllers drain, the lease is released, the informers stop. Rejects when a controller does.
 */
export async function runControllers(options: RunControllersOptions): Promise<void> {
  const { controllers, leaderElection, shards, signal, logger = silentLogger } = options;
  const informers = new Set<Startable>([
    ...controllers.flatMap((controller) => controller.informers),
    ...(options.informers ?? []),
  ]);
  // Not `signal`: while they drain, reconciles still read from the stores.
  const reading = new AbortController();
  try {
    for (const informer of informers) if (!informer.started) informer.start(reading.signal);
    try {
      await Promise.all([...informers].map((informer) => informer.synced(signal)));
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    logger.info("informers are complete", { informers: informers.size });
    options.onSynced?.();
    if (shards !== undefined) await runSharded(controllers, shards, signal);
    else if (leaderElection === undefined) await runAll(controllers, signal);
    else await leaderElection.run(signal, (leading) => runAll(controllers, leading));
  } finally {
    reading.abort(new Error("the controllers have stopped"));
  }
}

/** The shards are kept until the controllers have drained. */
async function runSharded(controllers: readonly Controller[], shards: Shards, signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const drained = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const sharing = shards.run(drained.signal).catch((error: unknown) => {
    failed.abort(error);
    throw error;
  });
  // Looked at below; until then it must not count as unhandled.
  sharing.catch(() => {});
  try {
    await runAll(controllers, stop);
  } finally {
    drained.abort(new Error("the controllers have stopped"));
    await sharing;
  }
}

/** One that fails stops the others, and its error is the result. */
async function runAll(controllers: readonly Controller[], signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  setMaxListeners(0, stop);
  const runs = controllers.map((controller) =>
    controller.run(stop).catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  for (const run of await Promise.allSettled(runs)) if (run.status === "rejected") throw run.reason;
}
