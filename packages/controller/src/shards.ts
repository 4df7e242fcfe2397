import { createHash, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { silentLogger, sleep, systemClock, type Clock, type Logger } from "@almanac/core";
import { createLeaderElector, isKubeError, KubeError, leaseResource, linkSignals, microTime } from "@almanac/kube";
import type { KubeClient, LeaderElectionInstruments, LeaderElector, Lease, LinkedSignal } from "@almanac/kube";
import { ControllerError } from "./error.ts";
import { shardOf, type Hold, type Partition } from "./partition.ts";

export interface ShardsOptions {
  /** Namespace of the Leases. */
  readonly namespace: string;
  /** The Leases are `NAME-shard-I` and, one per process, `NAME-member-HASH`. */
  readonly name: string;
  /** How many shards there are; the same in every process. At most 1,000. */
  readonly shards: number;
  /** Must be unique to the process. Default: the host name and a random part. */
  readonly identity?: string;
  /** For so long others wait after the last sign of life. Default: 10,000. */
  readonly leaseDurationMs?: number;
  /** A shard that could not be renewed for so long is given up. Default: 7,000. */
  readonly renewDeadlineMs?: number;
  /** Between two looks at a Lease, plus up to 20 %. Default: 1,500. */
  readonly retryPeriodMs?: number;
  /** When a shard is handed over, reconciles in it may go on for so long before their signal aborts. Default: 5,000. */
  readonly drainMs?: number;
  /** After the abort, how long a reconcile may ignore it before `run` rejects. Default: 2,000. */
  readonly abandonMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
  readonly instruments?: LeaderElectionInstruments;
}

/** This process' share of the shards. */
export interface Shards extends Partition {
  readonly identity: string;
  /** Shards held now, measured at the moment of asking. */
  readonly held: readonly number[];
  /** Processes seen alive, this one included. */
  readonly members: readonly string[];
  /**
   * Takes and keeps a fair share until `signal` aborts, then hands everything over. Rejects with ControllerError `drain_timeout` when a
   * reconcile ignores its signal: two processes may then act on one object, and this one should end.
   */
  run(signal: AbortSignal): Promise<void>;
}

interface Tenure {
  readonly lost: AbortController;
  /** Reconciles that run. */
  inWork: number;
  /** Called when none runs any more. */
  idle: () => void;
}

const drainCheckMs = 250;
const groupLabel = "almanac.dev/shard-group";

/**
 * Shards of namespaces, each with its own Lease, shared out evenly between the processes that renew a Lease of their own as members. A
 * process that has more than its share hands the surplus over once what runs there has ended; one that has less takes what is free, and
 * anyone what lies there free for a while: one that died has a share until its Lease has aged.
 * A shard without a sign of life is free after `leaseDurationMs`; its last holder has given it up at `renewDeadlineMs`, both measured on
 * monotonic clocks, so that no object ever has two reconcilers. Throws ControllerError or KubeError `invalid_options`.
 */
export function createShards(client: KubeClient, options: ShardsOptions): Shards {
  const { namespace, name, shards: count, clock = systemClock, random = Math.random, instruments } = options;
  const { leaseDurationMs = 10_000, renewDeadlineMs = 7_000, retryPeriodMs = 1_500 } = options;
  // By then everybody else has looked at a shard once, at least.
  const othersLookMs = retryPeriodMs * 1.25;
  const { drainMs = 5_000, abandonMs = 2_000, identity = `${hostname()}_${randomUUID()}` } = options;
  if (!(Number.isInteger(count) && count >= 1 && count <= 1_000)) {
    throw new ControllerError("invalid_options", `shards must be a whole number from 1 to 1,000, got ${count}`);
  }
  const logger = (options.logger ?? silentLogger).child({ shards: name, identity });
  const leases = client.resource<Lease>(leaseResource);
  const memberName = `${name}-member-${createHash("sha256").update(identity).digest("hex").slice(0, 16)}`;
  const labels = { [groupLabel]: name };
  const sightings = new Map<string, { readonly record: string; readonly atMs: number }>();
  let members: string[] = [identity];
  const tenures = new Map<number, Tenure>();
  const campaigns = new Map<number, LinkedSignal>();
  const listeners = new Set<(gained: (of: string) => boolean) => void>();
  // Shards held, being taken or being handed over.
  let taken = 0;
  // When a free shard beyond the own share was first and last seen.
  const leftToOthers = new Map<number, { readonly sinceMs: number; readonly seenMs: number }>();
  // Taken beyond the own share: not to be handed over before those that died are known to be dead.
  const keptUntilMs = new Map<number, number>();

  const electors: LeaderElector[] = Array.from({ length: count }, (_, shard) =>
    createLeaderElector(client, {
      namespace,
      name: `${name}-shard-${shard}`,
      identity,
      leaseDurationMs,
      renewDeadlineMs,
      retryPeriodMs,
      clock,
      random,
      logger: options.logger ?? silentLogger,
      ...(instruments === undefined ? {} : { instruments }),
      permit() {
        if (taken >= quota()) {
          if (!liesThere(shard)) return undefined;
          keptUntilMs.set(shard, clock.monotonic() + leaseDurationMs);
        }
        taken += 1;
        return { [Symbol.dispose]: () => void (taken -= 1) };
      },
    }),
  );

  /** This shard was left to others, and they have had time enough to take it. */
  function liesThere(shard: number): boolean {
    const nowMs = clock.monotonic();
    const before = leftToOthers.get(shard);
    const isSame = before !== undefined && nowMs - before.seenMs < 2 * retryPeriodMs;
    const sinceMs = isSame ? before.sinceMs : nowMs;
    leftToOthers.set(shard, { sinceMs, seenMs: nowMs });
    return nowMs - sinceMs >= othersLookMs;
  }

  function quota(): number {
    const rank = members.indexOf(identity);
    return Math.floor(count / members.length) + (rank < count % members.length ? 1 : 0);
  }

  /** One sign of life, and a look at the others'. */
  async function attend(signal: AbortSignal): Promise<void> {
    const call = { signal, timeoutMs: renewDeadlineMs };
    const at = microTime(clock.now());
    const spec = { holderIdentity: identity, leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000), renewTime: at };
    const body = { metadata: { namespace, name: memberName, labels }, spec };
    try {
      await leases.patch({ namespace, name: memberName }, { spec }, { type: "merge", ...call });
    } catch (error) {
      if (!isKubeError(error, "not_found")) throw error;
      await leases.create(body, call);
    }
    const { items } = await leases.list({ namespace, labelSelector: `${groupLabel}=${name}`, ...call });
    const now = clock.monotonic();
    const seen = new Set<string>();
    for (const lease of items) {
      const holder = lease.spec?.holderIdentity ?? "";
      seen.add(holder);
      const record = `${lease.metadata.uid} ${lease.spec?.renewTime}`;
      if (sightings.get(holder)?.record !== record) sightings.set(holder, { record, atMs: now });
      // A process that was killed leaves its Lease behind.
      if (now - (sightings.get(holder)?.atMs ?? now) > 10 * leaseDurationMs && holder !== identity) {
        await leases.delete(lease.metadata, call).catch(() => {});
      }
    }
    for (const holder of sightings.keys()) if (!seen.has(holder)) sightings.delete(holder);
    const alive = [...sightings].filter(([, { atMs }]) => now - atMs < leaseDurationMs).map(([holder]) => holder);
    const next = [...new Set([identity, ...alive])].sort();
    if (next.join() !== members.join()) logger.info("the members have changed", { members: next.length });
    members = next;
  }

  /** Hands over what is more than the share. */
  function yieldSurplus(): void {
    const nowMs = clock.monotonic();
    const settled = [...tenures.keys()].filter(
      (shard) => campaigns.get(shard)?.signal.aborted === false && (keptUntilMs.get(shard) ?? 0) <= nowMs,
    );
    const surplus = Math.max(0, settled.length - quota());
    for (const shard of settled.sort((a, b) => b - a).slice(0, surplus)) {
      logger.info("handing a shard over", { shard });
      campaigns.get(shard)?.abort(new ControllerError("stopping", "the shard is handed over"));
    }
  }

  async function attendAlways(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await attend(signal);
        yieldSurplus();
      } catch (thrown) {
        if (signal.aborted) break;
        // Each shard's own Lease decides whether it is kept; this only stops it from being shared out anew.
        const { code, message } = KubeError.from(thrown);
        logger.warn("cannot give a sign of life", { code, error: message });
      }
      await sleep(retryPeriodMs * (1 + random() * 0.2), { clock, signal }).catch(() => {});
    }
  }

  async function serve(shard: number, signal: AbortSignal): Promise<void> {
    const tenure: Tenure = { lost: new AbortController(), inWork: 0, idle: () => {} };
    tenures.set(shard, tenure);
    for (const listener of listeners) listener((of) => shardOf(of, count) === shard);
    await aborted(signal);
    // Nothing new begins from here on.
    tenures.delete(shard);
    if (tenure.inWork === 0) return;
    const idle = new Promise<true>((resolve) => (tenure.idle = () => resolve(true)));
    const lost = isKubeError(signal.reason, "leadership_lost") ? signal.reason : undefined;
    if (lost === undefined && (await drained(idle, shard))) return;
    tenure.lost.abort(lost ?? new ControllerError("stopping", `shard ${shard} is handed over`));
    if (await within(idle, abandonMs)) return;
    throw new ControllerError("drain_timeout", `shard ${shard}: ${tenure.inWork} reconciles ignore their signal`);
  }

  /** Waits as long as the Lease is still this process' own: its renewals may fail just now. */
  async function drained(idle: Promise<true>, shard: number): Promise<boolean> {
    const until = clock.monotonic() + drainMs;
    for (let leftMs = drainMs; leftMs > 0 && electors[shard]?.leading === true; leftMs = until - clock.monotonic()) {
      if (await within(idle, Math.min(leftMs, drainCheckMs))) return true;
    }
    return false;
  }

  async function within(idle: Promise<true>, ms: number): Promise<boolean> {
    const late = Promise.withResolvers<false>();
    const timer = clock.setTimeout(() => late.resolve(false), ms);
    return Promise.race([idle, late.promise]).finally(() => timer.cancel());
  }

  async function campaign(shard: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      using linked = linkSignals(signal);
      campaigns.set(shard, linked);
      await electors[shard]?.run(linked.signal, (leading) => serve(shard, leading));
    }
  }

  const isHeld = (shard: number): boolean => tenures.has(shard) && electors[shard]?.leading === true;

  return {
    identity,
    get held() {
      return [...tenures.keys()].filter(isHeld).sort((a, b) => a - b);
    },
    get members() {
      return members;
    },
    owns: (of) => isHeld(shardOf(of, count)),
    enter(of): Hold | undefined {
      const shard = shardOf(of, count);
      const tenure = tenures.get(shard);
      if (tenure === undefined || !isHeld(shard)) return undefined;
      tenure.inWork += 1;
      let left = false;
      return {
        signal: tenure.lost.signal,
        get current() {
          return !left && !tenure.lost.signal.aborted && electors[shard]?.leading === true;
        },
        [Symbol.dispose]() {
          if (left) return;
          left = true;
          tenure.inWork -= 1;
          if (tenure.inWork === 0) tenure.idle();
        },
      };
    },
    onGain(listener) {
      listeners.add(listener);
      for (const shard of tenures.keys()) listener((of) => shardOf(of, count) === shard);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async run(signal) {
      using failed = linkSignals(signal);
      const attending = new AbortController();
      const stop = attending.signal;
      // Who joins must be known before the first shard is taken, or everything would be taken and handed over again.
      await attend(failed.signal).catch((error: unknown) => {
        if (!signal.aborted) logger.warn("cannot give a sign of life", { error: KubeError.from(error).message });
      });
      const attendance = attendAlways(stop);
      const running = electors.map((_, shard) =>
        campaign(shard, failed.signal).catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      );
      const ends = await Promise.allSettled(running);
      attending.abort();
      await attendance;
      // So that the others need not wait until it is missed.
      await leases
        .delete({ namespace, name: memberName }, { timeoutMs: 2_000 })
        .catch((error: unknown) =>
          logger.info("the member's lease stays behind", { error: KubeError.from(error).message }),
        );
      for (const end of ends) if (end.status === "rejected") throw end.reason;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
