import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createGunzip } from "node:zlib";
import type { AddressInfo } from "node:net";
import { createTraceStore } from "./trace-store.ts";
import type { TraceStore } from "./trace-store.ts";

/** Where the demo's traces go when no Collector is configured: an OTLP/HTTP (JSON) receiver with a page to read them. */
export interface TraceSink extends AsyncDisposable {
  /** Base URL: `OTEL_EXPORTER_OTLP_ENDPOINT` for the components, `/traces` for people. */
  readonly url: string;
  readonly store: TraceStore;
}

interface TraceSinkOptions {
  readonly port: number;
  /**
   * Answers each service's second batch of spans with an error, once, so that a reader sees how drops are counted. The spans are kept
   * all the same: no trace shows a gap. Default: false.
   */
  readonly refuseOnce?: boolean;
}

const bodyLimitBytes = 8 * 1024 * 1024;

/** Listens on 127.0.0.1. Bodies are limited to 8 MiB after decompression and to 10 s; memory is bounded by the trace store. */
export async function startTraceSink(options: TraceSinkOptions): Promise<TraceSink> {
  const { port, refuseOnce = false } = options;
  const store = createTraceStore();
  const batches = new Map<string, number>();
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8192 },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        if (!response.headersSent) reply(response, 400, `${error instanceof Error ? error.message : "bad request"}\n`);
        else response.destroy();
      });
    },
  );
  server.maxConnections = 64;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", "http://sink").pathname;
    if (request.method === "POST" && path === "/v1/traces") return receiveTraces(request, response);
    // Metrics are scraped; what is pushed is acknowledged so that the exporters' own families move.
    if (request.method === "POST" && path === "/v1/metrics") {
      await readBody(request);
      return reply(response, 200, "{}", "application/json");
    }
    if (request.method !== "GET" && request.method !== "HEAD")
      return reply(response, 405, "GET, HEAD, or POST /v1/traces and /v1/metrics\n");
    if (path === "/" || path === "/traces") return reply(response, 200, listPage(store));
    const traceId = /^\/traces\/([0-9a-f]{32})$/.exec(path)?.[1];
    const tree = traceId === undefined ? undefined : store.render(traceId);
    return reply(response, tree === undefined ? 404 : 200, tree ?? "no such trace\n");
  }

  async function receiveTraces(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const service = store.add(JSON.parse((await readBody(request)).toString("utf8")));
    const batch = (batches.get(service) ?? 0) + 1;
    batches.set(service, batch);
    // The first one is spared: an exporter that fails at once would look misconfigured.
    if (refuseOnce && batch === 2) {
      return reply(response, 400, "refused once on purpose, to show how dropped spans are counted\n");
    }
    reply(response, 200, "{}", "application/json");
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    store,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const stream = request.headers["content-encoding"] === "gzip" ? request.pipe(createGunzip()) : request;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > bodyLimitBytes) throw new Error(`body is larger than ${bodyLimitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function listPage(store: TraceStore): string {
  const rows = store.list(100).map(({ traceId, root, services, spans, durationMs, failed }) => {
    const cells = [traceId, `${durationMs.toFixed(1)} ms`.padStart(12), `${spans} spans`.padStart(10)];
    return `${cells.join("  ")}  ${root}  [${services.join(", ")}]${failed ? "  ERROR" : ""}`;
  });
  return `${store.size} traces kept; newest first; /traces/ID shows one\n\n${rows.join("\n")}\n`;
}

function reply(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
