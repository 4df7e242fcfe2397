import { hostname } from "node:os";
import { leaseResource } from "@almanac/kube";
import type { KubeClient, Lease } from "@almanac/kube";
import { must } from "../report.ts";
import { firstLeading } from "./log.ts";
import type { ManagedProcess } from "./managed-process.ts";
import { actsOfDeposed } from "./spans.ts";
import type { Act, Pause } from "./spans.ts";

/** Who held which shard from when on. */
export interface Holders {
  readonly changes: readonly { readonly lease: string; readonly holder: string; readonly atMs: number }[];
}

const pollMs = 200;

/** What a manager calls itself in Leases. */
export function identityOf(pid: number): string {
  return `${hostname()}_${pid}`;
}

/** Follows the Leases of shards until `signal` aborts. */
export function followHolders(kube: KubeClient, signal: AbortSignal): Holders {
  const leases = kube.resource<Lease>(leaseResource);
  const changes: { lease: string; holder: string; atMs: number }[] = [];
  const held = new Map<string, string>();
  const look = async (): Promise<void> => {
    const { items } = await leases.list({ namespace: "default", signal });
    for (const { metadata, spec } of items) {
      const holder = spec?.holderIdentity ?? "";
      if (!/-shard-\d+$/.test(metadata.name) || held.get(metadata.name) === holder) continue;
      held.set(metadata.name, holder);
      changes.push({ lease: metadata.name, holder, atMs: Date.now() });
    }
  };
  void (async () => {
    while (!signal.aborted) {
      await look().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  })();
  return { changes };
}

/** Every shard that a process held when it was killed has another holder soon. Answers with the longest time, milliseconds. */
export function checkTakeovers({ changes }: Holders, managers: readonly ManagedProcess[], mostMs: number): string {
  let takeovers = 0;
  let longestMs = 0;
  for (const { pid, endedAtMs } of managers.flatMap(({ lives }) => lives)) {
    if (endedAtMs === undefined) continue;
    const identity = identityOf(pid);
    for (const [lease, own] of Map.groupBy(changes, (change) => change.lease)) {
      const last = own.findLast(({ atMs }) => atMs <= endedAtMs + pollMs);
      if (last?.holder !== identity) continue;
      const next = own.find(({ atMs, holder }) => atMs > last.atMs && holder !== "" && holder !== identity);
      must(next !== undefined, `${lease}: nobody took it over from ${identity}`);
      takeovers += 1;
      // Where nobody lived through it, the first to come after it has to see the Lease age anew.
      const others = managers.flatMap(({ lives }) => lives).filter((life) => (life.endedAtMs ?? Infinity) > next.atMs);
      const sinceMs = Math.max(endedAtMs, Math.min(...others.map(({ readyAtMs = next.atMs }) => readyAtMs)));
      longestMs = Math.max(longestMs, next.atMs - sinceMs);
    }
  }
  must(takeovers > 0, "nobody who held a shard was killed");
  must(longestMs <= mostMs, `a takeover took ${longestMs} ms, at most ${mostMs} are allowed`);
  return `${takeovers} takeovers, the longest ${(longestMs / 1_000).toFixed(1)} s`;
}

export function pausesOf(managers: readonly ManagedProcess[]): Pause[] {
  return managers
    .flatMap(({ lives }) => lives)
    .flatMap(({ name, pauses }) => pauses.map((pause) => ({ life: name, ...pause })));
}

/** Whoever was stopped for longer than its Leases lasts has lost them to others, and does nothing before it has one again. */
export function checkPauses({ changes }: Holders, managers: readonly ManagedProcess[], acts: readonly Act[]): string {
  const pauses = managers
    .flatMap(({ lives }) => lives)
    .flatMap((life) => life.pauses.map((pause) => ({ ...pause, pid: life.pid, life })));
  const deposed = pauses.map(({ life, fromMs, toMs }) => ({
    life: life.name,
    fromMs,
    toMs,
    regainedAtMs: firstLeading(life, toMs) ?? Number.MAX_SAFE_INTEGER,
  }));
  const wrong = actsOfDeposed(acts, deposed);
  must(wrong.length === 0, wrong.slice(0, 5).join("\n"));
  let lost = 0;
  for (const { pid, fromMs, toMs } of pauses) {
    const identity = identityOf(pid);
    for (const own of Map.groupBy(changes, ({ lease }) => lease).values()) {
      const before = own.findLast(({ atMs }) => atMs <= fromMs + pollMs);
      const next = own.find(({ atMs, holder }) => atMs > fromMs + pollMs && holder !== "" && holder !== identity);
      if (before?.holder !== identity) continue;
      must(
        next !== undefined && next.atMs <= toMs + pollMs,
        `${own[0]?.lease}: nobody took it over from ${identity}, which was stopped`,
      );
      lost += 1;
    }
  }
  must(lost > 0, "nobody who held a shard was stopped");
  return `${pauses.length} pauses, ${lost} shards taken over in them`;
}
