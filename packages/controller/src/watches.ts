import type { Informer, InformerEvent, KubeObject } from "@almanac/kube";
import { ControllerError } from "./error.ts";
import type { Predicate } from "./predicates.ts";

/** Names the object to reconcile. A cluster-scoped one has an empty namespace. */
export interface Request {
  readonly namespace: string;
  readonly name: string;
}

/** Another resource whose changes lead to reconciles; made by `watch`. */
export interface Watch {
  readonly informer: Informer<KubeObject>;
  /** Its requests wait so long for others, milliseconds. */
  readonly batchMs?: number;
  /** What `event` asks to reconcile. May throw. */
  requests(event: InformerEvent<KubeObject>): readonly Request[];
}

export interface WatchSettings<T extends KubeObject> {
  /** The objects to reconcile when `object` changed; of an update, those of both states. What it throws is logged. */
  readonly map: (object: T) => readonly Request[];
  /** All must let an event pass. Default: every event passes. */
  readonly predicates?: readonly Predicate<T>[];
  /**
   * Changes within so long after the first, milliseconds, lead to one reconcile of an object: for sums over many others, which change faster than
   * anybody reads them. Default: 0, at once.
   */
  readonly batchMs?: number;
}

/** Reconciles for changes of another resource. Throws `invalid_options` for what is no time. */
export function watch<T extends KubeObject>(informer: Informer<T>, settings: WatchSettings<T>): Watch {
  if (!((settings.batchMs ?? 0) >= 0))
    throw new ControllerError("invalid_options", `batchMs must be a time in milliseconds, got ${settings.batchMs}`);
  return {
    // Subscribed to for its events only, which come back to `requests` below as the T they are.
    informer: informer,
    ...(settings.batchMs === undefined ? {} : { batchMs: settings.batchMs }),
    requests(event) {
      const typed = event as InformerEvent<T>;
      // The controller has its own resync; that of a watched informer is meant for its own kind.
      if (typed.type === "update" && typed.resync) return [];
      if (settings.predicates?.every((passes) => passes(typed)) === false) return [];
      const requests = settings.map(typed.object);
      if (typed.type !== "update") return requests;
      // The former owner needs to know as well that it lost something. One that is the same would be looked at twice.
      const known = new Set(requests.map(idOf));
      return [...settings.map(typed.old).filter((request) => !known.has(idOf(request))), ...requests];
    },
  };
}

function idOf({ namespace, name }: Request): string {
  return `${namespace}/${name}`;
}

export interface OwnerOptions {
  /** Default: any group. */
  readonly apiGroup?: string;
  /** Only the owner that is marked as controller. Default: true. */
  readonly controllerOnly?: boolean;
}

/** Maps an object to its owners of `kind`, which live in its own namespace. */
export function ownerRequests(kind: string, options: OwnerOptions = {}): (object: KubeObject) => Request[] {
  const { apiGroup, controllerOnly = true } = options;
  return (object) =>
    (object.metadata.ownerReferences ?? [])
      .filter((owner) => owner.kind === kind && (!controllerOnly || owner.controller === true))
      .filter((owner) => apiGroup === undefined || groupOf(owner.apiVersion) === apiGroup)
      .map((owner) => ({ namespace: object.metadata.namespace ?? "", name: owner.name }));
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash === -1 ? "" : apiVersion.slice(0, slash);
}
