import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { stack } from "@almanac/catalog";
import { silentLogger, sleep, systemClock, type Clock, type Logger } from "@almanac/core";
import type { Instruments } from "@almanac/metrics";
import type { KubeClient } from "./client.ts";
import { isKubeError, KubeError } from "./error.ts";
import { leaseResource, microTime, type Lease } from "./lease.ts";

/** The one family this package records; a Telemetry's `stack` fits. */
export type LeaderElectionInstruments = Pick<Instruments<typeof stack>, "leader_election_master_status">;

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
  /** Between two tries to acquire or renew, plus up to 20 %. Default: 2,000. Shorter than renewDeadlineMs. */
  readonly retryPeriodMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly random?: () => number;
  readonly instruments?: LeaderElectionInstruments;
  onState?(leading: boolean): void;
  /**
   * Asked when the lease is free, before it is taken: undefined leaves it to others for now. The permit is disposed of when it was not taken
   * after all, or when its term has ended. Default: always.
   */
  permit?(): Disposable | undefined;
}

/** What a leader may show to others, so that they refuse a deposed one. */
export interface LeaderTerm {
  /** `leaseTransitions` of the Lease: grows with every term. */
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

/** The lease as it was last seen in another state, and when, by this process's clock. */
interface Sighting {
  readonly lease: Lease;
  readonly record: string;
  readonly atMs: number;
}

interface Held {
  lease: Lease;
  readonly transitions: number;
  readonly permit: Disposable | undefined;
  /** Start of the request that acquired or last renewed the lease, on both clocks. */
  since: { monotonicMs: number; wallMs: number };
}

/**
 * Leader election on a Lease. A candidate trusts no timestamp in it: it waits for the lease's duration, by its own monotonic clock, since
 * it last saw the lease change. A leader counts from the start of its last successful request and gives up earlier than that. So two never
 * lead at once, whatever their wall clocks do, as long as their monotonic clocks run equally fast.
 * Source: client-go, tools/leaderelection. Throws KubeError `invalid_options` for durations that do not fit together.
 */
export function createLeaderElector(client: KubeClient, options: LeaderElectorOptions): LeaderElector {
  const { namespace, name, clock = systemClock, random = Math.random, instruments } = options;
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
  const identity = options.identity ?? `${hostname()}_${randomUUID()}`;
  if (!(
    leaseDurationMs >= 1000 &&
    renewDeadlineMs < leaseDurationMs &&
    retryPeriodMs > 0 &&
    retryPeriodMs * 1.2 < renewDeadlineMs
  )) {
    throw new KubeError(
      "invalid_options",
      "leader election needs leaseDurationMs >= 1000, renewDeadlineMs < leaseDurationMs and 0 < 1.2 * retryPeriodMs < renewDeadlineMs, " +
        `got leaseDurationMs=${leaseDurationMs} renewDeadlineMs=${renewDeadlineMs} retryPeriodMs=${retryPeriodMs}`,
    );
  }
  const logger = (options.logger ?? silentLogger).child({ lease: `${namespace}/${name}`, identity });
  const leases = client.resource<Lease>(leaseResource);
  let sighting: Sighting | undefined;
  let held: Held | undefined;

  function leading(): boolean {
    if (held === undefined) return false;
    const { monotonicMs, wallMs } = held.since;
    // The monotonic clock stands still while the machine is suspended; the wall clock then shows what was slept through. A step of the
    // wall clock forwards costs a term, which is the cheaper mistake.
    return clock.monotonic() - monotonicMs < renewDeadlineMs && clock.now() - wallMs < renewDeadlineMs;
  }

  function pause(): number {
    return retryPeriodMs * (1 + random() * 0.2);
  }

  function now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: clock.monotonic(), wallMs: clock.now() };
  }

  function isHeldByAnother(lease: Lease): boolean {
    const record = JSON.stringify([lease.metadata.uid, lease.metadata.resourceVersion, lease.spec]);
    if (sighting?.record !== record) sighting = { lease, record, atMs: clock.monotonic() };
    // One of this identity that this run does not hold is a former process's, or a second one's by mistake.
    if ((lease.spec?.holderIdentity ?? "") === "") return false;
    return clock.monotonic() < sighting.atMs + (lease.spec?.leaseDurationSeconds ?? leaseDurationMs / 1000) * 1000;
  }

  /** One try. What it throws is an ordinary failure. */
  async function acquire(signal: AbortSignal): Promise<boolean> {
    const found = await leases.find({ namespace, name }, { signal, timeoutMs: renewDeadlineMs });
    if (found === undefined && sighting !== undefined && isHeldByAnother(sighting.lease)) {
      // Someone deleted the lease under its holder, who notices at its next renewal only.
      return false;
    }
    if (found !== undefined && isHeldByAnother(found)) return false;
    const since = now();
    const at = microTime(since.wallMs);
    const transitions = (found?.spec?.leaseTransitions ?? -1) + 1;
    const spec = {
      ...found?.spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: at,
      renewTime: at,
      leaseTransitions: transitions,
    };
    const call = { signal, timeoutMs: renewDeadlineMs };
    const permit = options.permit?.();
    if (options.permit !== undefined && permit === undefined) return false;
    try {
      const lease = await (found === undefined
        ? leases.create({ metadata: { namespace, name }, spec }, call)
        : leases.replace({ ...found, spec }, call));
      held = { lease, transitions, since, permit };
    } catch (error) {
      permit?.[Symbol.dispose]();
      throw error;
    }
    return true;
  }

  async function campaign(signal: AbortSignal): Promise<Held | undefined> {
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        if ((await acquire(signal)) && leading()) return held;
        held?.permit?.[Symbol.dispose]();
        held = undefined;
      } catch (thrown) {
        const error = KubeError.from(thrown);
        if (signal.aborted) break;
        // Someone else was faster.
        const usual = isKubeError(error, "conflict", "already_exists");
        logger[usual ? "debug" : "warn"]("cannot acquire the lease", { code: error.code, error: error.message });
      }
      if (tries === 0) logger.info("waiting for the lease", { holder: sighting?.lease.spec?.holderIdentity });
      await sleep(pause(), { clock, signal }).catch(() => {});
    }
    return undefined;
  }

  /** Renews until `stop` aborts or the lease is lost. True when it still holds the lease. */
  async function keepRenewing(term: Held, stop: AbortSignal): Promise<boolean> {
    for (;;) {
      await sleep(pause(), { clock, signal: stop }).catch(() => {});
      if (stop.aborted) return leading();
      if (!leading()) return false;
      try {
        await renew(term, stop);
      } catch (thrown) {
        const error = KubeError.from(thrown);
        if (stop.aborted) return leading();
        if (error.code === "leadership_lost") {
          logger.warn("the lease has another holder", { holder: sighting?.lease.spec?.holderIdentity });
          return false;
        }
        logger.warn("cannot renew the lease", { code: error.code, error: error.message });
      }
    }
  }

  async function renew(term: Held, signal: AbortSignal): Promise<void> {
    for (let tries = 0; ; tries++) {
      const since = now();
      const remainingMs = term.since.monotonicMs + renewDeadlineMs - since.monotonicMs;
      try {
        const spec = { ...term.lease.spec, renewTime: microTime(since.wallMs) };
        term.lease = await leases.replace({ ...term.lease, spec }, { signal, timeoutMs: Math.max(1, remainingMs) });
        // An answer that comes after the deadline is of no use: others may have acquired the lease in between.
        if (leading()) term.since = since;
        return;
      } catch (error) {
        if (isKubeError(error, "not_found"))
          throw new KubeError("leadership_lost", "the lease was deleted", { cause: error });
        if (!isKubeError(error, "conflict") || tries > 0) throw error;
        // Either another holder, or our own renewal whose answer was lost, or a label someone set.
        const found = await leases.get({ namespace, name }, { signal, timeoutMs: Math.max(1, remainingMs) });
        if (found.spec?.holderIdentity !== identity || found.spec.leaseTransitions !== term.transitions) {
          isHeldByAnother(found);
          throw new KubeError("leadership_lost", `the lease has the holder "${found.spec?.holderIdentity ?? ""}"`, {
            cause: error,
          });
        }
        term.lease = found;
      }
    }
  }

  async function release(term: Held): Promise<void> {
    const call = { timeoutMs: Math.min(renewDeadlineMs, 5_000) };
    const released = (lease: Lease): Lease => {
      const at = microTime(clock.now());
      return {
        ...lease,
        spec: { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: at, acquireTime: at },
      };
    };
    try {
      try {
        await leases.replace(released(term.lease), call);
      } catch (error) {
        if (!isKubeError(error, "conflict")) throw error;
        // A renewal was cut off after the server had carried it out.
        const found = await leases.get({ namespace, name }, call);
        const ours = found.spec?.holderIdentity === identity && found.spec.leaseTransitions === term.transitions;
        if (ours) await leases.replace(released(found), call);
      }
    } catch (error) {
      logger.info("the lease could not be released and will run out", { error: KubeError.from(error).message });
    }
  }

  function announce(state: boolean): void {
    logger.info(state ? "leading" : "no longer leading");
    instruments?.leader_election_master_status.record(state ? 1 : 0, { name });
    try {
      options.onState?.(state);
    } catch (error) {
      logger.error("onState threw", { error });
    }
  }

  /** True when the lease was lost, false when `lead` ended. */
  async function serve(
    term: Held,
    signal: AbortSignal,
    lead: (signal: AbortSignal, term: LeaderTerm) => Promise<void>,
  ): Promise<boolean> {
    const lost = new AbortController();
    const ended = new AbortController();
    announce(true);
    // The renewals wait for an answer until the deadline; the watchdog does not.
    const watchdog = (): void => {
      const remainingMs = term.since.monotonicMs + renewDeadlineMs - clock.monotonic();
      if (remainingMs <= 0)
        lost.abort(new KubeError("leadership_lost", `the lease could not be renewed within ${renewDeadlineMs} ms`));
      else timer = clock.setTimeout(watchdog, remainingMs);
    };
    let timer = clock.setTimeout(watchdog, renewDeadlineMs);
    lost.signal.addEventListener("abort", () => announce(false), { once: true });
    const stop = AbortSignal.any([ended.signal, lost.signal]);
    const renewing = keepRenewing(term, stop).then((still) => {
      if (!still && !lost.signal.aborted) lost.abort(new KubeError("leadership_lost", "the lease was lost"));
    });
    try {
      await lead(AbortSignal.any([signal, lost.signal]), { transitions: term.transitions, identity });
    } catch (error) {
      // Passing on why it was told to stop is as good an end as any.
      const told = (signal.aborted && error === signal.reason) || (lost.signal.aborted && error === lost.signal.reason);
      if (!told) throw error;
    } finally {
      ended.abort();
      timer.cancel();
      await renewing;
      const kept = leading() && !lost.signal.aborted;
      held = undefined;
      if (!lost.signal.aborted) announce(false);
      if (kept) await release(term);
      term.permit?.[Symbol.dispose]();
    }
    return lost.signal.aborted;
  }

  return {
    identity,
    get leading() {
      return leading();
    },
    async run(signal, lead) {
      instruments?.leader_election_master_status.record(0, { name });
      while (!signal.aborted) {
        const term = await campaign(signal);
        if (term === undefined) return;
        const lost = await serve(term, signal, lead);
        if (!lost) return;
      }
    },
  };
}
