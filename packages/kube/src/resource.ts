import type { KubeClient } from "./client.ts";
import type { KubeList, KubeObject, ObjectKey, ResourceDefinition } from "./objects.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Default: the client's. */
  readonly timeoutMs?: number;
}

export interface ListOptions extends CallOptions {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Default: unset, the most recent state. */
  readonly resourceVersion?: string;
  /** Items per page. Default: 500. 0: everything at once. */
  readonly limit?: number;
}

export interface WriteOptions extends CallOptions {
  readonly dryRun?: boolean;
  /** Who owns the fields written. Default: the client's user agent's first word. */
  readonly fieldManager?: string;
  readonly subresource?: "status" | "scale";
}

export interface PatchOptions extends WriteOptions {
  /** `apply` is server-side apply; its body needs neither apiVersion, kind nor name, they are filled in. */
  readonly type: "merge" | "json" | "strategic" | "apply";
  /** Only with `apply`: take over fields that another manager owns. Default: false, which ends in `conflict`. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** The delete fails with `conflict` unless these still hold. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly gracePeriodSeconds?: number;
  readonly dryRun?: boolean;
}

export interface WatchOptions {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Events after this version. Default: unset, which begins with an ADDED event per existing object. */
  readonly resourceVersion?: string;
  /** The server ends the watch after so long. Default: its own choice. */
  readonly timeoutSeconds?: number;
  /** No byte for so long means that the connection is half open: the watch ends with `timeout`. Default: never. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/** Typed access to one resource. Every method rejects with KubeError. */
export interface ResourceClient<T extends KubeObject> {
  readonly definition: ResourceDefinition;
  get(key: ObjectKey, options?: CallOptions): Promise<T>;
  /** As `get`, but undefined when the object does not exist. */
  find(key: ObjectKey, options?: CallOptions): Promise<T | undefined>;
  /** All pages together; begun anew when the server drops the snapshot in between. */
  list(options?: ListOptions): Promise<KubeList<T>>;
  /** Page by page. Throws `gone` when the server drops the snapshot in between. */
  pages(options?: ListOptions): AsyncGenerator<KubeList<T>, void, undefined>;
  create(object: T, options?: WriteOptions): Promise<T>;
  /** Replaces the whole object; `conflict` when `metadata.resourceVersion` is set and no longer current. */
  replace(object: T, options?: WriteOptions): Promise<T>;
  patch(key: ObjectKey, body: unknown, options: PatchOptions): Promise<T>;
  /** The object as it stays while finalizers hold it, or undefined when it is gone (or had never been there with `ignoreNotFound`). */
  delete(key: ObjectKey, options?: DeleteOptions & { readonly ignoreNotFound?: boolean }): Promise<T | undefined>;
  /** Ends when the server closes the watch; throws KubeError when it fails, `gone` for an expired version. Break out of it to close it. */
  watch(options?: WatchOptions): AsyncGenerator<WatchEvent<T>, void, undefined>;
}

export declare function createResourceClient<T extends KubeObject>(
  client: KubeClient,
  definition: ResourceDefinition,
): ResourceClient<T>;
