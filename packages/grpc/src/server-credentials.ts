import { ServerCredentials } from "@grpc/grpc-js";
import type { ServerInterceptor } from "@grpc/grpc-js";
import { createSanInterceptor } from "./allowed-sans.ts";
import { openTlsFiles } from "./tls-files.ts";
import type { ReloadOptions, TlsFiles, TlsSource } from "./tls-files.ts";

export interface ServerTls extends TlsFiles {
  /** Subject alternative names (DNS or URI, exact) of the clients let in. Default: every client the CA vouches for. */
  readonly allowedSans?: readonly string[];
}

/** Server credentials that stop watching their files when disposed. */
export type ReloadingServerCredentials = ServerCredentials & Disposable;

/**
 * Credentials for a server: TLS 1.3, clients must present a certificate of the CA, files are read again when they change. New
 * connections use the new files, existing ones live on. Plaintext only for the literal "insecure". Throws what `openTlsFiles`
 * throws, at once.
 */
export function serverCredentials(
  tls: ServerTls | "insecure",
  options: ReloadOptions = {},
): ReloadingServerCredentials {
  if (tls === "insecure") return Object.assign(ServerCredentials.createInsecure(), { [Symbol.dispose]() {} });
  const interceptors = tls.allowedSans === undefined ? [] : [createSanInterceptor(tls.allowedSans)];
  return new FileServerCredentials(openTlsFiles(tls, options), interceptors);
}

class FileServerCredentials extends ServerCredentials {
  readonly #source: TlsSource;
  readonly #interceptors: ServerInterceptor[];

  constructor(source: TlsSource, interceptors: ServerInterceptor[]) {
    super({ requestCert: true, rejectUnauthorized: true }, source.material);
    this.#source = source;
    this.#interceptors = interceptors;
    source.watch((material) => this.updateSecureContextOptions(material));
  }

  override _getInterceptors(): ServerInterceptor[] {
    return this.#interceptors;
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
  }
}
