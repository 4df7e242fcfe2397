import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Logger } from "@almanac/core";
import type { ApiServerOptions } from "../options.ts";
import type { ServerContext } from "../rest/context.ts";
import type { Exchange, HandlerLimits } from "./request.ts";
import type { WatchHub } from "./watch-hub.ts";
import { describeError } from "@almanac/core";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createOpenApi } from "../discovery/openapi.ts";
import { badRequest, internalError, StatusError, unauthorized } from "../status.ts";
import { createAuthenticator } from "./authenticate.ts";
import { sendStatus } from "./respond.ts";
import { serve } from "./routes.ts";

export interface ListenerOptions {
  readonly tls: ApiServerOptions["tls"];
  readonly tokens: readonly string[];
  readonly limits: HandlerLimits;
  readonly onRequest: ApiServerOptions["onRequest"];
}

// Time to send a request's headers and its whole body. Answers, watches above all, take as long as they take.
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 60_000;
// Longer than clients keep idle connections, so that they do not write into one that is being closed.
const keepAliveTimeoutMs = 120_000;

/** The HTTP server: authentication, errors as Status objects, one record per request. Not listening yet. */
export function createListener(context: ServerContext, hub: WatchHub, options: ListenerOptions): Server {
  const { tls, limits, onRequest } = options;
  const { logger } = context;
  const isAllowed = createAuthenticator(options.tokens);
  const openApi = createOpenApi(context.registry);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const labels = { verb: "", resource: "" };
    let path = request.url ?? "/";
    if (onRequest !== undefined) {
      response.on("close", () => {
        const record = {
          method: request.method ?? "",
          path,
          verb: labels.verb,
          resource: labels.resource,
          status: response.statusCode,
          durationSeconds: (performance.now() - started) / 1000,
          userAgent: request.headers["user-agent"] ?? "",
        };
        guard(logger, () => onRequest(record));
      });
    }
    try {
      const url = readUrl(request);
      path = url.pathname;
      if (!isAllowed(request, path)) throw unauthorized();
      const exchange: Exchange = { context, limits, hub, request, response, path, query: url.searchParams, labels };
      await serve(exchange, openApi);
    } catch (error) {
      fail(request, response, error, logger);
    }
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    response.on("error", (error) => logger.debug("Writing an answer failed", { error: describeError(error) }));
    void answer(request, response);
  };
  const timeouts = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    noDelay: true,
  };
  return tls === undefined
    ? createHttpServer(timeouts, listener)
    : createHttpsServer({ ...timeouts, cert: tls.cert, key: tls.key, ALPNProtocols: ["http/1.1"] }, listener);
}

function readUrl(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? "/", "http://localhost");
  } catch {
    throw badRequest("the request's path cannot be parsed");
  }
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown, logger: Logger): void {
  if (response.headersSent || response.destroyed) {
    if (!(error instanceof StatusError)) logger.debug("A request ended early", { error: describeError(error) });
    response.destroy();
    return;
  }
  // A client that goes on sending a body that nobody reads would block the connection.
  if (!request.complete) response.setHeader("connection", "close");
  if (error instanceof StatusError) sendStatus(response, error);
  else {
    logger.error("A request failed", { method: request.method, error: describeError(error) });
    sendStatus(response, internalError(describeError(error)));
  }
}

function guard(logger: Logger, call: () => void): void {
  try {
    call();
  } catch (error) {
    logger.warn("The request callback threw", { error: describeError(error) });
  }
}
