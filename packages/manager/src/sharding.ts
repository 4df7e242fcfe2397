import { createFixedShard, createLeaderPartition, createShards } from "@almanac/controller";
import type { Partition, Shards } from "@almanac/controller";
import type { Clock } from "@almanac/core";
import { createLeaderElector } from "@almanac/kube";
import type { KubeClient, LeaderElector } from "@almanac/kube";
import type { Telemetry } from "@almanac/telemetry";
import { ManagerError } from "./error.ts";

export interface LeaderElectionOptions {
  /** Namespace of the Lease. */
  readonly namespace: string;
  /** Name of the Lease, and the label of `leader_election_master_status`. Default: `virtrigaud-manager`. */
  readonly name?: string;
  /** Unique to the process. Default: the host name and a random part. */
  readonly identity?: string;
  /** As in `createLeaderElector`, with `shards` as in `createShards`. */
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
}

/** How several managers share the namespaces: every namespace belongs to one shard, by its name. */
export type ShardingOptions =
  /** This one shard of `count`, counted from 0. With leader election, a Lease per shard lets others stand by. */
  | { readonly index: number; readonly count: number }
  /** So many shards, shared out evenly between the managers that are there. Needs leader election's options. */
  | { readonly shards: number };

/** Which objects this manager reconciles, and what has to run for that. */
export interface Share {
  readonly partition: Partition | undefined;
  readonly elector: LeaderElector | undefined;
  readonly shards: Shards | undefined;
}

/** @throws ManagerError, ControllerError or KubeError `invalid_options`. */
export function createShare(
  kube: KubeClient,
  options: {
    readonly leaderElection: LeaderElectionOptions | false | undefined;
    readonly sharding: ShardingOptions | undefined;
    readonly clock: Clock;
    readonly random: () => number;
    readonly telemetry: Telemetry;
  },
): Share {
  const { sharding, clock, random, telemetry } = options;
  const election = options.leaderElection === false ? undefined : options.leaderElection;
  const shared = { clock, random, logger: telemetry.logger, instruments: telemetry.stack };
  const name = election?.name ?? "virtrigaud-manager";
  if (sharding !== undefined && "shards" in sharding) {
    if (election === undefined) {
      throw new ManagerError(
        "invalid_options",
        "sharding by Leases (shards) needs leaderElection, which names their namespace",
      );
    }
    const shards = createShards(kube, { ...election, name, shards: sharding.shards, ...shared });
    return { partition: shards, elector: undefined, shards };
  }
  const leaseName = sharding === undefined ? name : `${name}-shard-${sharding.index}-of-${sharding.count}`;
  const elector =
    election === undefined ? undefined : createLeaderElector(kube, { ...election, name: leaseName, ...shared });
  if (sharding !== undefined) return { partition: createFixedShard(sharding, elector), elector, shards: undefined };
  return { partition: elector && createLeaderPartition(elector), elector, shards: undefined };
}
