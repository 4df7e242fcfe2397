import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import type { Entry } from "../store/entry.ts";
import type { ServerContext, Target, WriteOptions, Written } from "./context.ts";
import { trackUpdate } from "../apply/index.ts";
import { groupVersion, present, toStored } from "../kinds/kind.ts";
import { validateMetadata } from "../kinds/metadata.ts";
import { isObject, listAt, metaOf, sameJson, timestamp, withMeta } from "../object.ts";
import { invalidValue } from "../schema/index.ts";
import { alreadyExists, badRequest, conflict, forbidden, invalid, modified, notFound } from "../status.ts";
import { keyOf } from "../store/entry.ts";
import { randomSuffix } from "./suffix.ts";

/** Who owns the fields that a write sets. */
export type Ownership = "update" | "applied";

/** Stores a new object, already decoded. Throws the Status errors of the real server. */
export function createObject(
  context: ServerContext,
  target: Target,
  decoded: JsonObject,
  options: WriteOptions,
  ownership: Ownership = "update",
): Written {
  const { kind, version, namespace } = target;
  const { store, clock } = context;
  const given = metaOf(decoded);
  checkNamespace(target, given.namespace);
  if (given.resourceVersion !== undefined)
    throw badRequest("resourceVersion should not be set on objects to be created");
  const name =
    given.name ?? (given.generateName === undefined ? undefined : freeName(context, target, given.generateName));
  if (kind.createRefusal !== undefined) throw forbidden(kind, name ?? "", kind.createRefusal);
  admit(context, target, name ?? "");
  const nowMs = clock.now();
  const revision = store.revision + 1;
  let object = withMeta(decoded, {
    name,
    namespace: namespace === "" ? undefined : namespace,
    uid: crypto.randomUUID(),
    creationTimestamp: timestamp(nowMs),
    generation: kind.generation === undefined ? undefined : 1,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
  });
  if (version.hasStatus && "status" in object) object = without(object, "status");
  object = toStored(kind, version, object);
  object = kind.prepare?.(object, undefined, { nowMs, revision }) ?? object;
  if (ownership === "update") object = track(target, undefined, object, options, nowMs);
  object = kind.assign?.(object, undefined, { nowMs, revision }) ?? object;
  validate(target, object, undefined);
  if (name !== undefined && store.collection(kind.collection).get(namespace, name) !== undefined)
    throw alreadyExists(kind, name);
  return { entry: commit(context, target, object, options, undefined), created: true };
}

/**
 * Replaces the stored object by `decoded`, within what the subresource may change. Keeps what clients cannot change, counts up the
 * generation, removes the object when its last finalizer has gone, and writes nothing when nothing differs.
 */
export function replaceObject(
  context: ServerContext,
  target: Target,
  previous: Entry,
  decoded: JsonObject,
  options: WriteOptions,
  ownership: Ownership = "update",
): Written {
  const { kind, version } = target;
  const { store, clock } = context;
  const old = previous.object;
  const oldMeta = metaOf(old);
  checkIdentity(target, previous, decoded);
  let next = toStored(kind, version, decoded);
  if (target.subresource === "finalize") {
    next = {
      ...old,
      spec: { ...(isObject(old.spec) ? old.spec : {}), finalizers: listAt(next, "spec", "finalizers") as Json[] },
    };
  } else if (target.subresource === "status") {
    const managedFields = isObject(next.metadata) ? next.metadata.managedFields : undefined;
    next = withMeta(
      { ...without(old, "status"), ...("status" in next ? { status: next.status ?? null } : {}) },
      { managedFields },
    );
  } else if (version.hasStatus) {
    next = { ...without(next, "status"), ...("status" in old ? { status: old.status ?? null } : {}) };
  }
  next = withMeta(next, {
    name: oldMeta.name,
    namespace: oldMeta.namespace,
    uid: oldMeta.uid,
    creationTimestamp: oldMeta.creationTimestamp,
    deletionTimestamp: oldMeta.deletionTimestamp,
    deletionGracePeriodSeconds: oldMeta.deletionGracePeriodSeconds,
    generation: oldMeta.generation,
    resourceVersion: oldMeta.resourceVersion,
  });
  const nowMs = clock.now();
  const write = { nowMs, revision: store.revision + 1 };
  next = kind.prepare?.(next, old, write) ?? next;
  if (ownership === "update") next = track(target, old, next, options, nowMs);
  if (target.subresource !== "finalize") next = kind.assign?.(next, old, write) ?? next;
  if (kind.generation?.(next, old) === true) next = withMeta(next, { generation: (oldMeta.generation ?? 0) + 1 });
  validate(target, next, old);
  if (unchanged(next, old)) return { entry: previous, created: false };
  return { entry: commit(context, target, next, options, previous), created: false };
}

/** Throws a 400 unless the names in a body are those of the path. */
export function checkNames(
  target: Target,
  given: { readonly name: string | undefined; readonly namespace: string | undefined },
): void {
  checkNamespace(target, given.namespace);
  const { name } = target;
  if (given.name === undefined) {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  if (given.name !== name) {
    throw badRequest(`the name of the object (${given.name}) does not match the name on the URL (${name})`);
  }
}

/** A cluster-wide object may name a namespace, which means nothing. */
function checkNamespace({ namespace }: Target, given: string | undefined): void {
  if (namespace !== "" && given !== undefined && given !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
}

function checkIdentity(target: Target, previous: Entry, decoded: JsonObject): void {
  const { kind, name } = target;
  const given = metaOf(decoded);
  const live = metaOf(previous.object);
  checkNames(target, { name: given.name, namespace: given.namespace });
  if (given.uid !== undefined && given.uid !== live.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${live.uid}`,
    );
  }
  if (given.resourceVersion === undefined || given.resourceVersion === "0") {
    if (!kind.unconditionalUpdate)
      throw invalid({ group: kind.group, kind: kind.plural }, name, [
        invalidValue("metadata.resourceVersion", 0, "must be specified for an update"),
      ]);
  } else if (given.resourceVersion !== live.resourceVersion) throw conflict(kind, name, modified);
}

/** The namespace must exist and stay. */
function admit(context: ServerContext, target: Target, name: string): void {
  const { kind, namespace } = target;
  if (namespace === "") return;
  const found = context.store.collection("namespaces").get("", namespace);
  if (found === undefined) throw notFound({ group: "", plural: "namespaces" }, namespace);
  if (metaOf(found.object).deletionTimestamp !== undefined) {
    throw forbidden(
      kind,
      name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
      [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${namespace} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    );
  }
}

function freeName(context: ServerContext, target: Target, prefix: string): string {
  const collection = context.store.collection(target.kind.collection);
  for (let attempt = 0; ; attempt++) {
    const name = `${prefix.slice(0, 58)}${randomSuffix()}`;
    // The last try is stored as it is and answers AlreadyExists.
    if (collection.get(target.namespace, name) === undefined || attempt === 7) return name;
  }
}

function validate(target: Target, next: JsonObject, previous: JsonObject | undefined): void {
  const { kind, version } = target;
  const errors: FieldError[] = [
    ...validateMetadata(kind, next, previous),
    ...(kind.custom ? version.schema.validate(next, previous).map((error) => belowStatus(target, error)) : []),
    ...(kind.validate?.(next, previous) ?? []),
  ];
  // Events complain as the core group's, whichever group they came through.
  const group = kind.collection === "events" ? "" : kind.group;
  if (errors.length > 0) throw invalid({ group, kind: kind.kind }, metaOf(next).name ?? "", errors);
}

/** Through the status subresource the real server validates the status alone, whose paths then begin below it in texts. */
function belowStatus({ subresource }: Target, error: FieldError): FieldError {
  if (subresource !== "status") return error;
  return { ...error, message: error.message.replaceAll(/\bstatus\.(?=\S+ in body\b)/g, "") };
}

function track(
  target: Target,
  live: JsonObject | undefined,
  next: JsonObject,
  options: WriteOptions,
  nowMs: number,
): JsonObject {
  const { kind, version, subresource } = target;
  const tracked = trackUpdate({
    live: live === undefined ? undefined : present(kind, version, live),
    updated: present(kind, version, next),
    manager: options.fieldManager,
    apiVersion: groupVersion(kind, version.version),
    schema: version.merge,
    time: timestamp(nowMs),
    ...(subresource === "" ? {} : { subresource }),
  });
  return toStored(kind, version, tracked);
}

function unchanged(next: JsonObject, old: JsonObject): boolean {
  return sameJson(forComparison(next), forComparison(old));
}

/** A write that only renews the time of a managed-fields entry changes nothing. */
function forComparison(object: JsonObject): JsonObject {
  const fields = isObject(object.metadata) ? object.metadata.managedFields : undefined;
  if (!Array.isArray(fields)) return object;
  return withMeta(object, {
    managedFields: fields.map((entry) => (isObject(entry) ? { ...entry, time: null } : entry)),
  });
}

function commit(
  context: ServerContext,
  target: Target,
  object: JsonObject,
  options: WriteOptions,
  previous: Entry | undefined,
): Entry {
  const { kind, namespace } = target;
  const { name, deletionTimestamp } = metaOf(object);
  if (options.dryRun) {
    const shown = withMeta(object, {
      resourceVersion: previous === undefined ? undefined : metaOf(previous.object).resourceVersion,
    });
    return {
      namespace,
      name,
      key: keyOf(namespace, name),
      object: shown,
      json: JSON.stringify(shown),
      revision: previous?.revision ?? 0,
    };
  }
  if (previous !== undefined && deletionTimestamp !== undefined && isFinal(kind.collection, object)) {
    return context.store.remove(kind.collection, namespace, name, object);
  }
  return context.store.put(kind.collection, namespace, name, object);
}

/** True when nothing keeps a deleted object any more. */
export function isFinal(collection: string, object: JsonObject): boolean {
  if ((metaOf(object).finalizers ?? []).length > 0) return false;
  const finalizers = isObject(object.spec) ? object.spec.finalizers : undefined;
  return collection !== "namespaces" || !Array.isArray(finalizers) || finalizers.length === 0;
}

function without(object: JsonObject, field: string): JsonObject {
  const { [field]: _, ...rest } = object;
  return rest;
}
