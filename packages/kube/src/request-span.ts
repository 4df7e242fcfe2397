import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Span, TracerProvider } from "@opentelemetry/api";
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

/**
 * Spans of kind CLIENT after the HTTP conventions, one per try, named by method and path template: informers and Leases, which run outside
 * of any operation, make none. Source: OpenTelemetry semantic conventions, HTTP client span, 1.38.
 */
export function createRequestTracer(provider: TracerProvider | undefined, server: string): RequestTracer {
  if (provider === undefined) return { start: () => undefined };
  const tracer = provider.getTracer("@almanac/kube");
  const { hostname, port, protocol } = new URL(server);
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  const serverPort = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);

  return {
    start(request, resendCount) {
      if (trace.getActiveSpan()?.isRecording() !== true) return undefined;
      const template = pathTemplate(request.path);
      const span: Span = tracer.startSpan(
        `${request.method} ${template}`,
        {
          kind: SpanKind.CLIENT,
          attributes: {
            "http.request.method": request.method,
            "server.address": address,
            "server.port": serverPort,
            // Without the query, which may hold selectors of any length.
            "url.full": `${server}${request.path}`,
            "url.template": template,
            ...(resendCount === 0 ? {} : { "http.request.resend_count": resendCount }),
          },
        },
        context.active(),
      );
      return {
        succeeded(httpStatus) {
          span.setAttribute("http.response.status_code", httpStatus);
          span.end();
        },
        failed(error) {
          const known = isKubeError(error) ? error : undefined;
          const status = known?.httpStatus;
          if (status !== undefined) span.setAttribute("http.response.status_code", status);
          span.setAttribute("error.type", status === undefined ? (known?.code ?? "_OTHER") : String(status));
          span.setStatus({ code: SpanStatusCode.ERROR, ...(known === undefined ? {} : { message: known.code }) });
          span.end();
        },
      };
    },
  };
}

/** `/apis/GROUP/VERSION/namespaces/{namespace}/PLURAL/{name}/SUBRESOURCE`: the names of objects would make a span name per object. */
export function pathTemplate(path: string): string {
  const parts = path.split("/");
  // "", "api", VERSION or "", "apis", GROUP, VERSION.
  const first = parts[1] === "api" ? 3 : parts[1] === "apis" ? 4 : parts.length;
  const namespaced = parts[first] === "namespaces" && parts.length > first + 2;
  if (namespaced) parts[first + 1] = "{namespace}";
  const name = first + (namespaced ? 3 : 1);
  if (parts.length > name && parts[name] !== "") parts[name] = "{name}";
  return parts.join("/");
}
