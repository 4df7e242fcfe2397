import type { Clock, Logger } from "@almanac/core";
import type { JsonObject } from "./schema/index.ts";

/** PEM texts for HTTPS. `ca` is what a client must trust; it goes into the kubeconfig. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** One line about one finished request. Holds no header and no body, so no secret either. */
export interface RequestRecord {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; empty outside of resources. */
  readonly verb: string;
  /** `plural.group`, empty outside of resources. */
  readonly resource: string;
  readonly status: number;
  readonly durationSeconds: number;
  readonly userAgent: string;
}

export interface HistoryLimits {
  /** Events kept per resource for watches that resume. Default: 10,000. */
  readonly events?: number;
  /** Bytes of serialised objects kept per resource. Default: 64 MiB. */
  readonly bytes?: number;
}

export interface ApiServerOptions {
  /** A loopback address. Default: `127.0.0.1`. */
  readonly host?: string;
  /** Default: 0, a free one. */
  readonly port?: number;
  /**
   * With it the server speaks HTTPS. Without it plain HTTP, over which kubectl sends no token and is therefore refused;
   * clients that do send it work.
   */
  readonly tls?: TlsMaterial;
  /** Bearer tokens that are let in. Default: one random token. */
  readonly tokens?: readonly string[];
  /** Folder that keeps the state across restarts; made when missing. Default: none, everything stays in memory. */
  readonly stateDir?: string;
  readonly history?: HistoryLimits;
  /** Time between bookmarks on watches that ask for them. Default: 60,000. */
  readonly bookmarkIntervalMs?: number;
  /** Bytes that may wait for one slow watcher before its connection is closed. Default: 16 MiB. */
  readonly watchBufferBytes?: number;
  /** Longest request body. Default: 3 MiB; longer ones get 413. */
  readonly bodyLimitBytes?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Called after every request has been answered; what it throws is logged and ignored. */
  readonly onRequest?: (request: RequestRecord) => void;
}

/** Direct view of the stored objects, for tests. */
export interface StoreAccess {
  /** The newest resourceVersion given out. */
  readonly resourceVersion: number;
  /** Stored objects of `resource` (`plural` or `plural.group`), all or of one namespace, in name order. */
  list(resource: string, namespace?: string): readonly JsonObject[];
  get(resource: string, namespace: string | undefined, name: string): JsonObject | undefined;
  /** Forgets the events kept for resuming, so that older resourceVersions answer 410. */
  forgetHistory(): void;
}

/** A running server. Disposing it closes all connections; the state folder is left complete. */
export interface ApiServer extends AsyncDisposable {
  /** E.g. `https://127.0.0.1:41234`. */
  readonly url: string;
  readonly port: number;
  /** The first of the tokens. */
  readonly token: string;
  /** A kubeconfig as YAML text; it holds the token. */
  readonly kubeconfig: string;
  readonly store: StoreAccess;
  close(): Promise<void>;
}
