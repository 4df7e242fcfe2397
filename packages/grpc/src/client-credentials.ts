import type { ChannelCredentials } from "@grpc/grpc-js";
import type { ReloadOptions, TlsFiles } from "./tls-files.ts";

export interface ClientTls extends TlsFiles {
  /** Name the server's certificate must carry when it is not the dialled one (a Service name while dialling 127.0.0.1). */
  readonly serverName?: string;
}

/** Channel credentials that stop watching their files when disposed. */
export type ReloadingChannelCredentials = ChannelCredentials & Disposable;

export declare function clientCredentials(
  tls: ClientTls | "insecure",
  options?: ReloadOptions,
): ReloadingChannelCredentials;
