/** `metadata` of every Kubernetes object, as far as this package and its users read it. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: unknown[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** What every object has. Objects that come out of an informer are shared: never change them, copy first. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** What `create` takes: an object with its name, or with the beginning of one that the server completes. */
export type NewObject<T extends KubeObject> =
  T | (Omit<T, "metadata"> & { metadata: Omit<T["metadata"], "name"> & { name?: undefined; generateName: string } });

/** Addresses one object. An object's own `metadata` and a controller's request are keys too. */
export interface ObjectKey {
  /** Missing or empty: the connection's default namespace, or none for a cluster-scoped resource. */
  readonly namespace?: string;
  readonly name: string;
}

/** One resource of the API. The core group is the empty string. */
export interface ResourceDefinition {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface KubeList<T> {
  /** Shared by all items. */
  resourceVersion: string;
  items: T[];
  /** Token of the next page; absent on the last. */
  continue?: string;
}

/** `Status` of meta/v1: how the API server reports an error, in a body or in a watch's ERROR event. */
export interface KubeStatus {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly name?: string;
    readonly kind?: string;
    readonly group?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly field?: string; readonly message?: string }[];
  };
}

/** `namespace/name`, or the bare name of a cluster-scoped object: the key of stores and queues. */
export function keyOf(key: ObjectKey): string {
  return key.namespace ? `${key.namespace}/${key.name}` : key.name;
}

/** `group/version` as it stands in `apiVersion`; the bare version in the core group. */
export function apiVersionOf(definition: { readonly group: string; readonly version: string }): string {
  return definition.group === "" ? definition.version : `${definition.group}/${definition.version}`;
}

/** Whether an object says that it is of this kind, in this version. One that says nothing is. */
export function isOfKind(object: KubeObject, definition: ResourceDefinition): boolean {
  const { kind = definition.kind, apiVersion = apiVersionOf(definition) } = object;
  return kind === definition.kind && apiVersion === apiVersionOf(definition);
}

/**
 * Orders two resource versions: negative, zero or positive. Undefined when either is not a decimal number; such versions can only be
 * told apart. Source: KEP-5504, resource versions are comparable decimal integers.
 */
export function compareResourceVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined || !decimal.test(a) || !decimal.test(b)) return undefined;
  // Longer is larger: etcd revisions outgrow the safe integers on paper, and BigInt is slow on a path every event takes.
  return a.length !== b.length ? a.length - b.length : a < b ? -1 : a > b ? 1 : 0;
}

const decimal = /^(0|[1-9][0-9]*)$/;
