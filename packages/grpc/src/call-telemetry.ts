import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { Attributes, Context, Span, TextMapPropagator, Tracer, TracerProvider } from "@opentelemetry/api";
import { describeError, silentLogger } from "@almanac/core";
import type { Logger } from "@almanac/core";
import type { GrpcCode, stack } from "@almanac/catalog";
import type { BoundRecorder, Instruments } from "@almanac/metrics";
import { withSpan } from "./span-context.ts";
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
  /**
   * Shown name, `package.Service/Method`, of a path such as `/provider.v1.Provider/Create`. Asked once per path. Default: the path's own.
   */
  methodName?(path: string): string;
  /** Called once per call, after it was recorded, inside the span's context. */
  onCall?(call: CallRecord): void;
}

/** What calls of one method have in common. */
export interface Method {
  /** Under its shown name, and that name's halves. */
  readonly full: string;
  readonly service: string;
  readonly method: string;
  /** Where durations of calls go that ended with this code; filled as codes occur. */
  readonly durations: Map<GrpcCode, BoundRecorder>;
  /** Of every span, by the server's address, which is the empty text where it is unknown; filled as addresses occur. */
  readonly attributes: Map<string, Readonly<Attributes>>;
}

const maxRemembered = 1_000;
const maxKeyLength = 255;

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
export class CallObserver {
  readonly propagator: TextMapPropagator;
  readonly #client: boolean;
  readonly #logger: Logger;
  readonly #tracer: Tracer;
  readonly #durations: GrpcTelemetry["stack"]["rpc_client_call_duration_seconds"];
  readonly #hooks: CallHooks;
  readonly #methods = new Map<string, Method>();

  constructor(side: "client" | "server", telemetry: GrpcTelemetry, hooks: CallHooks) {
    const { logger = silentLogger, tracerProvider, propagator, stack } = telemetry;
    this.#client = side === "client";
    this.#logger = logger;
    this.#hooks = hooks;
    this.#tracer = tracerProvider.getTracer("@almanac/grpc");
    this.#durations = stack[this.#client ? "rpc_client_call_duration_seconds" : "rpc_server_call_duration_seconds"];
    this.propagator = propagator;
  }

  method(path: string): Method {
    const known = this.#methods.get(path);
    if (known !== undefined) return known;
    const name = this.guard("methodName", path, () => this.#hooks.methodName?.(path) ?? path);
    const full = name.startsWith("/") ? name.slice(1) : name;
    const slash = full.lastIndexOf("/");
    return remember(this.#methods, path, {
      full,
      service: slash < 0 ? "" : full.slice(0, slash),
      method: full.slice(slash + 1),
      durations: new Map(),
      attributes: new Map(),
    });
  }

  /** `server` is a channel's target or an authority. */
  startSpan(method: Method, server: string, parent: Context): Span {
    const attributes =
      method.attributes.get(server) ?? remember(method.attributes, server, attributesOf(method, server));
    return this.#tracer.startSpan(
      method.full,
      { kind: this.#client ? SpanKind.CLIENT : SpanKind.SERVER, attributes },
      parent,
    );
  }

  isFailure(code: GrpcCode): boolean {
    return this.#client ? code !== "OK" : serverFaults.has(code);
  }

  record(method: Method, code: GrpcCode, durationSeconds: number, at: Context): void {
    let durations = method.durations.get(code);
    if (durations === undefined) {
      const labels = { rpc_method: method.full, rpc_system_name: "grpc", rpc_status_code: code } as const;
      durations = this.#durations.bind(this.isFailure(code) ? { ...labels, error_type: code } : labels);
      method.durations.set(code, durations);
    }
    durations.record(durationSeconds, at);
  }

  tell({ service, method }: Method, code: GrpcCode, durationSeconds: number, at: Context): void {
    if (this.#hooks.onCall === undefined) return;
    context.with(at, () => {
      this.guard("onCall", undefined, () => this.#hooks.onCall?.({ service, method, code, durationSeconds }));
    });
  }

  /** Runs a hook the caller gave; what it throws is logged and replaced by `fallback`. */
  guard<T>(hook: string, fallback: T, run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.report(hook, error);
      return fallback;
    }
  }

  /** Logs what a hook threw. */
  report(hook: string, error: unknown): void {
    this.#logger.error("A hook of the gRPC interceptor threw", { hook, error: describeError(error) });
  }
}

/**
 * A call under observation, to be told of its beginning and its end. Calls are so frequent that what the classes and builders of grpc-js
 * allocate for each interceptor (a dozen objects and functions, and queues for interceptors that wait) would cost more than observing them
 * does, so both sides' calls are themselves what grpc-js asks for.
 */
export class ObservedCall {
  protected readonly observer: CallObserver;
  protected readonly method: Method;
  // grpc-js keeps calls for a while after their end. What is not needed any more is let go, or the collector of garbage would copy it twice.
  #span: Span | undefined;
  #context: Context = ROOT_CONTEXT;
  #startedAt = NaN;

  constructor(observer: CallObserver, method: Method) {
    this.observer = observer;
    this.method = method;
  }

  /** The parent context with the call's span in it, from its beginning to its end. */
  protected get context(): Context {
    return this.#context;
  }

  protected get begun(): boolean {
    return !Number.isNaN(this.#startedAt);
  }

  protected get ended(): boolean {
    return this.begun && this.#span === undefined;
  }

  /** Starts the span of a call to `server`, a channel's target or an authority, and returns it. To be called once. */
  protected begin(parent: Context, server: string): Span {
    this.#startedAt = performance.now();
    const span = this.observer.startSpan(this.method, server, parent);
    this.#span = span;
    this.#context = withSpan(parent, span);
    return span;
  }

  /** Records the measurement, ends the span, tells `onCall`. Only the first time; never throws. */
  protected end(code: GrpcCode, details: string): void {
    const span = this.#span;
    if (span === undefined) return;
    const at = this.#context;
    this.#span = undefined;
    this.#context = ROOT_CONTEXT;
    const durationSeconds = (performance.now() - this.#startedAt) / 1000;
    span.setAttribute("rpc.response.status_code", code);
    if (this.observer.isFailure(code)) {
      span.setAttribute("error.type", code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: details });
    }
    // Inside the span's context and before its end: that is where an exemplar looks for its trace.
    this.observer.record(this.method, code, durationSeconds, at);
    this.observer.tell(this.method, code, durationSeconds, at);
    span.end();
  }
}

function attributesOf({ full }: Method, server: string): Attributes {
  const attributes: Attributes = { "rpc.system.name": "grpc", "rpc.method": full };
  if (server === "") return attributes;
  const { host, port } = parseTarget(server);
  attributes["server.address"] = host;
  if (port !== undefined) attributes["server.port"] = port;
  return attributes;
}

/** Puts it into a cache, which is emptied when it is full: so many are not a program's own, but what others make up. */
function remember<T>(cache: Map<string, T>, key: string, value: T): T {
  if (key.length > maxKeyLength) return value;
  if (cache.size >= maxRemembered) cache.clear();
  cache.set(key, value);
  return value;
}
