import { isIP } from "node:net";
import type { Socket } from "node:net";
import { connect, createSecureContext } from "node:tls";
import type { SecureContext, TLSSocket } from "node:tls";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import type { ChannelOptions, experimental } from "@grpc/grpc-js";
import { systemClock } from "@almanac/core";
import type { Clock } from "@almanac/core";
import { GrpcError } from "./grpc-error.ts";
import { parseTarget } from "./target.ts";
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
  readonly #clock: Clock;
  #context: SecureContext;

  constructor(tls: ClientTls, options: ReloadOptions) {
    super();
    this.#source = openTlsFiles(tls, options);
    this.#serverName = tls.serverName;
    this.#clock = options.clock ?? systemClock;
    this.#context = createSecureContext(this.#source.material);
    this.#source.watch((material) => (this.#context = createSecureContext(material)));
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
    callCredentials: CallCredentials = CallCredentials.createEmpty(),
  ): experimental.SecureConnector {
    const serverName = this.#serverName ?? options["grpc.ssl_target_name_override"] ?? dialledName(target, options);
    return {
      // grpc-js keeps a connector as long as the address: each connection takes the files of its own day.
      connect: async (socket) => ({
        socket: await handshake(socket, serverName, this.#context, this.#clock),
        secure: true,
      }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy() {},
    };
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
  }
}

/** The host the caller dialled, also when a proxy or a Unix socket leads there. */
function dialledName(target: experimental.GrpcUri, options: ChannelOptions): string {
  const behindProxy = options["grpc.http_connect_target"];
  if (behindProxy !== undefined) return parseTarget(behindProxy).host;
  return target.scheme?.startsWith("unix") ? "localhost" : parseTarget(target.path).host;
}

const handshakeTimeoutMs = 20_000;

function handshake(socket: Socket, serverName: string, secureContext: SecureContext, clock: Clock): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const tlsSocket = connect({
      socket,
      secureContext,
      ALPNProtocols: ["h2"],
      // `host` is what the certificate is compared with. An IP address is never sent as server name (RFC 6066 section 3); Node throws.
      host: serverName,
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    });
    // grpc-js waits for a silent peer for ever, and so would every call without a deadline.
    const timer = clock.setTimeout(
      () => tlsSocket.destroy(new Error(`no TLS handshake within ${handshakeTimeoutMs} ms`)),
      handshakeTimeoutMs,
      { keepAlive: false },
    );
    // Stays: until the HTTP/2 session listens, an error without listener would end the process.
    tlsSocket.on("error", reject);
    tlsSocket.once("close", () => {
      timer.cancel();
      reject(new Error("the connection was closed during the TLS handshake"));
    });
    tlsSocket.once("secureConnect", () => {
      timer.cancel();
      resolve(tlsSocket);
    });
  });
}
