import { arch, platform } from "node:os";
import type { TracerProvider } from "@opentelemetry/api";
import { silentLogger, sleep, systemClock, type Clock, type Logger } from "@almanac/core";
import { longestRetryAfterMs } from "./backoff.ts";
import type { KubeConnection } from "./connection.ts";
import { KubeError } from "./error.ts";
import { linkSignals } from "./link-signals.ts";
import type { KubeObject, ResourceDefinition } from "./objects.ts";
import { createRequestTracer } from "./request-span.ts";
import { createResourceClient, type ResourceClient } from "./resource.ts";
import { createTokenBucket } from "./token-bucket.ts";
import { createTransport, type Answer } from "./transport.ts";
import { splitLines } from "./lines.ts";

export interface KubeClientOptions {
  readonly logger?: Logger;
  /** Its first word is the default field manager. Default: `almanac (linux/x64)`. */
  readonly userAgent?: string;
  readonly clock?: Clock;
  /** Longest time a request may take with all its retries; for a watch, until its headers. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Client-side limit, in requests per second. Default: none, the server's priority and fairness decides. */
  readonly rateLimit?: { readonly qps: number; readonly burst: number };
  /** Retries of a request that the server throttled (429 or 5xx with Retry-After), or that lost its connection if it is a GET. Default: 5. */
  readonly retries?: number;
  /** Longest answer. Default: 256 MiB. */
  readonly maxResponseBytes?: number;
  /** Makes a CLIENT span of every request that is sent while a sampled span is active, watches apart. Default: none. */
  readonly tracerProvider?: TracerProvider;
  /** A request that succeeds at its first try in less, milliseconds, makes no span: it says little, and most are such. Default: 0, all do. */
  readonly traceOverMs?: number;
  /** Longest line of a watch. Default: 16 MiB, ten times what etcd takes. */
  readonly maxLineBytes?: number;
}

export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute, below the server's URL, e.g. `/api/v1/namespaces`. */
  readonly path: string;
  /** Undefined values are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default: `application/json`. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface StreamRequest extends KubeRequest {
  /** No byte for so long ends the stream with `timeout`. Default: never. */
  readonly idleTimeoutMs?: number | undefined;
}

/** One connection pool to one API server. Disposing it ends whatever is under way with `cancelled`. */
export interface KubeClient extends Disposable {
  /** Without a trailing slash. */
  readonly server: string;
  /** Namespace for keys that name none. */
  readonly namespace: string;
  /** Field manager for writes that name none. */
  readonly fieldManager: string;
  /** The decoded answer. Rejects with KubeError. */
  request<R>(request: KubeRequest): Promise<R>;
  /** One parsed JSON value per line of a streamed answer. Throws KubeError. Break out of it to close the connection. */
  stream(request: StreamRequest): AsyncGenerator<unknown, void, undefined>;
  resource<T extends KubeObject>(definition: ResourceDefinition): ResourceClient<T>;
}

/** Throws KubeError `invalid_options` for a server that is not an http or https URL. Connects at the first request only. */
export function createKubeClient(connection: KubeConnection, options: KubeClientOptions = {}): KubeClient {
  const { clock = systemClock, logger = silentLogger, timeoutMs = 30_000, retries = 5 } = options;
  const userAgent = options.userAgent ?? `almanac (${platform()}/${arch()})`;
  const closing = new AbortController();
  const transport = createTransport(connection, {
    clock,
    userAgent,
    maxResponseBytes: options.maxResponseBytes ?? 256 * 1024 * 1024,
  });
  const tracer = createRequestTracer({
    provider: options.tracerProvider,
    server: transport.server,
    overMs: options.traceOverMs ?? 0,
  });
  const limiter =
    options.rateLimit === undefined
      ? undefined
      : createTokenBucket({ perSecond: options.rateLimit.qps, burst: options.rateLimit.burst }, clock);

  /** Sends until there is an answer that is not an error, or an error that another try does not mend. */
  async function send(request: KubeRequest, mode: "whole" | "stream"): Promise<Answer> {
    const signals = request.signal === undefined ? [closing.signal] : [closing.signal, request.signal];
    const aborted = (): AbortSignal | undefined => signals.find((signal) => signal.aborted);
    /** Most requests wait for nothing but their answer, for which the transport listens to the signals itself. */
    const waitFor = async (waiting: (signal: AbortSignal) => Promise<void>): Promise<void> => {
      using linked = linkSignals(...signals);
      await waiting(linked.signal).catch(() => {
        throw cancelled(what, linked.signal);
      });
    };
    const deadline = clock.monotonic() + (request.timeoutMs ?? timeoutMs);
    const what = `${request.method} ${request.path}`;
    let refreshed = false;
    let refresh = false;
    for (let attempt = 0; ; attempt++) {
      if (limiter !== undefined) await waitFor((signal) => limiter.take(signal));
      const span = mode === "whole" ? tracer.start(request, attempt) : undefined;
      try {
        const timeoutMs = deadline - clock.monotonic();
        const answer = await transport.send(request, { mode, signals, timeoutMs, refresh });
        span?.succeeded(answer.status);
        return answer;
      } catch (thrown) {
        const by = aborted();
        span?.failed(by === undefined ? thrown : cancelled(what, by));
        refresh = false;
        const error = by === undefined ? KubeError.from(thrown) : cancelled(what, by);
        // 401 comes before anything is carried out, so even a POST may be sent again, once, with credentials read anew.
        if (error.code === "unauthorized" && connection.auth !== undefined && !refreshed) {
          refreshed = refresh = true;
          continue;
        }
        const waitMs = retryDelay(error, request.method, attempt);
        if (waitMs === undefined || attempt >= retries || clock.monotonic() + waitMs >= deadline) throw error;
        logger.debug("retrying a Kubernetes request", {
          request: what,
          code: error.code,
          attempt: attempt + 1,
          waitMs,
        });
        await waitFor((signal) => sleep(waitMs, { clock, signal }));
      }
    }
  }

  const client: KubeClient = {
    server: transport.server,
    namespace: connection.namespace ?? "default",
    fieldManager: /^[^\s/]+/.exec(userAgent)?.[0] ?? "almanac",
    async request<R>(request: KubeRequest) {
      const answer = await send(request, "whole");
      return parse(answer.body, `${request.method} ${request.path}`) as R;
    },
    async *stream(request) {
      const what = `${request.method} ${request.path}`;
      const answer = await send(request, "stream");
      try {
        const idle = request.idleTimeoutMs;
        for await (const line of splitLines(answer.chunks(idle), options.maxLineBytes ?? 16 * 1024 * 1024))
          yield parse(line, what);
      } catch (thrown) {
        if (closing.signal.aborted) throw cancelled(what, closing.signal);
        if (request.signal?.aborted) throw cancelled(what, request.signal);
        throw KubeError.from(thrown);
      } finally {
        answer.close();
      }
    },
    resource: <T extends KubeObject>(definition: ResourceDefinition) => createResourceClient<T>(client, definition),
    [Symbol.dispose]() {
      closing.abort(new KubeError("cancelled", "the client was closed"));
      transport.close();
    },
  };
  return client;
}

function retryDelay(error: KubeError, method: string, attempt: number): number | undefined {
  // The server says when, so it has not carried out the request. Source: client-go, rest.Request.
  const throttled = error.httpStatus === 429 || (error.httpStatus !== undefined && error.httpStatus >= 500);
  // A longer one is left to the caller, who has something better to do than to wait.
  if (throttled && error.retryAfterMs !== undefined)
    return error.retryAfterMs <= longestRetryAfterMs ? error.retryAfterMs : undefined;
  // No status: the connection broke. Only a GET is known to be harmless twice.
  if (error.code === "unavailable" && error.httpStatus === undefined && method === "GET" && connectionLost(error))
    return 100 * 2 ** attempt;
  return undefined;
}

function connectionLost(error: KubeError): boolean {
  const cause = error.cause;
  return cause instanceof Error && "code" in cause && (cause.code === "ECONNRESET" || cause.code === "EPIPE");
}

function cancelled(what: string, signal: AbortSignal): KubeError {
  return new KubeError("cancelled", `${what} was cancelled`, { cause: signal.reason });
}

function parse(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    // Neither the text nor the parser's quote of it: an answer may hold a Secret.
    throw new KubeError("protocol", `${what}: the answer is not JSON (${bytes.length} bytes)`);
  }
}
