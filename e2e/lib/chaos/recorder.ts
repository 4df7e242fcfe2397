import { isKubeError } from "@almanac/kube";
import type { KubeObject } from "@almanac/kube";
import { group, version } from "@almanac/manager";
import { begunOn, followedKinds, journalOf, resultsBetween } from "./results.ts";
import type { FollowedKind, Result } from "./results.ts";
import type { World } from "./world.ts";

export interface TimedResult extends Result {
  /** When this process heard of it, milliseconds since the epoch. */
  readonly atMs: number;
}

/** Everything that the API's watches told of operations, from the beginning. */
export interface Recorder {
  readonly results: readonly TimedResult[];
  /** Attempts that were begun, by `UID operation`. */
  attempts(uid: string, operation: string): number;
  /** UIDs of VMSnapshots of a machine, by its UID. */
  snapshotsOf(uid: string): number;
  /** How often a watch had to go on from what a new API began with. */
  readonly gaps: number;
}

const retryMs = 20;

/** Follows every version of every object of the followed kinds until `signal` aborts. */
export function startRecorder({ kube, apiBoot }: Pick<World, "kube" | "apiBoot">, signal: AbortSignal): Recorder {
  const results: TimedResult[] = [];
  const attempts = new Map<string, Set<number>>();
  const snapshots = new Map<string, Set<string>>();
  let gaps = 0;

  for (const kind of Object.keys(followedKinds) as FollowedKind[]) void follow(kind).catch(() => undefined);

  /** What the API began with: nobody has changed it before. Throws until it has begun. */
  function state(kind: FollowedKind): { readonly items: readonly KubeObject[]; readonly resourceVersion: string } {
    if (apiBoot === undefined) throw new Error(`the API has forgotten what happened to ${kind}`);
    const { objects, resourceVersion } = apiBoot();
    return { items: (objects[followedKinds[kind]] ?? []) as KubeObject[], resourceVersion };
  }

  async function follow(kind: FollowedKind): Promise<void> {
    const resource = kube.resource<KubeObject>({ group, version, kind, plural: followedKinds[kind], namespaced: true });
    const known = new Map<string, KubeObject>();
    let resourceVersion: string | undefined;
    let begun = false;

    function take(type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject): void {
      const uid = object.metadata.uid ?? "";
      const before = known.get(uid);
      const atMs = Date.now();
      const after = type === "DELETED" ? undefined : object;
      if (before !== undefined)
        for (const result of resultsBetween(kind, before, after)) results.push({ ...result, atMs });
      if (after === undefined) known.delete(uid);
      else known.set(uid, after);
      for (const { operation, startedAtMs } of begunOn(kind, object)) {
        const key = `${uid} ${operation}`;
        attempts.set(key, (attempts.get(key) ?? new Set()).add(startedAtMs));
      }
      const { owner } = journalOf(object);
      if (kind === "VMSnapshot" && owner !== undefined)
        snapshots.set(owner, (snapshots.get(owner) ?? new Set()).add(uid));
    }

    while (!signal.aborted) {
      try {
        if (resourceVersion === undefined) {
          const { items, resourceVersion: listed } = begun ? state(kind) : await resource.list({ signal });
          if (begun) gaps += 1;
          begun = true;
          const present = new Set(items.map((item) => item.metadata.uid));
          for (const [uid, object] of known) if (!present.has(uid)) take("DELETED", object);
          for (const item of items) take("MODIFIED", item);
          resourceVersion = listed;
        }
        for await (const event of resource.watch({ resourceVersion, signal })) {
          if (event.type === "BOOKMARK") {
            resourceVersion = event.resourceVersion;
            continue;
          }
          resourceVersion = event.object.metadata.resourceVersion;
          take(event.type, event.object);
        }
      } catch (error) {
        if (isKubeError(error, "gone")) resourceVersion = undefined;
        else await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  return {
    results,
    attempts: (uid, operation) => attempts.get(`${uid} ${operation}`)?.size ?? 0,
    snapshotsOf: (uid) => snapshots.get(uid)?.size ?? 0,
    get gaps() {
      return gaps;
    },
  };
}
