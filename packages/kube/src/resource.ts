import type { KubeClient } from "./client.ts";
import { isKubeError, KubeError } from "./error.ts";
import {
  apiVersionOf,
  type KubeList,
  type KubeObject,
  type KubeStatus,
  type NewObject,
  type ObjectKey,
  type ResourceDefinition,
} from "./objects.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: the client's. */
  readonly timeoutMs?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** Default: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Default: unset, the most recent state. */
  readonly resourceVersion?: string | undefined;
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
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Events after this version. Default: unset, which begins with an ADDED event per existing object. */
  readonly resourceVersion?: string | undefined;
  /** The server ends the watch after so long. Default: its own choice. */
  readonly timeoutSeconds?: number | undefined;
  /** No byte for so long means that the connection is half open: the watch ends with `timeout`. Default: never. */
  readonly idleTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
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
  create(object: NewObject<T>, options?: WriteOptions): Promise<T>;
  /** Replaces the whole object; `conflict` when `metadata.resourceVersion` is set and no longer current. */
  replace(object: T, options?: WriteOptions): Promise<T>;
  patch(key: ObjectKey, body: unknown, options: PatchOptions): Promise<T>;
  /** The object as it stays while finalizers hold it, or undefined when it is gone (or had never been there with `ignoreNotFound`). */
  delete(key: ObjectKey, options?: DeleteOptions & { readonly ignoreNotFound?: boolean }): Promise<T | undefined>;
  /** Ends when the server closes the watch; throws KubeError when it fails, `gone` for an expired version. Break out of it to close it. */
  watch(options?: WatchOptions): AsyncGenerator<WatchEvent<T>, void, undefined>;
}

const patchTypes = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
  // Every JSON document is YAML, and this is the only media type of apply that all servers know.
  apply: "application/apply-patch+yaml",
} as const;

interface RawList<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: T[] | null;
}

export function createResourceClient<T extends KubeObject>(
  client: KubeClient,
  definition: ResourceDefinition,
): ResourceClient<T> {
  const apiVersion = apiVersionOf(definition);
  const root = definition.group === "" ? `/api/${definition.version}` : `/apis/${apiVersion}`;

  function collection(namespace: string | undefined): string {
    const scope =
      definition.namespaced && namespace !== undefined && namespace !== ""
        ? `/namespaces/${segment(namespace, "namespace")}`
        : "";
    return `${root}${scope}/${definition.plural}`;
  }

  function item(key: ObjectKey, subresource?: string): string {
    const path = `${collection(key.namespace || client.namespace)}/${segment(key.name, "name")}`;
    return subresource === undefined ? path : `${path}/${subresource}`;
  }

  function segment(value: string, field: string): string {
    if (typeof value !== "string" || value === "" || value.includes("/") || value === "." || value === "..") {
      throw new KubeError(
        "invalid_options",
        `${definition.kind}: ${field} must be a Kubernetes name, got ${JSON.stringify(value)}`,
      );
    }
    return encodeURIComponent(value);
  }

  function writeQuery(options: WriteOptions): Record<string, string | undefined> {
    return {
      fieldManager: options.fieldManager ?? client.fieldManager,
      dryRun: options.dryRun === true ? "All" : undefined,
    };
  }

  function complete(object: T): T {
    // Servers leave both out of the items of a list; an object must say what it is wherever it came from.
    object.apiVersion ??= apiVersion;
    object.kind ??= definition.kind;
    return object;
  }

  function accept(value: unknown, what: string): T {
    if (!isObject(value)) throw new KubeError("protocol", `${what}: the answer has no metadata.name`);
    return complete(value as T);
  }

  async function page(options: ListOptions, limit: number, token: string | undefined): Promise<KubeList<T>> {
    const path = collection(options.namespace);
    const raw = await client.request<RawList<T>>({
      method: "GET",
      path,
      query: {
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        limit: limit === 0 ? undefined : limit,
        continue: token,
        // A continue token carries its own version; the server refuses both together.
        resourceVersion: token === undefined ? options.resourceVersion : undefined,
      },
      signal: options.signal,
      timeoutMs: options.timeoutMs,
    });
    const resourceVersion = raw?.metadata?.resourceVersion;
    const items = raw?.items ?? [];
    if (typeof resourceVersion !== "string" || !Array.isArray(items))
      throw new KubeError("protocol", `GET ${path}: the answer is not a list`);
    const next = raw.metadata?.continue;
    return {
      resourceVersion,
      items: items.map((entry) => accept(entry, `GET ${path}`)),
      ...(next === undefined || next === "" ? {} : { continue: next }),
    };
  }

  async function* pages(options: ListOptions = {}): AsyncGenerator<KubeList<T>, void, undefined> {
    let limit = options.limit ?? 500;
    let token: string | undefined;
    do {
      let got: KubeList<T>;
      try {
        got = await page(options, limit, token);
      } catch (error) {
        // Objects so large that a page of them is refused: the token goes with any limit, so take fewer at once.
        if (!(isKubeError(error, "protocol") && error.reason === "ResponseTooLarge" && limit > 1)) throw error;
        limit = Math.floor(limit / 2);
        continue;
      }
      yield got;
      token = got.continue;
      if (token === undefined) return;
    } while (!options.signal?.aborted);
    throw new KubeError("cancelled", "the list was cancelled", { cause: options.signal?.reason });
  }

  async function list(options: ListOptions = {}): Promise<KubeList<T>> {
    for (let current = options; ; current = { ...options, limit: 0 }) {
      try {
        const items: T[] = [];
        let resourceVersion = "";
        for await (const got of pages(current)) {
          for (const entry of got.items) items.push(entry);
          resourceVersion = got.resourceVersion;
        }
        return { resourceVersion, items };
      } catch (error) {
        // The snapshot expired between two pages. In one piece it cannot. Source: client-go, tools/pager.
        if (!isKubeError(error, "gone") || current.limit === 0) throw error;
      }
    }
  }

  return {
    definition,
    async get(key, options = {}) {
      const path = item(key);
      return accept(
        await client.request({ method: "GET", path, signal: options.signal, timeoutMs: options.timeoutMs }),
        `GET ${path}`,
      );
    },
    async find(key, options) {
      try {
        return await this.get(key, options);
      } catch (error) {
        if (isKubeError(error, "not_found")) return undefined;
        throw error;
      }
    },
    list,
    pages,
    async create(object, options = {}) {
      const { namespace, name } = object.metadata;
      const path = collection(namespace || client.namespace);
      const target =
        options.subresource === undefined
          ? path
          : item({ namespace: namespace ?? "", name: name ?? "" }, options.subresource);
      return accept(
        await client.request({
          method: "POST",
          path: target,
          query: writeQuery(options),
          body: { apiVersion, kind: definition.kind, ...object },
          signal: options.signal,
          timeoutMs: options.timeoutMs,
        }),
        `POST ${target}`,
      );
    },
    async replace(object, options = {}) {
      const path = item(object.metadata, options.subresource);
      return accept(
        await client.request({
          method: "PUT",
          path,
          query: writeQuery(options),
          body: { apiVersion, kind: definition.kind, ...object },
          signal: options.signal,
          timeoutMs: options.timeoutMs,
        }),
        `PUT ${path}`,
      );
    },
    async patch(key, body, options) {
      const path = item(key, options.subresource);
      const apply = options.type === "apply";
      return accept(
        await client.request({
          method: "PATCH",
          path,
          query: { ...writeQuery(options), force: apply && options.force === true ? true : undefined },
          body: apply ? completeApply(body, key) : body,
          contentType: patchTypes[options.type],
          signal: options.signal,
          timeoutMs: options.timeoutMs,
        }),
        `PATCH ${path}`,
      );
    },
    async delete(key, options = {}) {
      const path = item(key);
      try {
        const answer = await client.request<unknown>({
          method: "DELETE",
          path,
          body: {
            apiVersion: "v1",
            kind: "DeleteOptions",
            ...(options.preconditions === undefined ? {} : { preconditions: options.preconditions }),
            ...(options.propagationPolicy === undefined ? {} : { propagationPolicy: options.propagationPolicy }),
            ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
            ...(options.dryRun === true ? { dryRun: ["All"] } : {}),
          },
          signal: options.signal,
          timeoutMs: options.timeoutMs,
        });
        // The last state when the object is gone, or when finalizers hold it: only the latter carries a deletion timestamp and finalizers.
        if (!isObject(answer)) return undefined;
        const object = answer as T;
        return object.kind !== "Status" && (object.metadata.finalizers?.length ?? 0) > 0 ? complete(object) : undefined;
      } catch (error) {
        if (options.ignoreNotFound === true && isKubeError(error, "not_found")) return undefined;
        throw error;
      }
    },
    async *watch(options = {}) {
      const path = collection(options.namespace);
      const values = client.stream({
        method: "GET",
        path,
        query: {
          watch: true,
          allowWatchBookmarks: true,
          labelSelector: options.labelSelector,
          fieldSelector: options.fieldSelector,
          resourceVersion: options.resourceVersion,
          timeoutSeconds: options.timeoutSeconds,
        },
        idleTimeoutMs: options.idleTimeoutMs,
        signal: options.signal,
      });
      for await (const value of values) {
        const event = decode(value, `WATCH ${path}`);
        if (event !== undefined) yield event;
      }
    },
  };

  function decode(value: unknown, what: string): WatchEvent<T> | undefined {
    const { type, object } = (value ?? {}) as { readonly type?: unknown; readonly object?: unknown };
    switch (type) {
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        return { type, object: accept(object, what) };
      case "BOOKMARK": {
        const resourceVersion = (object as Partial<KubeObject> | undefined)?.metadata?.resourceVersion;
        if (typeof resourceVersion !== "string")
          throw new KubeError("protocol", `${what}: a bookmark has no resourceVersion`);
        return { type, resourceVersion };
      }
      case "ERROR": {
        const status = (object ?? {}) as KubeStatus;
        throw KubeError.fromStatus(status, status.code ?? 500, what);
      }
      default:
        if (typeof type !== "string") throw new KubeError("protocol", `${what}: an event has no type`);
        // A type of a later protocol: what it says is not known, and ending the watch for it would repeat for ever.
        return undefined;
    }
  }

  function completeApply(body: unknown, key: ObjectKey): object {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new KubeError("invalid_options", `${definition.kind}: the body of an apply must be an object`);
    }
    const { metadata } = body as { readonly metadata?: object };
    return { apiVersion, kind: definition.kind, ...body, metadata: { ...metadata, name: key.name } };
  }
}

function isObject(value: unknown): value is KubeObject {
  const metadata = (value as { readonly metadata?: unknown } | null | undefined)?.metadata;
  return typeof metadata === "object" && metadata !== null && typeof (metadata as { name?: unknown }).name === "string";
}
