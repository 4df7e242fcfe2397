import { isDeepStrictEqual } from "node:util";
import { context as contexts } from "@opentelemetry/api";
import { sleep } from "@almanac/core";
import { isKubeError } from "@almanac/kube";
import type { KubeObject, ResourceClient } from "@almanac/kube";
import type { ReconcileContext } from "@almanac/controller";
import type { ManagerContext } from "../context.ts";
import { fieldManager } from "../provider/workload.ts";
import { statusPatch } from "../status-patch.ts";
import { traceAnnotation, traceparent } from "./trace.ts";

/** Annotation that keeps the journal of an object's operations. */
export const journalAnnotation = "almanac.dev/operation";
/** With the value "true" an object is given up without asking its provider. */
export const forceDeleteAnnotation = "virtrigaud.io/force-delete";

interface Journalled extends KubeObject {
  readonly metadata: KubeObject["metadata"] & {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
  };
  readonly status?: object;
}

/** How a kind keeps its journal on its objects. */
export interface SessionKind<T, J> {
  readonly finalizer: string;
  /** What is to be believed of it. What cannot be read counts as none. */
  readJournal(object: T): J;
  /** Why not all that the journal says is believed, for people; undefined when it is, or when there is none. */
  refusal(object: T): string | undefined;
  /** Tells attempts apart; undefined while none is under way. */
  attemptMark(journal: J): string | undefined;
  /** The object must not go as it is now. Default: always. */
  holdsObject?(journal: J): boolean;
}

/**
 * One reconcile's hold on an object. The journal is changed in memory and becomes the object's with `commit`; what depends on a
 * result being kept, its count above all, waits for that.
 */
export interface Session<T extends { status?: object }, J> {
  /** As the last write left it. */
  readonly object: T;
  journal: J;
  /** Runs `then` once the present journal is on the object. */
  afterCommit(then: () => void): void;
  /** Writes the journal if it differs, and the finalizer with it. With `release` both go. Rejects with KubeError. */
  commit(options?: { readonly release?: boolean }): Promise<void>;
  /** Writes what differs. Rejects with KubeError. */
  writeStatus(status: NonNullable<T["status"]>): Promise<void>;
}

const commitTries = 4;
const unansweredPauseMs = 50;

export function createSession<T extends Journalled, J extends object>(
  manager: Pick<ManagerContext, "telemetry" | "clock" | "released" | "events">,
  resource: ResourceClient<T>,
  kind: SessionKind<T, J>,
  initial: T,
  context: ReconcileContext<T>,
): Session<T, J> {
  const { finalizer } = kind;
  let object = initial;
  let waiting: (() => void)[] = [];
  const options = { type: "merge", fieldManager, signal: context.signal } as const;

  function take(written: T): void {
    object = written;
    context.observe(written);
  }

  function annotations(release: boolean): Record<string, string | null> {
    const known = object.metadata.annotations ?? {};
    const before = known[journalAnnotation] === undefined ? undefined : kind.attemptMark(kind.readJournal(object));
    const mark = kind.attemptMark(session.journal);
    const changed: Record<string, string | null> = {};
    const text = release ? null : journalText(object.metadata.uid, session.journal);
    if (!isSame(text, known[journalAnnotation] ?? null)) changed[journalAnnotation] = text;
    if (release) {
      if (known[traceAnnotation] !== undefined) changed[traceAnnotation] = null;
    } else if (mark !== undefined && mark !== before) {
      // Who begins an operation commits in the context of its trace.
      const kept = traceparent(contexts.active()) ?? null;
      if (kept !== (known[traceAnnotation] ?? null)) changed[traceAnnotation] = kept;
    }
    return changed;
  }

  function finalizers(release: boolean): string[] | undefined {
    const present = object.metadata.finalizers ?? [];
    const holds = !release && kind.holdsObject?.(session.journal) !== false;
    if (!holds)
      return release || present.includes(finalizer) ? present.filter((name) => name !== finalizer) : undefined;
    if (present.includes(finalizer) || object.metadata.deletionTimestamp !== undefined) return undefined;
    return [...present, finalizer];
  }

  async function patchMetadata(release: boolean): Promise<void> {
    const base = object.metadata.annotations?.[journalAnnotation];
    // A try was not answered: it may have been carried out.
    let unanswered = false;
    for (let tries = 1; ; tries++) {
      const changed = annotations(release);
      const wanted = finalizers(release);
      if (Object.keys(changed).length === 0 && wanted === undefined) return;
      const body = {
        metadata: {
          resourceVersion: object.metadata.resourceVersion,
          ...(Object.keys(changed).length === 0 ? {} : { annotations: changed }),
          ...(wanted === undefined ? {} : { finalizers: wanted }),
        },
      };
      context.assertCurrent();
      try {
        return take(await resource.patch(object.metadata, body, options));
      } catch (error) {
        // Gone means released: by someone who removed the finalizer by hand, or by a try before.
        if (release && isKubeError(error, "not_found")) return;
        unanswered ||= isKubeError(error, "unavailable", "timeout");
        if (!(unanswered || isKubeError(error, "conflict")) || tries === commitTries) throw error;
        if (unanswered) await sleep(unansweredPauseMs * 2 ** tries, { clock: manager.clock, signal: context.signal });
        const live = await find(error);
        if (live === undefined && release) return;
        const same = live?.metadata.uid === object.metadata.uid;
        if (live === undefined || !same) throw error;
        const found = live.metadata.annotations?.[journalAnnotation];
        const sent = journalAnnotation in changed ? (changed[journalAnnotation] ?? undefined) : base;
        const isKept =
          found === sent && (wanted === undefined || isDeepStrictEqual(live.metadata.finalizers ?? [], wanted));
        if (unanswered && isKept) {
          // Nobody else wrote it, as long as nobody else may.
          context.assertCurrent();
          return take(live);
        }
        // Only the journal's own change is a real conflict: then another process goes on with this object, and what it counts is not ours.
        if (found !== base) throw error;
        object = live;
      }
    }
  }

  /** The object as it is now; undefined when it is gone. Rejects with `cause` when that cannot be told. */
  async function find(cause: unknown): Promise<T | undefined> {
    // A result that is on the object and not found there would never be counted.
    for (let tries = 1; ; tries++) {
      try {
        return await resource.find(object.metadata, { signal: context.signal });
      } catch {
        context.signal.throwIfAborted();
        if (tries === commitTries) throw cause;
        await sleep(unansweredPauseMs * 2 ** tries, { clock: manager.clock, signal: context.signal });
      }
    }
  }

  const session: Session<T, J> = {
    get object() {
      return object;
    },
    journal: kind.readJournal(initial),
    afterCommit(then) {
      waiting.push(then);
    },
    async commit({ release = false } = {}) {
      await patchMetadata(release);
      // A server's answer to what deletes an object may bear the version of before: a cache takes no notice of it.
      if (release && object.metadata.deletionTimestamp !== undefined) manager.released.add(object.metadata.uid ?? "");
      const due = waiting;
      waiting = [];
      for (const then of due) then();
    },
    async writeStatus(status) {
      const patch = statusPatch(object.status, status);
      if (patch === undefined) return;
      context.assertCurrent();
      try {
        take(await resource.patch(object.metadata, { status: patch }, { ...options, subresource: "status" }));
      } catch (error) {
        if (!isKubeError(error, "not_found")) throw error;
      }
    },
  };
  const refusal = kind.refusal(initial);
  if (refusal !== undefined) {
    // With that commit it is replaced, so that it is said once.
    session.afterCommit(() => {
      manager.events.record(session.object, { type: "Warning", reason: "JournalRefused", message: refusal });
    });
  }
  return session;
}

/** A journal as it stands on an object. */
interface Kept {
  /** To be read field by field. */
  readonly fields: object;
  /** Written for this very object. Otherwise by a version that did not say for which. */
  readonly isBound: boolean;
}

/** The journal on an object; undefined without one, for one that cannot be read, and for one that was written for another object. */
export function readKept({ metadata }: KubeObject): Kept | undefined {
  const text = metadata.annotations?.[journalAnnotation];
  if (text === undefined) return undefined;
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return undefined;
    if (!("uid" in fields)) return { fields, isBound: false };
    return fields.uid === metadata.uid ? { fields, isBound: true } : undefined;
  } catch {
    return undefined;
  }
}

/** Why the journal on an object counts as none, for people; undefined when it does not, or when there is none. */
export function refusalOf(object: KubeObject): string | undefined {
  const isThere = object.metadata.annotations?.[journalAnnotation] !== undefined;
  if (!isThere || readKept(object) !== undefined) return undefined;
  return `the annotation ${journalAnnotation} was not written for this object and counts as none`;
}

/** The annotation's value for the object `uid`; null when there is nothing to remember. */
export function journalText(uid: string | undefined, journal: object): string | null {
  return JSON.stringify(journal) === "{}" ? null : JSON.stringify({ uid, ...journal });
}

/** Two values of the annotation that say the same: the order of fields is nothing to write for. */
function isSame(text: string | null, known: string | null): boolean {
  if (text === known || text === null || known === null) return text === known;
  try {
    return isDeepStrictEqual(JSON.parse(text), JSON.parse(known));
  } catch {
    return false;
  }
}
