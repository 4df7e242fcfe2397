import type { Clock, Logger } from "@almanac/core";

/** Paths of PEM files, as cert-manager and `kubectl create secret tls` lay them out (`tls.crt`, `tls.key`, `ca.crt`). */
export interface TlsFiles {
  /** Own certificate, followed by its intermediates. */
  readonly certFile: string;
  /** Private key of `certFile`. */
  readonly keyFile: string;
  /** Certificates the peer's must chain to. */
  readonly caFile: string;
}

export interface ReloadOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** How often the files are looked at, in milliseconds. Default 10 s. */
  readonly reloadIntervalMs?: number;
}
