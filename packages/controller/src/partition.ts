import type { LeaderElector } from "@almanac/kube";
import { KubeError } from "@almanac/kube";
import { ControllerError } from "./error.ts";

/** Which objects this process may act on now; asked before anything is queued and before each reconcile. */
export interface Partition {
  /** For one reconcile of an object in `namespace` (empty for cluster-scoped ones). Undefined: another process' business. */
  enter(namespace: string): Hold | undefined;
  owns(namespace: string): boolean;
  /** Calls `listener` with a test for the namespaces that have just come to this process. */
  onGain(listener: (gained: (namespace: string) => boolean) => void): Disposable;
}

/** The right to act on one object, until it is disposed of. */
export interface Hold extends Disposable {
  /** Aborts when the right is lost. */
  readonly signal: AbortSignal;
  /** Measured at the moment of asking: a timer may be late, after a long pause of the process above all. */
  readonly current: boolean;
}

const never = new AbortController().signal;

/** A number below `shards` for each namespace, the same in every process and every version. FNV-1a with a final mix. */
export function shardOf(namespace: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(namespace)) hash = Math.imul(hash ^ byte, 0x01000193);
  // Names that differ in their last letter only must not end up in a row.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % shards;
}

/** The namespaces of one shard of `count`, for ever: who else has the shard is decided elsewhere. `index` counts from 0. */
export function createFixedShard(
  { index, count }: { readonly index: number; readonly count: number },
  elector?: LeaderElector,
): Partition {
  if (!(Number.isInteger(count) && count >= 1 && Number.isInteger(index) && index >= 0 && index < count)) {
    throw new ControllerError("invalid_options", `a shard needs 0 <= index < count, got index=${index} count=${count}`);
  }
  const hold: Hold = {
    signal: never,
    get current() {
      return elector?.leading ?? true;
    },
    [Symbol.dispose]() {},
  };
  const owns = (namespace: string): boolean => count === 1 || shardOf(namespace, count) === index;
  return {
    owns,
    enter: (namespace) => (owns(namespace) && hold.current ? hold : undefined),
    onGain: () => ({ [Symbol.dispose]() {} }),
  };
}

/** Everything, as long as `elector` leads by its clock: a reconcile neither begins nor writes after that. */
export function createLeaderPartition(elector: LeaderElector): Partition {
  return createFixedShard({ index: 0, count: 1 }, elector);
}

/** Why a reconcile that lost its object may not go on. */
export function lostHold(): KubeError {
  return new KubeError("leadership_lost", "another process may act on this object now");
}
