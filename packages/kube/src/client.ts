import type { Clock, Logger } from "@almanac/core";
import type { KubeConnection } from "./connection.ts";
import type { KubeObject, ResourceDefinition } from "./objects.ts";
import type { ResourceClient } from "./resource.ts";

export interface KubeClientOptions {
  readonly logger?: Logger;
  /** Default: `almanac/<version> (linux/x64)`. */
  readonly userAgent?: string;
  readonly clock?: Clock;
  /** Longest time a request may take, watches apart. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Client-side limit, in requests per second. Default: none, the server's priority and fairness decides. */
  readonly rateLimit?: { readonly qps: number; readonly burst: number };
  /** Retries of a request that the server throttled (429 with Retry-After) or that a broken connection cost, if it is a GET. Default: 5. */
  readonly retries?: number;
  /** Longest answer. Default: 256 MiB. */
  readonly maxResponseBytes?: number;
  /** Longest line of a watch. Default: 16 MiB. */
  readonly maxLineBytes?: number;
}

export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute, below the server's URL, e.g. `/api/v1/namespaces`. */
  readonly path: string;
  /** Undefined values are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default: `application/json`. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface KubeClient extends AsyncDisposable {
  /** Without a trailing slash. */
  readonly server: string;
  /** Namespace for keys that name none. */
  readonly namespace: string;
  /** Field manager for writes that name none: the first word of the user agent. */
  readonly fieldManager: string;
  /** The decoded answer. Rejects with KubeError. */
  request<R>(request: KubeRequest): Promise<R>;
  /** One parsed JSON value per line of a streamed answer, with no limit in time but `idleTimeoutMs`. */
  lines(request: KubeRequest & { readonly idleTimeoutMs?: number }): AsyncGenerator<unknown, void, undefined>;
  resource<T extends KubeObject>(definition: ResourceDefinition): ResourceClient<T>;
}

export declare function createKubeClient(connection: KubeConnection, options?: KubeClientOptions): KubeClient;
