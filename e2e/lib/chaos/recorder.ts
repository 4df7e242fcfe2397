import { isKubeError } from "@almanac/kube";
import type { KubeObject } from "@almanac/kube";
import { group, version } from "@almanac/manager";
import { watchEtcd } from "./etcd.ts";
import { begunOn, followedKinds, journalOf, resultsBetween } from "./results.ts";
import type { FollowedKind, Result } from "./results.ts";
import type { World } from "./world.ts";

export interface KeptResult extends Result {
  /** `Kind namespace/name`. */
  readonly object: string;
  /** Which change of any object kept it. */
  readonly change: number;
  /** When this process heard of it, milliseconds since the epoch. */
  readonly atMs: number;
}

/** A time in which changes of a kind may have gone unheard, milliseconds since the epoch. */
export interface Blindness {
  readonly kind: FollowedKind;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Everything that the API told of operations, from the beginning. */
export interface Recorder {
  readonly results: readonly KeptResult[];
  /** Wishes that attempts were begun with or went on with: each may have its effect once. */
  wishes(uid: string, operation: string): number;
  /** Attempts of the operation on the object that were under way at this time, milliseconds since the epoch. */
  underway(uid: string, operation: string, atMs: number): number;
  /** `Kind namespace/name`. */
  objectOf(uid: string): string | undefined;
  /**
   * A kube-apiserver that looked at the object before it got its finalizer deleted it after it had: it looks once, and deletes what is
   * there. Nothing is left that could say what its machine is called.
   */
  slipped(uid: string): boolean;
  /** UIDs of VMSnapshots of a machine, by its UID. */
  snapshotsOf(uid: string): number;
  readonly blindness: readonly Blindness[];
  /** Why nothing is heard any more. */
  readonly failure: unknown;
}

const retryMs = 20;
const kinds = Object.keys(followedKinds) as FollowedKind[];

/** Follows every version of every object of the followed kinds until `signal` aborts. */
export function startRecorder(world: Pick<World, "kube" | "apiBoot" | "etcdUrl">, signal: AbortSignal): Recorder {
  const { kube, apiBoot, etcdUrl } = world;
  const results: KeptResult[] = [];
  const attempts = new Map<string, Set<number>>();
  const wishes = new Map<string, Set<string>>();
  const snapshots = new Map<string, Set<string>>();
  const objects = new Map<string, string>();
  const slipped = new Set<string>();
  const blindness: Blindness[] = [];
  let changes = 0;
  let failure: unknown;

  const following = etcdUrl === undefined ? Promise.all(kinds.map(follow)) : followEtcd(etcdUrl);
  following.catch((error: unknown) => {
    if (!signal.aborted) failure = error;
  });

  function take(kind: FollowedKind, before: KubeObject | undefined, after: KubeObject | undefined): void {
    const atMs = Date.now();
    const change = changes++;
    const { metadata } = after ?? before ?? {};
    const object = `${kind} ${metadata?.namespace}/${metadata?.name}`;
    if (before !== undefined)
      for (const result of resultsBetween(kind, before, after)) results.push({ ...result, object, change, atMs });
    if (after === undefined) return;
    const uid = after.metadata.uid ?? "";
    objects.set(uid, object);
    for (const { operation, startedAtMs, wish } of begunOn(kind, after)) {
      const key = `${uid} ${operation}`;
      attempts.set(key, (attempts.get(key) ?? new Set()).add(startedAtMs));
      wishes.set(key, (wishes.get(key) ?? new Set()).add(`${startedAtMs} ${wish}`));
    }
    const { owner } = journalOf(after);
    if (kind === "VMSnapshot" && owner !== undefined)
      snapshots.set(owner, (snapshots.get(owner) ?? new Set()).add(uid));
  }

  async function followEtcd(url: string): Promise<void> {
    const known = new Map<string, KubeObject>();
    for await (const { key, object } of watchEtcd(url, group, signal)) {
      const kind = kinds.find((candidate) => key.startsWith(`${followedKinds[candidate]}/`));
      if (kind === undefined) continue;
      const before = known.get(key);
      take(kind, before, object);
      if (object !== undefined) known.set(key, object);
      else {
        known.delete(key);
        const { uid = "", deletionTimestamp, finalizers = [] } = before?.metadata ?? {};
        if (deletionTimestamp === undefined && finalizers.length > 0) slipped.add(uid);
      }
    }
    throw new Error("etcd ended the watch");
  }

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
    let heardAtMs: number | undefined;

    function hear(type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject): void {
      const uid = object.metadata.uid ?? "";
      take(kind, known.get(uid), type === "DELETED" ? undefined : object);
      if (type === "DELETED") known.delete(uid);
      else known.set(uid, object);
    }

    while (!signal.aborted) {
      try {
        if (resourceVersion === undefined) {
          const { items, resourceVersion: listed } =
            heardAtMs === undefined ? await resource.list({ signal }) : state(kind);
          if (heardAtMs !== undefined) blindness.push({ kind, fromMs: heardAtMs, toMs: Date.now() });
          heardAtMs = Date.now();
          const present = new Set(items.map((item) => item.metadata.uid));
          for (const [uid, object] of known) if (!present.has(uid)) hear("DELETED", object);
          for (const item of items) hear("MODIFIED", item);
          resourceVersion = listed;
        }
        for await (const event of resource.watch({ resourceVersion, signal })) {
          heardAtMs = Date.now();
          if (event.type === "BOOKMARK") {
            resourceVersion = event.resourceVersion;
            continue;
          }
          resourceVersion = event.object.metadata.resourceVersion;
          hear(event.type, event.object);
        }
      } catch (error) {
        if (isKubeError(error, "gone")) resourceVersion = undefined;
        else await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  return {
    results,
    wishes: (uid, operation) => wishes.get(`${uid} ${operation}`)?.size ?? 0,
    underway(uid, operation, atMs) {
      const begun = [...(attempts.get(`${uid} ${operation}`) ?? [])].filter((startedAtMs) => startedAtMs <= atMs);
      const isOver = (startedAtMs: number): boolean =>
        results.some(
          (result) =>
            result.object === objects.get(uid) &&
            result.operation === operation &&
            result.startedAtMs === startedAtMs &&
            result.atMs < atMs,
        );
      return begun.filter((startedAtMs) => !isOver(startedAtMs)).length;
    },
    objectOf: (uid) => objects.get(uid),
    slipped: (uid) => slipped.has(uid),
    snapshotsOf: (uid) => snapshots.get(uid)?.size ?? 0,
    blindness,
    get failure() {
      return failure;
    },
  };
}
