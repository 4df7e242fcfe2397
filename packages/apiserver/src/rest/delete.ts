import type { FieldError, JsonObject } from "../schema/index.ts";
import type { Entry } from "../store/entry.ts";
import type { ServerContext, Target } from "./context.ts";
import { cleanupFinalizer, definitionCollection, withCondition } from "../kinds/definition.ts";
import { protectedNamespaces } from "../kinds/namespace.ts";
import { at, isObject, listAt, metaOf, show, timestamp, withMeta } from "../object.ts";
import { invalidValue, notSupported } from "../schema/index.ts";
import { conflict, forbidden, invalid, notFound } from "../status.ts";
import { isFinal } from "./write.ts";

export type Propagation = "Background" | "Foreground" | "Orphan";

export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly propagation: Propagation | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

const propagations: readonly string[] = ["Foreground", "Background", "Orphan"] satisfies Propagation[];

/** Reads the DeleteOptions of a body and of the query, the query winning. Throws a 422 for values it does not know. */
export function readDeleteOptions(body: JsonObject, query: URLSearchParams): DeleteOptions {
  const named = query.get("propagationPolicy") ?? at(body, "propagationPolicy");
  const orphan = query.get("orphanDependents") ?? at(body, "orphanDependents");
  const dryRun = query.has("dryRun") ? query.getAll("dryRun") : listAt(body, "dryRun");
  const errors: FieldError[] = [];
  const policy = named ?? undefined;
  if (policy !== undefined && !propagations.includes(show(policy))) {
    errors.push(notSupported("propagationPolicy", policy, [...propagations, "nil"]));
  } else if (policy !== undefined && orphan !== undefined && orphan !== null) {
    errors.push(
      invalidValue("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"),
    );
  }
  if (dryRun.some((value) => value !== "All")) errors.push(notSupported("dryRun", [...dryRun], ["All"]));
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  const legacy =
    orphan === undefined || orphan === null ? undefined : show(orphan) === "true" ? "Orphan" : "Background";
  const uid = at(body, "preconditions", "uid");
  const resourceVersion = at(body, "preconditions", "resourceVersion");
  return {
    dryRun: dryRun.length > 0,
    propagation: (policy as Propagation | undefined) ?? legacy,
    uid: typeof uid === "string" ? uid : undefined,
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : undefined,
  };
}

export interface Deleted {
  /** The object as it is now, or as it was last. */
  readonly entry: Entry;
  /** False when finalizers keep it for now. */
  readonly gone: boolean;
}

/** Deletes an object, or marks it deleted while finalizers or its contents keep it. */
export function deleteObject(context: ServerContext, target: Target, options: DeleteOptions): Deleted {
  const { kind, namespace, name } = target;
  const { store, clock } = context;
  const previous = store.collection(kind.collection).get(namespace, name);
  if (previous === undefined) throw notFound(kind, name);
  const meta = metaOf(previous.object);
  // The real server names the kind here, not the resource.
  const named = { group: kind.group, plural: kind.kind };
  if (options.uid !== undefined && options.uid !== meta.uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${meta.uid}). The object might have been deleted and then recreated`;
    throw conflict(named, name, why);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== meta.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${meta.resourceVersion}). The object might have been modified`;
    throw conflict(named, name, why);
  }
  if (kind.collection === "namespaces" && protectedNamespaces.has(name))
    throw forbidden(kind, name, "this namespace may not be deleted");
  const finalizers = finalizersFor(meta.finalizers ?? [], options.propagation);
  if (
    kind.collection === definitionCollection &&
    !finalizers.includes(cleanupFinalizer) &&
    meta.deletionTimestamp === undefined
  ) {
    finalizers.push(cleanupFinalizer);
  }
  let next = withMeta(previous.object, { finalizers: finalizers.length === 0 ? undefined : finalizers });
  if (isFinal(kind.collection, next)) {
    const entry = options.dryRun ? previous : store.remove(kind.collection, namespace, name, next);
    return { entry, gone: true };
  }
  if (meta.deletionTimestamp === undefined) next = markDeleted(kind.collection, next, clock.now());
  else if (sameFinalizers(finalizers, meta.finalizers ?? [])) return { entry: previous, gone: false };
  const entry = options.dryRun
    ? { ...previous, object: next, json: JSON.stringify(next) }
    : store.put(kind.collection, namespace, name, next);
  return { entry, gone: false };
}

function finalizersFor(current: readonly string[], propagation: Propagation | undefined): string[] {
  // Without a policy the finalizers that are there decide, as garbage collection's defaults say.
  if (propagation === undefined) return [...current];
  const rest = current.filter((one) => one !== "orphan" && one !== "foregroundDeletion");
  if (propagation === "Foreground") return [...rest, "foregroundDeletion"];
  return propagation === "Orphan" ? [...rest, "orphan"] : rest;
}

function sameFinalizers(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((one) => right.includes(one));
}

function markDeleted(collection: string, object: JsonObject, nowMs: number): JsonObject {
  const { generation } = metaOf(object);
  const marked = withMeta(object, {
    deletionTimestamp: timestamp(nowMs),
    deletionGracePeriodSeconds: 0,
    generation: generation === undefined ? undefined : generation + 1,
  });
  const status = isObject(marked.status) ? marked.status : {};
  if (collection === "namespaces")
    return {
      ...withMeta(marked, { deletionGracePeriodSeconds: undefined }),
      status: { ...status, phase: "Terminating" },
    };
  if (collection !== definitionCollection) return marked;
  const conditions = withCondition(listAt(status, "conditions"), {
    type: "Terminating",
    status: "True",
    reason: "InstanceDeletionPending",
    message: "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    lastTransitionTime: timestamp(nowMs),
  });
  return { ...marked, status: { ...status, conditions } };
}
