import { setMaxListeners } from "node:events";
import http from "node:http";
import https from "node:https";
import type { Clock } from "@almanac/core";
import type { KubeRequest } from "./client.ts";
import type { Credentials, KubeConnection } from "./connection.ts";
import { KubeError } from "./error.ts";
import type { KubeStatus } from "./objects.ts";

export interface Answer {
  /** 2xx. */
  readonly status: number;
  /** The whole body in mode `whole`, empty in mode `stream`. */
  readonly body: Buffer;
  /** The body as it arrives, in mode `stream`. Throws KubeError `timeout` after `idleMs` without a byte. */
  chunks(idleMs: number | undefined): AsyncGenerator<Buffer, void, undefined>;
  /** Ends the request, whatever its state. */
  close(): void;
}

interface SendOptions {
  readonly mode: "whole" | "stream";
  /** Any of them ends the request; in mode `stream` until `close`. */
  readonly signals: readonly AbortSignal[];
  /** Until the whole answer is there; in mode `stream` until its headers. */
  readonly timeoutMs: number;
  /** The last credentials were refused. */
  readonly refresh: boolean;
}

interface Transport {
  readonly server: string;
  /** One try. Rejects with KubeError for every answer but 2xx. */
  send(request: KubeRequest, options: SendOptions): Promise<Answer>;
  close(): void;
}

/** How much of an error's body is read; a `Status` with a thousand causes fits. */
const maxErrorBytes = 1024 * 1024;

/** Plain node:http(s) with keep-alive: no fetch, whose pool neither tells a half-open connection nor takes a client certificate. */
export function createTransport(
  connection: KubeConnection,
  options: { readonly clock: Clock; readonly userAgent: string; readonly maxResponseBytes: number },
): Transport {
  const { clock } = options;
  const base = baseUrl(connection.server);
  const secure = base.protocol === "https:";
  const basePath = base.pathname.replace(/\/+$/, "");
  let agent: http.Agent | undefined;
  let agentCert: string | undefined;

  function agentFor(credentials: Credentials): http.Agent {
    if (agent !== undefined && agentCert === credentials.cert) return agent;
    if (agent !== undefined) retire(agent);
    agentCert = credentials.cert;
    const pool: https.AgentOptions = {
      keepAlive: true,
      keepAliveMsecs: 30_000,
      maxFreeSockets: 16,
      scheduling: "lifo",
    };
    agent = secure
      ? new https.Agent({
          ...pool,
          ...(connection.ca === undefined ? {} : { ca: connection.ca }),
          ...(connection.tlsServerName === undefined ? {} : { servername: connection.tlsServerName }),
          ...(connection.insecureSkipTlsVerify === true ? { rejectUnauthorized: false } : {}),
          ...(credentials.cert === undefined ? {} : { cert: credentials.cert }),
          ...(credentials.key === undefined ? {} : { key: credentials.key }),
        })
      : new http.Agent(pool);
    return agent;
  }

  async function send(request: KubeRequest, { mode, signals, timeoutMs, refresh }: SendOptions): Promise<Answer> {
    const credentials: Credentials = (await connection.auth?.credentials({ refresh })) ?? {};
    for (const signal of signals) signal.throwIfAborted();
    const what = `${request.method} ${request.path}`;
    const payload = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const headers: http.OutgoingHttpHeaders = { accept: "application/json", "user-agent": options.userAgent };
    if (payload !== undefined) {
      headers["content-type"] = request.contentType ?? "application/json";
      headers["content-length"] = payload.length;
    }
    if (credentials.authorization !== undefined) headers["authorization"] = credentials.authorization;

    const outgoing = (secure ? https : http).request({
      agent: agentFor(credentials),
      hostname: base.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: base.port,
      path: `${basePath}${request.path}${queryString(request.query)}`,
      method: request.method,
      headers,
    });
    let response: http.IncomingMessage | undefined;
    let killedBy: KubeError | undefined;
    // Node reports a request destroyed under a response as a reset connection, so the real reason is kept beside it.
    const kill = (reason: KubeError): void => {
      killedBy ??= reason;
      (response ?? outgoing).destroy(reason);
    };
    const onAbort = (): void => kill(new KubeError("cancelled", `${what} was cancelled`));
    // One signal ends many requests; Node would warn of a leak at the eleventh.
    setMaxListeners(0, ...signals);
    for (const signal of signals) signal.addEventListener("abort", onAbort, { once: true });
    const timer = clock.setTimeout(
      () => kill(new KubeError("timeout", `${what}: no answer within ${Math.round(timeoutMs)} ms`)),
      timeoutMs,
    );
    const settle = (): void => {
      timer.cancel();
      for (const signal of signals) signal.removeEventListener("abort", onAbort);
    };
    // Reported through the promise or the reading of the body; without a listener a late one would end the process.
    outgoing.on("error", () => {});
    try {
      response = await responseTo(outgoing, payload);
      const streamed = response;
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) {
        throw statusError(await readAll(response, maxErrorBytes, what), status, what, retryAfter(response, clock));
      }
      if (mode === "whole") {
        const body = await readAll(response, options.maxResponseBytes, what);
        settle();
        return { status, body, chunks: () => chunksOf(streamed, undefined, clock, what), close() {} };
      }
      timer.cancel();
      return {
        status,
        body: Buffer.alloc(0),
        chunks: (idleMs) => chunksOf(streamed, idleMs, clock, what),
        close() {
          settle();
          outgoing.destroy();
        },
      };
    } catch (error) {
      settle();
      outgoing.destroy();
      throw killedBy ?? KubeError.from(error);
    }
  }

  return {
    server: `${base.origin}${basePath}`,
    send,
    close() {
      agent?.destroy();
    },
  };
}

/** Requests under way keep their connections; those that are idle go, and none comes back. */
function retire(agent: http.Agent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

function baseUrl(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new KubeError("invalid_options", `server must be an http or https URL, got "${server}"`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new KubeError(
      "invalid_options",
      `server ${url.protocol}//${url.host} carries credentials: give them as the user's`,
    );
  }
  return url;
}

function responseTo(outgoing: http.ClientRequest, payload: Buffer | undefined): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    let answered = false;
    outgoing.once("response", (response) => {
      answered = true;
      resolve(response);
    });
    outgoing.once("error", reject);
    // A destroyed request whose socket was never assigned may only close. Every request closes in the end: an error for each would be dear.
    outgoing.once("close", () => {
      if (!answered) reject(new KubeError("unavailable", "the connection closed before an answer came"));
    });
    outgoing.end(payload);
  });
}

async function readAll(response: http.IncomingMessage, maxBytes: number, what: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new KubeError("protocol", `${what}: the answer is larger than ${maxBytes} bytes`, {
        reason: "ResponseTooLarge",
      });
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts, length);
}

async function* chunksOf(
  response: http.IncomingMessage,
  idleMs: number | undefined,
  clock: Clock,
  what: string,
): AsyncGenerator<Buffer, void, undefined> {
  let lastByteAt = clock.monotonic();
  // One timer that looks back, instead of one per chunk.
  const arm = (inMs: number): ReturnType<Clock["setTimeout"]> =>
    clock.setTimeout(() => {
      const silentMs = clock.monotonic() - lastByteAt;
      if (silentMs >= idleMs!)
        response.destroy(new KubeError("timeout", `${what}: no byte for ${Math.round(silentMs)} ms`));
      else timer = arm(idleMs! - silentMs);
    }, inMs);
  let timer = idleMs === undefined ? undefined : arm(idleMs);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      lastByteAt = clock.monotonic();
      yield chunk;
    }
  } finally {
    timer?.cancel();
  }
}

function statusError(body: Buffer, httpStatus: number, what: string, retryAfterMs: number | undefined): KubeError {
  let status: KubeStatus;
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    status = typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    // A proxy in between answers in HTML or plain text.
    status = { message: `HTTP ${httpStatus} ${body.toString("utf8", 0, 200).replaceAll(/\s+/g, " ").trim()}`.trim() };
  }
  return KubeError.fromStatus({ ...status, code: httpStatus }, httpStatus, what, retryAfterMs);
}

/** Seconds or an HTTP date. Source: RFC 9110, section 10.2.3. */
function retryAfter(response: http.IncomingMessage, clock: Clock): number | undefined {
  const value = response.headers["retry-after"];
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - clock.now());
}

function queryString(query: KubeRequest["query"]): string {
  if (query === undefined) return "";
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.append(key, String(value));
  return parameters.size === 0 ? "" : `?${parameters.toString()}`;
}
