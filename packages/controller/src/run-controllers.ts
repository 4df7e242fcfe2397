import type { Logger } from "@almanac/core";
import type { LeaderElector } from "@almanac/kube";
import type { Controller } from "./controller.ts";

export interface RunControllersOptions {
  readonly controllers: readonly Controller[];
  /** Informers beside those that the controllers listen to. */
  readonly informers?: readonly { start(signal: AbortSignal): void; synced(signal?: AbortSignal): Promise<void> }[];
  /** Only the leader's controllers run. Default: they run at once. */
  readonly leaderElection?: LeaderElector;
  readonly signal: AbortSignal;
  readonly logger?: Logger;
  /** Called once all informers are complete, before the controllers begin. */
  readonly onSynced?: () => void;
}

/** Runs controllers until the signal aborts. */
export declare function runControllers(options: RunControllersOptions): Promise<void>;
