import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createServer as createHttp2Server,
  type IncomingHttpHeaders as Http2Headers,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders | Http2Headers;
  /** Unpacked. */
  readonly body: Buffer;
  readonly atMs: number;
}

export interface HttpAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A receiver of OTLP over HTTP on the loopback. `answer` may make it wait. */
export async function startHttpReceiver(
  answer: (received: Received) => HttpAnswer | Promise<HttpAnswer> = () => ({}),
  tls?: ServerOptions,
  port = 0,
) {
  const received: Received[] = [];
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
    const one = { path: request.url ?? "", headers: request.headers, body, atMs: performance.now() };
    received.push(one);
    const { status = 200, headers = {}, body: content = "" } = await answer(one);
    response.writeHead(status, headers);
    response.end(content);
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void => void handle(request, response);
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const scheme = tls === undefined ? "http" : "https";
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface GrpcAnswer {
  /** Default: 0, OK. */
  readonly code?: number;
  /** A serialised `google.rpc.Status`. */
  readonly details?: Buffer;
  readonly message?: Uint8Array;
}

/** A receiver of OTLP over gRPC without TLS, as bare HTTP/2: one message in, one out. Undefined: it never answers. */
export async function startGrpcReceiver(answer: (received: Received) => GrpcAnswer | undefined = () => ({}), port = 0) {
  const received: Received[] = [];
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const raw = Buffer.concat(chunks);
      // A byte says whether it is packed, four how long it is.
      const body = raw[0] === 1 ? gunzipSync(raw.subarray(5)) : raw.subarray(5);
      const one = { path: String(headers[":path"]), headers, body, atMs: performance.now() };
      received.push(one);
      const given = answer(one);
      if (given === undefined) return;
      const { code = 0, details, message = new Uint8Array() } = given;
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () =>
        stream.sendTrailers({
          "grpc-status": String(code),
          ...(details && { "grpc-status-details-bin": details.toString("base64") }),
        }),
      );
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.byteLength, 1);
      stream.end(code === 0 ? Buffer.concat([head, message]) : undefined);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async close(): Promise<void> {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
