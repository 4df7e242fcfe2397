import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Attributes, SpanStatus, TracerProvider } from "@opentelemetry/api";
import type { KubeRequest } from "./client.ts";
import { isKubeError } from "./error.ts";

/** Times the tries of requests that are made while a sampled span is active; everything else costs one look-up. */
export interface RequestTracer {
  /** Undefined: nobody would see it. */
  start(request: KubeRequest, resendCount: number): RequestSpan | undefined;
}

export interface RequestSpan {
  succeeded(httpStatus: number): void;
  failed(error: unknown): void;
}

export interface RequestTracerOptions {
  readonly provider: TracerProvider | undefined;
  readonly server: string;
  /** What succeeds at the first try in less, milliseconds, makes no span. */
  readonly overMs: number;
}

/**
 * Spans of kind CLIENT after the HTTP conventions, one per try, named by method and path template: informers and Leases, which run outside
 * of any operation, make none. They have no children, so they are made when they end. Source: OpenTelemetry semantic conventions, HTTP client
 * span, 1.38.
 */
export function createRequestTracer({ provider, server, overMs }: RequestTracerOptions): RequestTracer {
  if (provider === undefined) return { start: () => undefined };
  const tracer = provider.getTracer("@almanac/kube");
  const { hostname, port, protocol } = new URL(server);
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  const serverPort = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);

  return {
    start({ method, path }, resendCount) {
      const parent = context.active();
      if (trace.getSpan(parent)?.isRecording() !== true) return undefined;
      const startTime = performance.now();

      function end(outcome: Attributes, status?: SpanStatus): void {
        const endTime = performance.now();
        const template = pathTemplate(path);
        const attributes: Attributes = {
          "http.request.method": method,
          "server.address": address,
          "server.port": serverPort,
          // Without the query, which may hold selectors of any length.
          "url.full": `${server}${path}`,
          "url.template": template,
          ...outcome,
        };
        if (resendCount > 0) attributes["http.request.resend_count"] = resendCount;
        try {
          const span = tracer.startSpan(
            `${method} ${template}`,
            { kind: SpanKind.CLIENT, startTime, attributes },
            parent,
          );
          if (status !== undefined) span.setStatus(status);
          // The official SDK would take the wall clock here, in whole milliseconds, since it was told the start.
          span.end(endTime);
        } catch {
          // A sampler or processor that throws must not undo what the request has done.
        }
      }

      return {
        succeeded(httpStatus) {
          if (resendCount === 0 && performance.now() - startTime < overMs) return;
          end({ "http.response.status_code": httpStatus });
        },
        failed(error) {
          const known = isKubeError(error) ? error : undefined;
          const status = known?.httpStatus;
          end(
            {
              ...(status === undefined ? {} : { "http.response.status_code": status }),
              "error.type": status === undefined ? (known?.code ?? "_OTHER") : String(status),
            },
            { code: SpanStatusCode.ERROR, ...(known === undefined ? {} : { message: known.code }) },
          );
        },
      };
    },
  };
}

/** `/apis/GROUP/VERSION/namespaces/{namespace}/PLURAL/{name}/SUBRESOURCE`: the names of objects would make a span name per object. */
export function pathTemplate(path: string): string {
  // Behind "/api/VERSION/" or "/apis/GROUP/VERSION/". By places: splitting and joining takes five times as long.
  const depth = path.startsWith("/apis/") ? 3 : path.startsWith("/api/") ? 2 : undefined;
  if (depth === undefined) return path;
  let start = 0;
  for (let level = 0; level < depth; level++) {
    start = path.indexOf("/", start + 1);
    if (start < 0) return path;
  }
  let head = path.slice(0, start);
  if (path.startsWith("/namespaces/", start)) {
    const plural = path.indexOf("/", start + "/namespaces/".length);
    // The namespace itself is the object.
    if (plural >= 0) {
      head += "/namespaces/{namespace}";
      start = plural;
    }
  }
  const name = path.indexOf("/", start + 1);
  if (name < 0 || name + 1 === path.length) return head + path.slice(start);
  const rest = path.indexOf("/", name + 1);
  return `${head}${path.slice(start, name)}/{name}${rest < 0 ? "" : path.slice(rest)}`;
}
