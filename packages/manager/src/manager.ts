import type { Clock } from "@almanac/core";
import type { TlsFiles } from "@almanac/grpc";
import type { KubeClient } from "@almanac/kube";
import type { Telemetry } from "@almanac/telemetry";

export interface LeaderElectionOptions {
  /** Namespace of the Lease. */
  readonly namespace: string;
  /** Name of the Lease, and the label of `leader_election_master_status`. Default: `virtrigaud-manager`. */
  readonly name?: string;
  /** Unique to the process. Default: the host name and a random part. */
  readonly identity?: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
}

export interface ManagerOptions {
  readonly kube: KubeClient;
  /** Started with owner `manager` and the catalog `virtrigaud`. */
  readonly telemetry: Telemetry;
  /** Client certificate towards all providers; plaintext only when asked for in so many words. */
  readonly tls: TlsFiles | "insecure";
  /** Where to dial a Provider (`namespace/name`) instead of its Service, `host:port`. Asked before every new connection. */
  readonly providerEndpoint?: (namespacedName: string) => string | undefined;
  /** Only the holder of a Lease reconciles. Default: false, it reconciles at once. */
  readonly leaderElection?: LeaderElectionOptions | false;
  /** VirtualMachines reconciled at the same time. Default: 8. */
  readonly concurrency?: number;
  /** How often a machine at rest is compared with its hypervisor, milliseconds, plus up to 10 %. Default: 60,000. */
  readonly describeIntervalMs?: number;
  /** How long reconciles under way may take to end at a stop, milliseconds. 0 cuts them off. Default: 10,000. */
  readonly drainMs?: number;
  /** Labels of `virtrigaud_build_info`. Default: this package's version, and `unknown`. */
  readonly build?: { readonly version?: string; readonly gitSha?: string };
  readonly clock?: Clock;
  /** Stops the manager, as disposing does. */
  readonly signal?: AbortSignal;
}

/** A running manager. Disposing it stops it and waits for what is under way. */
export interface Manager extends AsyncDisposable {
  /** It reconciles now: its informers are complete and, with leader election, it holds the Lease. */
  readonly leading: boolean;
  /** Resolves when it has stopped; rejects when it could not go on. */
  readonly ended: Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** Starts the reconcilers. Resolves once the informers are complete. */
export declare function startManager(options: ManagerOptions): Promise<Manager>;
