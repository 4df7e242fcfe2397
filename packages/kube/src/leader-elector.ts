import type { Clock, Logger } from "@almanac/core";
import type { KubeClient } from "./client.ts";

/** The one family this package records; a Telemetry's `stack` fits. */
export interface LeaderElectionInstruments {
  readonly leader_election_master_status: {
    observe(callback: (observe: (value: number, labels: { name: string }) => void) => void): Disposable;
  };
}

export interface LeaderElectorOptions {
  readonly namespace: string;
  /** Of the Lease, and the metric's `name`. */
  readonly name: string;
  /** Must be unique to the process. Default: the host name and a random part. */
  readonly identity?: string;
  /** For so long others wait after the last renewal they saw. Default: 15,000. At least 1,000. */
  readonly leaseDurationMs?: number;
  /** The leader gives up when it could not renew for so long. Default: 10,000. Shorter than leaseDurationMs. */
  readonly renewDeadlineMs?: number;
  /** Between two tries to acquire or renew, plus jitter. Default: 2,000. */
  readonly retryPeriodMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly random?: () => number;
  readonly instruments?: LeaderElectionInstruments;
  onState?(leading: boolean): void;
}

/** What a leader may show to others, so that they refuse a deposed one. */
export interface LeaderTerm {
  /** `leaseTransitions` of the Lease: grows with every change of holder. */
  readonly transitions: number;
  readonly identity: string;
}

export interface LeaderElector {
  readonly identity: string;
  /** Leads now; measured at the moment of asking, so false as soon as the lease may have run out. */
  readonly leading: boolean;
  /**
   * Campaigns until `signal` aborts, and calls `lead` for every term. `lead`'s signal aborts when leadership is lost (reason: KubeError
   * `leadership_lost`) or when `signal` aborts; the lease is kept while `lead` winds down and released afterwards. After a loss it
   * campaigns anew once `lead` ended. When `lead` ends by itself, the lease is released and `run` ends the same way.
   */
  run(signal: AbortSignal, lead: (signal: AbortSignal, term: LeaderTerm) => Promise<void>): Promise<void>;
}

export declare function createLeaderElector(client: KubeClient, options: LeaderElectorOptions): LeaderElector;
