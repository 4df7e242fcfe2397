import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}

interface Point {
  readonly attributes: readonly Attribute[];
  readonly asDouble?: number;
}

export interface ReceivedMetric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: {
    readonly isMonotonic: boolean;
    readonly aggregationTemporality: number;
    readonly dataPoints: readonly Point[];
  };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly aggregationTemporality: number };
}

interface ReceivedSpan {
  readonly name: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

interface Payload {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly ReceivedMetric[] }[];
  }[];
}

/** A receiver of OTLP over HTTP on the loopback. What comes as JSON is kept; `answer` decides on the status of each request. */
export async function startReceiver(answer: () => number = () => 200) {
  const spans: ReceivedSpan[] = [];
  const metrics: ReceivedMetric[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const resources = new Map<string, Record<string, unknown>>();

  function keep(signal: string, payload: Payload): void {
    for (const { resource } of payload.resourceSpans ?? payload.resourceMetrics ?? []) {
      resources.set(
        signal,
        Object.fromEntries(
          resource.attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
        ),
      );
    }
    spans.push(
      ...(payload.resourceSpans ?? []).flatMap((resource) => resource.scopeSpans.flatMap((scope) => scope.spans)),
    );
    metrics.push(
      ...(payload.resourceMetrics ?? []).flatMap((resource) => resource.scopeMetrics.flatMap((scope) => scope.metrics)),
    );
  }

  async function read(request: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    return request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
  }

  const server = createServer((request, response) => {
    void read(request).then((body) => {
      const status = request.method === "POST" && /^\/v1\/(traces|metrics)$/.test(request.url ?? "") ? answer() : 404;
      if (status === 200) {
        headers.push(request.headers);
        if (request.headers["content-type"] === "application/json")
          keep((request.url ?? "").slice(4), JSON.parse(body.toString()) as Payload);
      }
      response.writeHead(status, { "content-type": request.headers["content-type"] ?? "text/plain" });
      response.end(request.headers["content-type"] === "application/json" ? "{}" : "");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    /** Of the requests that were answered with 200. */
    headers,
    /** The last resource that sent this signal. */
    resource: (signal: "traces" | "metrics") => resources.get(signal) ?? {},
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
