import type { JsonObject } from "../schema/index.ts";
import type { ServerContext } from "../rest/context.ts";
import type { Propagation } from "../rest/delete.ts";
import type { Entry, StoreEvent } from "../store/entry.ts";
import type { OwnerIndex, Place } from "./owners.ts";
import { describeError } from "@almanac/core";
import { cleanupFinalizer, definitionCollection, isEstablished } from "../kinds/definition.ts";
import { at, isObject, metaOf, textAt, withMeta } from "../object.ts";
import { deleteObject } from "../rest/delete.ts";
import { isFinal } from "../rest/write.ts";
import { createOwnerIndex, ownersOf } from "./owners.ts";

/** What the controllers of a real cluster do behind the API: garbage collection, namespaces, definitions, old events. */
export interface Lifecycle extends Disposable {
  /** Takes up the work that an earlier process left, and starts the clocks. */
  start(): void;
}

const sweepIntervalMs = 60_000;
// Deleting ten thousand objects at once would keep every request waiting.
const deletionsPerTurn = 200;

export function createLifecycle(context: ServerContext): Lifecycle {
  const { store, registry, clock, logger } = context;
  const owners = createOwnerIndex();
  const tasks = new Map<string, () => void>();
  let scheduled: NodeJS.Immediate | undefined;
  let sweep: { cancel(): void } | undefined;
  let closed = false;

  function enqueue(id: string, task: () => void): void {
    tasks.set(id, task);
    if (!closed) scheduled ??= setImmediate(run);
  }

  function run(): void {
    scheduled = undefined;
    // What the tasks add waits for the next turn, so that requests get in between.
    const batch = [...tasks].slice(0, 256);
    for (const [id] of batch) tasks.delete(id);
    for (const [id, task] of batch) {
      try {
        task();
      } catch (error) {
        logger.error("Cleaning up behind the API failed", { task: id, error: describeError(error) });
      }
    }
    if (tasks.size > 0 && !closed) scheduled ??= setImmediate(run);
  }

  const work: Work = { context, owners, enqueue };

  store.onCommit((collection, event) => {
    if (collection === definitionCollection) onDefinition(work, event);
    owners.update(collection, event);
    onWrite(work, collection, event);
  });

  function tick(): void {
    sweep = clock.setTimeout(
      () => {
        removeExpired(context);
        tick();
      },
      sweepIntervalMs,
      { keepAlive: false },
    );
  }

  return {
    start() {
      for (const entry of store.collection(definitionCollection).sorted()) registry.define(entry.name, entry.object);
      for (const [collection, objects] of [...store.collections()]) {
        for (const entry of objects.sorted()) {
          const event: StoreEvent = {
            type: "ADDED",
            revision: entry.revision,
            entry,
            previous: undefined,
            frames: new Map(),
          };
          owners.update(collection, event);
          onWrite(work, collection, event);
        }
      }
      tick();
    },
    [Symbol.dispose]() {
      closed = true;
      if (scheduled !== undefined) clearImmediate(scheduled);
      sweep?.cancel();
      tasks.clear();
    },
  };
}

interface Work {
  readonly context: ServerContext;
  readonly owners: OwnerIndex;
  readonly enqueue: (id: string, task: () => void) => void;
}

function onWrite(work: Work, collection: string, { type, entry }: StoreEvent): void {
  const { owners, enqueue } = work;
  const meta = metaOf(entry.object);
  const place: Place = { collection, namespace: entry.namespace, name: entry.name };
  if (type === "DELETED") {
    for (const dependent of owners.dependents(meta.uid))
      enqueue(`dependent ${idOf(dependent)}`, () => collect(work, dependent));
    for (const { uid } of ownersOf(meta)) enqueue(`owner ${uid}`, () => settleOwner(work, uid));
    if (entry.namespace !== "") enqueue(`namespace ${entry.namespace}`, () => emptyNamespace(work, entry.namespace));
    enqueue(`definition ${collection}`, () => emptyDefinition(work, collection));
    return;
  }
  if (ownersOf(meta).length > 0) enqueue(`dependent ${idOf(place)}`, () => collect(work, place));
  if (meta.deletionTimestamp === undefined) return;
  enqueue(`owner ${meta.uid}`, () => settleOwner(work, meta.uid));
  if (collection === "namespaces") enqueue(`namespace ${entry.name}`, () => emptyNamespace(work, entry.name));
  if (collection === definitionCollection) enqueue(`definition ${entry.name}`, () => emptyDefinition(work, entry.name));
}

function idOf({ collection, namespace, name }: Place): string {
  return `${collection} ${namespace} ${name}`;
}

function entryAt({ context }: Work, { collection, namespace, name }: Place): Entry | undefined {
  return context.store.collection(collection).get(namespace, name);
}

function remove({ context }: Work, { collection, namespace, name }: Place, propagation: Propagation | undefined): void {
  const kind = context.registry.byCollection(collection);
  const version = kind?.versions[0];
  if (kind === undefined || version === undefined) return;
  const options = { dryRun: false, propagation, uid: undefined, resourceVersion: undefined };
  deleteObject(context, { kind, version, namespace, name, subresource: "" }, options);
}

/** Stores a change that no client asked for; removes the object when nothing keeps it any more. */
function change({ context }: Work, place: Place, object: JsonObject): void {
  const { collection, namespace, name } = place;
  if (metaOf(object).deletionTimestamp !== undefined && isFinal(collection, object))
    context.store.remove(collection, namespace, name, object);
  else context.store.put(collection, namespace, name, object);
}

/** Deletes an object whose owners are all gone, or drops the references to those that are. */
function collect(work: Work, place: Place): void {
  const entry = entryAt(work, place);
  if (entry === undefined) return;
  const references = ownersOf(metaOf(entry.object));
  const dangling = references.filter((reference) => isGone(work, place, reference));
  if (dangling.length === 0) return;
  if (dangling.length === references.length) {
    if (metaOf(entry.object).deletionTimestamp === undefined) remove(work, place, undefined);
    return;
  }
  const kept = references.filter((reference) => !dangling.includes(reference));
  change(work, place, withMeta(entry.object, { ownerReferences: kept }));
}

function isGone(
  { context, owners }: Work,
  dependent: Place,
  reference: { apiVersion: string; kind: string; uid: string },
): boolean {
  const [group, version] = splitApiVersion(reference.apiVersion);
  // Of kinds that are not served nothing is known, so nothing is concluded.
  if (context.registry.findKind(group, version, reference.kind) === undefined) return false;
  const place = owners.place(reference.uid);
  return place === undefined || (place.namespace !== "" && place.namespace !== dependent.namespace);
}

function splitApiVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? ["", apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

/** Takes foreground deletion and orphaning further. */
function settleOwner(work: Work, uid: string): void {
  const place = work.owners.place(uid);
  const entry = place === undefined ? undefined : entryAt(work, place);
  if (place === undefined || entry === undefined || metaOf(entry.object).deletionTimestamp === undefined) return;
  const finalizers = metaOf(entry.object).finalizers ?? [];
  if (finalizers.includes("orphan")) {
    for (const dependent of work.owners.dependents(uid)) dropReference(work, dependent, uid);
    finish(work, place, entry, "orphan");
  } else if (finalizers.includes("foregroundDeletion")) {
    let blocking = 0;
    for (const dependent of work.owners.dependents(uid)) blocking += deleteDependent(work, dependent, uid) ? 1 : 0;
    const current = entryAt(work, place);
    if (blocking === 0 && current !== undefined) finish(work, place, current, "foregroundDeletion");
  }
}

/** True when the dependent still blocks its owner. */
function deleteDependent(work: Work, place: Place, uid: string): boolean {
  const entry = entryAt(work, place);
  if (entry === undefined) return false;
  const meta = metaOf(entry.object);
  const others = ownersOf(meta).filter((reference) => reference.uid !== uid && !isGone(work, place, reference));
  if (others.length > 0) {
    dropReference(work, place, uid);
    return false;
  }
  if (meta.deletionTimestamp === undefined)
    remove(work, place, work.owners.dependents(meta.uid).length > 0 ? "Foreground" : undefined);
  return (
    entryAt(work, place) !== undefined &&
    ownersOf(meta).some((reference) => reference.uid === uid && reference.blockOwnerDeletion === true)
  );
}

function dropReference(work: Work, place: Place, uid: string): void {
  const entry = entryAt(work, place);
  if (entry === undefined) return;
  const kept = ownersOf(metaOf(entry.object)).filter((reference) => reference.uid !== uid);
  change(work, place, withMeta(entry.object, { ownerReferences: kept.length === 0 ? undefined : kept }));
}

function finish(work: Work, place: Place, entry: Entry, finalizer: string): void {
  const kept = (metaOf(entry.object).finalizers ?? []).filter((one) => one !== finalizer);
  change(work, place, withMeta(entry.object, { finalizers: kept.length === 0 ? undefined : kept }));
}

/** Deletes what is in a terminating namespace, and the namespace when it is empty. */
function emptyNamespace(work: Work, name: string): void {
  const { store, registry } = work.context;
  const place = { collection: "namespaces", namespace: "", name };
  const entry = entryAt(work, place);
  if (entry === undefined || metaOf(entry.object).deletionTimestamp === undefined) return;
  let left = 0;
  let budget = deletionsPerTurn;
  for (const collection of new Set(registry.kinds.filter((kind) => kind.namespaced).map((kind) => kind.collection))) {
    const contents = store.collection(collection).sorted(name);
    budget -= removeContents(work, collection, contents, budget);
    left += store.collection(collection).count(name);
  }
  if (budget === 0 && left > 0) work.enqueue(`namespace ${name}`, () => emptyNamespace(work, name));
  if (left > 0) return;
  const spec = isObject(entry.object.spec) ? entry.object.spec : {};
  const finalizers = Array.isArray(spec.finalizers) ? spec.finalizers.filter((one) => one !== "kubernetes") : [];
  change(work, place, { ...entry.object, spec: { ...spec, finalizers } });
}

/** Deletes the objects of a terminating definition, and the definition when there are none. */
function emptyDefinition(work: Work, name: string): void {
  const place = { collection: definitionCollection, namespace: "", name };
  const entry = entryAt(work, place);
  if (entry === undefined || metaOf(entry.object).deletionTimestamp === undefined) return;
  if (!(metaOf(entry.object).finalizers ?? []).includes(cleanupFinalizer)) return;
  const collection = work.context.store.collection(name);
  const removed = removeContents(work, name, collection.sorted(), deletionsPerTurn);
  if (collection.size === 0) finish(work, place, entry, cleanupFinalizer);
  else if (removed === deletionsPerTurn) work.enqueue(`definition ${name}`, () => emptyDefinition(work, name));
}

/** Deletes objects that are not being deleted yet, at most `most`. Returns how many. */
function removeContents(work: Work, collection: string, contents: readonly Entry[], most: number): number {
  let removed = 0;
  for (const { namespace, name, object } of contents) {
    if (removed === most) break;
    if (metaOf(object).deletionTimestamp !== undefined) continue;
    remove(work, { collection, namespace, name }, "Background");
    removed++;
  }
  return removed;
}

/** Serves what definitions say, at once; gives names that have become free to those that waited for them. */
function onDefinition(work: Work, { type, entry }: StoreEvent): void {
  const { registry, store, clock } = work.context;
  registry.define(entry.name, type === "DELETED" ? undefined : entry.object);
  if (type !== "DELETED") return;
  for (const waiting of store.collection(definitionCollection).sorted()) {
    if (isEstablished(waiting.object)) continue;
    const place = { collection: definitionCollection, namespace: "", name: waiting.name };
    work.enqueue(`names ${waiting.name}`, () => {
      const current = entryAt(work, place);
      const kind = registry.byCollection(definitionCollection);
      if (current === undefined || kind?.assign === undefined) return;
      change(
        work,
        place,
        kind.assign(current.object, current.object, { nowMs: clock.now(), revision: store.revision + 1 }),
      );
    });
  }
}

function removeExpired({ store, registry, clock }: ServerContext): void {
  for (const kind of registry.kinds) {
    if (kind.ttlMs === undefined) continue;
    const oldest = clock.now() - kind.ttlMs;
    for (const entry of store.collection(kind.collection).sorted()) {
      if (lastUse(entry.object) < oldest) store.remove(kind.collection, entry.namespace, entry.name, entry.object);
    }
  }
}

function lastUse(event: JsonObject): number {
  const times = [
    textAt(event, "metadata", "creationTimestamp"),
    textAt(event, "lastTimestamp"),
    textAt(at(event, "series"), "lastObservedTime"),
  ];
  return Math.max(...times.map((time) => Date.parse(time)).filter((time) => !Number.isNaN(time)), 0);
}
