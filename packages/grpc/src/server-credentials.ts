import type { ServerCredentials } from "@grpc/grpc-js";
import type { ReloadOptions, TlsFiles } from "./tls-files.ts";

export interface ServerTls extends TlsFiles {
  /** Subject alternative names (DNS or URI, exact) of the clients let in. Default: every client the CA vouches for. */
  readonly allowedSans?: readonly string[];
}

/** Server credentials that stop watching their files when disposed. */
export type ReloadingServerCredentials = ServerCredentials & Disposable;

export declare function serverCredentials(
  tls: ServerTls | "insecure",
  options?: ReloadOptions,
): ReloadingServerCredentials;
