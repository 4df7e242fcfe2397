import type { Informer, InformerEvent, KubeObject } from "@almanac/kube";
import type { Predicate } from "./predicates.ts";

/** Names the object to reconcile. A cluster-scoped one has an empty namespace. */
export interface Request {
  readonly namespace: string;
  readonly name: string;
}

/** Another resource whose changes lead to reconciles; made by `watch`. */
export interface Watch {
  readonly informer: Informer<KubeObject>;
  subscribe(enqueue: (request: Request, event: InformerEvent<KubeObject>) => void): Disposable;
}

export interface WatchSettings<T extends KubeObject> {
  /** The objects to reconcile when `object` changed. What it throws is logged. */
  readonly map: (object: T) => readonly Request[];
  readonly predicates?: readonly Predicate<T>[];
}

export declare function watch<T extends KubeObject>(informer: Informer<T>, settings: WatchSettings<T>): Watch;

/** Maps an object to its owners of `kind` in `apiGroup`. */
export declare function ownerRequests(
  kind: string,
  options?: { readonly apiGroup?: string; readonly controllerOnly?: boolean },
): (object: KubeObject) => Request[];
