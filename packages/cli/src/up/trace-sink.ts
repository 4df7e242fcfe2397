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
  /** Refuses every N-th batch of spans for good, so that a reader sees what lost spans look like. 0 (default) refuses none. */
  readonly refuseEvery?: number;
}

const bodyLimitBytes = 8 * 1024 * 1024;

/** Listens on 127.0.0.1. Bodies are limited to 8 MiB after decompression and to 10 s; memory is bounded by the trace store. */
export async function startTraceSink(options: TraceSinkOptions): Promise<TraceSink> {
  const { port, refuseEvery = 0 } = options;
  const store = createTraceStore();
  let batches = 0;
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
    if (request.method !== "GET") return reply(response, 405, "GET, or POST /v1/traces\n");
    if (path === "/" || path === "/traces") return reply(response, 200, listPage(store));
    const traceId = /^\/traces\/([0-9a-f]{32})$/.exec(path)?.[1];
    const tree = traceId === undefined ? undefined : store.render(traceId);
    return reply(response, tree === undefined ? 404 : 200, tree ?? "no such trace\n");
  }

  async function receiveTraces(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    batches++;
    if (refuseEvery > 0 && batches % refuseEvery === 0) {
      return reply(response, 400, "refused on purpose: the demo shows what lost spans look like\n");
    }
    store.add(JSON.parse(body.toString("utf8")));
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
