import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { silentLogger, systemClock, type Clock, type Logger } from "@almanac/core";
import { ExpositionError } from "./error.ts";
import type { Health, HealthChecks } from "./health.ts";
import type { PrometheusReader } from "./reader.ts";
import { answerScrape, type Scrape } from "./scrape.ts";
import { plain, refuseMethod, send } from "./send.ts";
import { isWelcome } from "./web/client-certificate.ts";
import type { TlsSettings } from "./web/tls-settings.ts";
import type { WebConfig } from "./web/web-config.ts";

export interface MetricsServerOptions {
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 0, any free port. */
  readonly port?: number;
  /** What `/healthz` and `/readyz` tell. Default: always ok. */
  readonly health?: Health;
  readonly logger?: Logger;
  /** Called after each page that `GET /metrics` sent in full. Must not throw. */
  readonly onScrape?: (scrape: Scrape) => void;
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal;
  /** Connections beyond this number are refused. Default: 128. */
  readonly maxConnections?: number;
  /** How long a client may take to send a request (its headers: half of it). Default: 10,000. */
  readonly requestTimeoutMs?: number;
  /** How long a client may take to fetch an answer before it is cut off. Default: 30,000. */
  readonly responseTimeoutMs?: number;
  /** How long `close()` waits for running requests before it cuts them off. Default: 2,000. */
  readonly closeTimeoutMs?: number;
  /** TLS and who may ask, for all paths; kept up with while the server runs. Default: plain HTTP for everybody who can connect. */
  readonly webConfig?: WebConfig;
  readonly clock?: Clock;
}

/** A running endpoint. Disposing of it is the same as `close()`. */
export interface MetricsServer extends AsyncDisposable {
  /** Base address, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Ends idle connections at once, running requests when they are done or `closeTimeoutMs` is over. Idempotent. */
  close(): Promise<void>;
}

/**
 * Serves `/metrics`, `/healthz` and `/readyz` (JSON naming each check, 503 when one fails) and an index page. Slow clients, large
 * requests, many connections and requests with a body are bounded or refused. When nothing can be collected the answer is 500, never
 * an empty page.
 *
 * @throws ExpositionError `address_in_use`, `listen_failed`, `invalid_options`.
 */
export async function startMetricsServer(
  reader: PrometheusReader,
  options: MetricsServerOptions = {},
): Promise<MetricsServer> {
  const { host = "127.0.0.1", port = 0, signal, logger = silentLogger, clock = systemClock } = options;
  const {
    maxConnections = 128,
    requestTimeoutMs = 10_000,
    responseTimeoutMs = 30_000,
    closeTimeoutMs = 2_000,
  } = options;
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new ExpositionError("invalid_options", `port must be a whole number from 0 to 65535, got ${port}`);
  }
  for (const [name, value] of Object.entries({ maxConnections, requestTimeoutMs, responseTimeoutMs, closeTimeoutMs })) {
    if (!(value > 0)) throw new ExpositionError("invalid_options", `${name} must be positive, got ${value}`);
  }
  signal?.throwIfAborted();

  const { webConfig } = options;
  const answer = createHandler(reader, {
    health: options.health,
    onScrape: options.onScrape,
    webConfig,
    logger,
    clock,
  });
  const limits = {
    maxHeaderSize: 16_384,
    headersTimeout: Math.ceil(requestTimeoutMs / 2),
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
    // Longer than the usual scrape interval of a minute; else every scrape would open a connection, and some would meet a closing one.
    keepAliveTimeout: 90_000,
  };
  function handle(request: IncomingMessage, response: ServerResponse): void {
    const cut = clock.setTimeout(() => request.socket.destroy(), responseTimeoutMs, { keepAlive: false });
    response.once("close", () => cut.cancel());
    answer(request, response).catch(() => request.socket.destroy());
  }
  const server =
    webConfig?.settings.tls === undefined ? createServer(limits, handle) : secure(webConfig, limits, handle);
  // Otherwise Node would invite the body that is about to be refused.
  server.on("checkContinue", handle);
  server.maxConnections = maxConnections;
  await listen(server, host, port);

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= stop());
  async function stop(): Promise<void> {
    signal?.removeEventListener("abort", onAbort);
    const cut = clock.setTimeout(() => server.closeAllConnections(), closeTimeoutMs);
    // Also ends idle connections.
    await new Promise<void>((resolve) => server.close(() => resolve()));
    cut.cancel();
  }
  function onAbort(): void {
    void close();
  }
  signal?.addEventListener("abort", onAbort, { once: true });

  const address = server.address() as AddressInfo;
  const scheme = webConfig?.settings.tls === undefined ? "http" : "https";
  const url = `${scheme}://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
  logger.info("serving metrics and health", { url });
  return { url, port: address.port, close, [Symbol.asyncDispose]: close };
}

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/** A server whose certificate, and what it asks of clients', follow the configuration. */
function secure(webConfig: WebConfig, limits: ServerOptions, handle: Handle): Server {
  const tls = (): TlsSettings => webConfig.settings.tls as TlsSettings;
  const { context, clientAuth } = tls();
  const requestCert = clientAuth.request;
  const rejectUnauthorized = clientAuth.require && clientAuth.verify;
  const server = createTlsServer({ ...limits, ...context, requestCert, rejectUnauthorized }, handle);
  server.on("secureConnection", (socket: TLSSocket) => {
    if (!isWelcome(socket, tls().clientAuth)) socket.destroy();
  });
  webConfig.watch((settings) => {
    if (settings.tls !== undefined) server.setSecureContext(settings.tls.context);
  });
  return server;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(ExpositionError.fromListen(error, host, port));
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

interface HandlerOptions {
  readonly health: Health | undefined;
  readonly onScrape: ((scrape: Scrape) => void) | undefined;
  readonly webConfig: WebConfig | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

function createHandler(reader: PrometheusReader, options: HandlerOptions) {
  const { health, onScrape, webConfig, logger, clock } = options;

  async function probe(checks: HealthChecks | undefined, response: ServerResponse): Promise<void> {
    const report = (await checks?.run()) ?? { ok: true, checks: {} };
    const states = Object.entries(report.checks).map(([name, state]) => [name, state === true ? "ok" : state]);
    const body = { status: report.ok ? "ok" : "failing", checks: Object.fromEntries(states) as Record<string, string> };
    send(response, report.ok ? 200 : 503, "application/json; charset=utf-8", `${JSON.stringify(body)}\n`);
  }

  return async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    for (const [name, value] of webConfig?.settings.headers ?? []) response.setHeader(name, value);
    const body = hasBody(request);
    if (body) {
      // The rest of the body would be read as the next request.
      response.setHeader("connection", "close");
      response.once("finish", () => request.socket.destroySoon());
    }
    const refusal = await webConfig?.settings.access.check(request);
    if (refusal !== undefined) {
      for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
      return send(response, refusal.status, plain, `${refusal.reason}\n`);
    }
    const path = request.url?.split("?", 1)[0];
    if (path !== "/" && path !== "/metrics" && path !== "/healthz" && path !== "/readyz") {
      return send(response, 404, plain, "not found; there are /metrics, /healthz and /readyz\n");
    }
    if (refuseMethod(request, response)) return;
    if (body) return send(response, 413, plain, "a request here has no body\n");
    if (path === "/metrics") return await answerScrape(reader, request, response, { onScrape, logger, clock });
    if (path === "/healthz") return await probe(health?.liveness, response);
    if (path === "/readyz") return await probe(health?.readiness, response);
    return send(response, 200, "text/html; charset=utf-8", indexPage);
  };
}

const indexPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Metrics and health</title></head><body><ul>
<li><a href="/metrics">/metrics</a></li><li><a href="/healthz">/healthz</a></li><li><a href="/readyz">/readyz</a></li>
</ul></body></html>
`;

function hasBody(request: IncomingMessage): boolean {
  const length = request.headers["content-length"];
  return request.headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) !== 0);
}
