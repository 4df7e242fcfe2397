import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { parseDuration, parsePause } from "../duration.ts";
import { readSnapshotJournal } from "./journal.ts";

/** When a snapshot has had its time, and when it is deleted for it; milliseconds since the epoch. */
export interface Retention {
  readonly expiresAtMs: number;
  readonly deletesAtMs: number;
}

/**
 * How long a snapshot that exists is kept: for `maxAge`, and as long as fewer than `maxCount` newer ones of its machine exist, then for the
 * grace period. Undefined: for ever. Pinned ones stay unless the policy says otherwise, and take nobody's place. Pure.
 *
 * @throws ManagerError `invalid_spec` for a duration that cannot be understood.
 */
export function retentionOf(snapshot: VMSnapshot, siblings: readonly VMSnapshot[]): Retention | undefined {
  const { retentionPolicy } = snapshot.spec;
  const { createdAtMs } = readSnapshotJournal(snapshot);
  if (retentionPolicy === undefined || createdAtMs === undefined) return undefined;
  const { maxCount } = retentionPolicy;
  const { maxAgeMs, graceMs } = readPolicy(retentionPolicy);
  const ends: number[] = [];
  if (maxAgeMs !== undefined) ends.push(createdAtMs + maxAgeMs);
  if (isPinned(snapshot)) return undefined;
  if (maxCount !== undefined) {
    const newer = siblings
      .filter((other) => other.metadata.uid !== snapshot.metadata.uid && !isPinned(other))
      .filter((other) => other.metadata.deletionTimestamp === undefined)
      .map((other) => ({ at: readSnapshotJournal(other).createdAtMs, uid: other.metadata.uid }))
      .filter((other): other is { at: number; uid: string } => other.at !== undefined)
      // Two of the same millisecond must not expire each other.
      .filter(({ at, uid }) => at > createdAtMs || (at === createdAtMs && uid > snapshot.metadata.uid))
      .map(({ at }) => at)
      .sort((a, b) => a - b);
    const last = newer[maxCount - 1];
    if (last !== undefined) ends.push(last);
  }
  if (ends.length === 0) return undefined;
  const expiresAtMs = Math.min(...ends);
  return { expiresAtMs, deletesAtMs: expiresAtMs + graceMs };
}

/**
 * The times of a policy.
 *
 * @throws ManagerError `invalid_spec` for a duration that cannot be understood.
 */
export function readPolicy(policy: NonNullable<VMSnapshot["spec"]["retentionPolicy"]>): {
  readonly maxAgeMs: number | undefined;
  readonly graceMs: number;
} {
  const { maxAge, gracePeriod = "24h" } = policy;
  return {
    graceMs: parsePause(gracePeriod, "spec.retentionPolicy.gracePeriod"),
    maxAgeMs: maxAge === undefined ? undefined : parseDuration(maxAge, "spec.retentionPolicy.maxAge"),
  };
}

function isPinned({ spec }: VMSnapshot): boolean {
  return spec.metadata?.pinned === true && spec.retentionPolicy?.preservePinned !== false;
}
