import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Attributes, Context, TextMapPropagator, TracerProvider } from "@opentelemetry/api";
import { describeError, silentLogger } from "@almanac/core";
import type { Logger } from "@almanac/core";
import type { GrpcCode, stack } from "@almanac/catalog";
import type { Instruments } from "@almanac/metrics";
import { parseTarget } from "./target.ts";

/** Where spans and measurements of calls go. A `Telemetry` fits. */
export interface GrpcTelemetry {
  readonly tracerProvider: TracerProvider;
  readonly propagator: TextMapPropagator;
  readonly stack: Pick<
    Instruments<typeof stack>,
    "rpc_client_call_duration_seconds" | "rpc_server_call_duration_seconds"
  >;
  readonly logger?: Logger;
}

/** How one call ended. */
export interface CallRecord {
  /** Full service name, e.g. `almanac.provider.v1.Provider`. */
  readonly service: string;
  /** Method name alone, e.g. `CreateVM`. */
  readonly method: string;
  readonly code: GrpcCode;
  readonly durationSeconds: number;
}

/** The hooks both interceptors offer. */
export interface CallHooks {
  /** Shown name, `package.Service/Method`, of a path such as `/provider.v1.Provider/Create`. Default: the path's own. */
  methodName?(path: string): string;
  /** Called once per call, after it was recorded, inside the span's context. */
  onCall?(call: CallRecord): void;
}

/** A method under its full, shown name and that name's halves. */
interface MethodName {
  readonly full: string;
  readonly service: string;
  readonly method: string;
}

/** A call under observation. */
export interface ObservedCall {
  /** The parent context with the call's span in it. */
  readonly context: Context;
  readonly ended: boolean;
  /** Records the measurement, ends the span, tells `onCall`. Only the first time; never throws. */
  end(code: GrpcCode, details: string): void;
}

interface CallObserver {
  name(path: string): MethodName;
  start(name: MethodName, parent: Context, attributes: Attributes): ObservedCall;
  /** Runs a hook the caller gave; what it throws is logged and replaced by `fallback`. */
  guard<T>(hook: string, fallback: T, run: () => T): T;
}

// Of the other codes a server says that the caller did wrong (OpenTelemetry semantic conventions 1.45.0, gRPC server span).
const serverFaults: ReadonlySet<GrpcCode> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

/**
 * What both interceptors share: span, measurement and hook of a call, each exactly once. Names, attributes and what counts as an
 * error follow the RPC part of the OpenTelemetry semantic conventions 1.45.0 (release candidate): `rpc.method` is the full name,
 * for a client every status but OK is an error, for a server those that are its own fault.
 */
export function createCallObserver(
  side: "client" | "server",
  telemetry: GrpcTelemetry,
  hooks: CallHooks,
): CallObserver {
  const { logger = silentLogger } = telemetry;
  const tracer = telemetry.tracerProvider.getTracer("@almanac/grpc");
  const client = side === "client";
  const durations = telemetry.stack[client ? "rpc_client_call_duration_seconds" : "rpc_server_call_duration_seconds"];

  function guard<T>(hook: string, fallback: T, run: () => T): T {
    try {
      return run();
    } catch (error) {
      logger.error("A hook of the gRPC interceptor threw", { hook, error: describeError(error) });
      return fallback;
    }
  }

  return {
    guard,
    name: (path) => splitName(guard("methodName", path, () => hooks.methodName?.(path) ?? path)),
    start(name, parent, attributes) {
      const startedAt = performance.now();
      const span = tracer.startSpan(
        name.full,
        {
          kind: client ? SpanKind.CLIENT : SpanKind.SERVER,
          attributes: { "rpc.system.name": "grpc", "rpc.method": name.full, ...attributes },
        },
        parent,
      );
      const spanContext = trace.setSpan(parent, span);
      let ended = false;
      return {
        context: spanContext,
        get ended() {
          return ended;
        },
        end(code, details) {
          if (ended) return;
          ended = true;
          const durationSeconds = (performance.now() - startedAt) / 1000;
          const failed = client ? code !== "OK" : serverFaults.has(code);
          span.setAttribute("rpc.response.status_code", code);
          if (failed) {
            span.setAttribute("error.type", code);
            span.setStatus({ code: SpanStatusCode.ERROR, message: details });
          }
          // Inside the span's context and before its end: that is where an exemplar looks for its trace.
          const labels = { rpc_method: name.full, rpc_system_name: "grpc", rpc_status_code: code } as const;
          durations.record(durationSeconds, failed ? { ...labels, error_type: code } : labels, spanContext);
          const record = { service: name.service, method: name.method, code, durationSeconds };
          context.with(spanContext, () => guard("onCall", undefined, () => hooks.onCall?.(record)));
          span.end();
        },
      };
    },
  };
}

function splitName(path: string): MethodName {
  const full = path.startsWith("/") ? path.slice(1) : path;
  const slash = full.lastIndexOf("/");
  return { full, service: slash < 0 ? "" : full.slice(0, slash), method: full.slice(slash + 1) };
}

/** `server.address` and `server.port` of a channel target or an authority. */
export function serverAttributes(target: string): Attributes {
  const { host, port } = parseTarget(target);
  return { "server.address": host, ...(port === undefined ? {} : { "server.port": port }) };
}
