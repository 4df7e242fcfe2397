import { createSecureContext } from "node:tls";
import { ChannelCredentials } from "@grpc/grpc-js";
import type { CallCredentials, ChannelOptions, experimental } from "@grpc/grpc-js";
import { GrpcError } from "./grpc-error.ts";
import { openTlsFiles } from "./tls-files.ts";
import type { ReloadOptions, TlsFiles, TlsSource } from "./tls-files.ts";

export interface ClientTls extends TlsFiles {
  /** Name the server's certificate must carry when it is not the dialled one (a Service name while dialling 127.0.0.1). */
  readonly serverName?: string;
}

/** Channel credentials that stop watching their files when disposed. */
export type ReloadingChannelCredentials = ChannelCredentials & Disposable;

/**
 * Credentials for a client: TLS 1.3 with a client certificate, read again when the files change. New connections use the new files,
 * existing ones live on. Plaintext only for the literal "insecure". Throws what `openTlsFiles` throws, at once.
 */
export function clientCredentials(
  tls: ClientTls | "insecure",
  options: ReloadOptions = {},
): ReloadingChannelCredentials {
  if (tls === "insecure") return Object.assign(ChannelCredentials.createInsecure(), { [Symbol.dispose]() {} });
  if (tls.serverName === "") throw new GrpcError("invalid_options", `serverName of the TLS options must not be empty`);
  return new FileChannelCredentials(tls, options);
}

class FileChannelCredentials extends ChannelCredentials {
  readonly #source: TlsSource;
  readonly #serverName: string | undefined;
  #current: ChannelCredentials;

  constructor(tls: ClientTls, options: ReloadOptions) {
    super();
    this.#source = openTlsFiles(tls, options);
    this.#serverName = tls.serverName;
    this.#current = ChannelCredentials.createFromSecureContext(createSecureContext(this.#source.material));
    this.#source.watch((material) => {
      this.#current = ChannelCredentials.createFromSecureContext(createSecureContext(material));
    });
  }

  _isSecure(): boolean {
    return true;
  }

  // Channels with equal credentials share connections; two sets of files are never equal.
  _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  _createSecureConnector(
    target: experimental.GrpcUri,
    options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): experimental.SecureConnector {
    const effective =
      this.#serverName === undefined ? options : { ...options, "grpc.ssl_target_name_override": this.#serverName };
    // grpc-js keeps a connector for as long as it keeps the address: each connection asks for the credentials of its own day.
    const connector = (): experimental.SecureConnector =>
      this.#current._createSecureConnector(target, effective, callCredentials);
    return {
      connect: (socket) => connector().connect(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => connector().getCallCredentials(),
      destroy() {},
    };
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
  }
}
