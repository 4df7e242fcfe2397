import { ServerInterceptingCall } from "@grpc/grpc-js";
import type { Metadata, ServerInterceptingCallInterface, ServerInterceptor } from "@grpc/grpc-js";
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Attributes, Context, TextMapGetter } from "@opentelemetry/api";
import { isDeadline, markAnswered, remainingMs } from "./call-signal.ts";
import { CallObserver, methodAttributes, targetAttributes } from "./call-telemetry.ts";
import type { CallHooks, GrpcTelemetry, Method, ObservedCall } from "./call-telemetry.ts";
import { grpcCodeName } from "./grpc-code.ts";
import { canAnswer, sentStatus } from "./server-stream.ts";

export interface ServerInterceptorOptions extends CallHooks {
  /** True for paths without span, measurement and onCall (health, reflection). Default: none. */
  ignore?(path: string): boolean;
}

const getter: TextMapGetter<Metadata> = {
  keys: (metadata) => Object.keys(metadata.getMap()),
  get(metadata, key) {
    const values = metadata.get(key);
    const [first] = values;
    if (values.length <= 1) return typeof first === "string" ? first : undefined;
    const texts = values.filter((value) => typeof value === "string");
    return texts.length > 1 ? texts : texts[0];
  },
};

/**
 * Span of kind SERVER and `rpc_server_call_duration_seconds` for every call of a registered method, whatever ends it: an answer, a
 * throw, a cancel, the deadline, a lost connection, a shutdown, a message too large. A call that ends without an answer is
 * DEADLINE_EXCEEDED when its time was up, else CANCELLED. Handlers and their stream events run in the span's context. (grpc-js
 * answers calls of unregistered methods before any interceptor.)
 */
export function createServerInterceptor(
  telemetry: GrpcTelemetry,
  options: ServerInterceptorOptions = {},
): ServerInterceptor {
  const observer = new CallObserver("server", telemetry, options);

  return (method, call) => {
    const { path } = method;
    if (options.ignore !== undefined && observer.guard("ignore", false, () => options.ignore?.(path) ?? false)) {
      return new ServerInterceptingCall(call);
    }
    return new ObservedServerCall(call, observer, method);
  };
}

type MethodDefinition = Parameters<ServerInterceptor>[0];
type Listener = Parameters<ServerInterceptingCall["start"]>[0];
type Status = Parameters<ServerInterceptingCall["sendStatus"]>[0];

/**
 * The call and the listener of what arrives at once: calls come so often that what the builders of grpc-js allocate for each (a dozen
 * objects and functions, and queues for interceptors that wait) would cost more than observing it.
 */
class ObservedServerCall extends ServerInterceptingCall {
  readonly #next: ServerInterceptingCallInterface;
  readonly #observer: CallObserver;
  readonly #definition: MethodDefinition;
  readonly #timeoutMs: number;
  #observed: ObservedCall | undefined;
  #listener: Listener | undefined;
  #cancelled = false;

  constructor(next: ServerInterceptingCallInterface, observer: CallObserver, definition: MethodDefinition) {
    super(next);
    this.#next = next;
    this.#observer = observer;
    this.#definition = definition;
    this.#timeoutMs = remainingMs(next);
  }

  override start(listener: Listener): void {
    this.#listener = listener;
    this.#next.start(this);
    // grpc-js starts nothing and reports nothing for a stream that was reset before it could.
    if (this.#observed === undefined && !canAnswer(this.#next)) this.#endUnanswered();
  }

  // A handler is called when the request is complete, or as soon as it begins where it is a stream; only then somebody looks at the
  // context. Entering it at each step would cost as much as the span.

  onReceiveMetadata(metadata: Metadata): void {
    if (this.#cancelled) return;
    const observed = (this.#observed ??= this.#observe(metadata));
    const listener = this.#listener as Listener;
    if (!this.#definition.requestStream) listener.onReceiveMetadata(metadata);
    else context.with(observed.context, () => listener.onReceiveMetadata(metadata));
  }

  onReceiveMessage(message: unknown): void {
    if (this.#cancelled) return;
    const listener = this.#listener as Listener;
    if (!this.#definition.requestStream) listener.onReceiveMessage(message);
    else context.with(this.#context, () => listener.onReceiveMessage(message));
  }

  onReceiveHalfClose(): void {
    if (this.#cancelled) return;
    const listener = this.#listener as Listener;
    context.with(this.#context, () => listener.onReceiveHalfClose());
  }

  onCancel(): void {
    this.#cancelled = true;
    const listener = this.#listener as Listener;
    // grpc-js reports every call as cancelled in the end; one that was answered has left its context by then.
    if (this.#observed?.ended === true) {
      listener.onCancel();
      return;
    }
    this.#endUnanswered();
    context.with(this.#context, () => listener.onCancel());
  }

  override sendMetadata(metadata: Metadata): void {
    this.#next.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    const at = this.#context;
    this.#next.sendMessage(message, this.#definition.responseStream ? () => void context.with(at, callback) : callback);
  }

  override sendStatus(status: Status): void {
    // An answer that reaches nobody is not how this call ended; the cancel about to be reported is.
    if (canAnswer(this.#next)) {
      markAnswered(this.#next);
      (this.#observed ??= this.#observe(undefined)).end(grpcCodeName(status.code), status.details);
    }
    this.#next.sendStatus(status);
  }

  get #context(): Context {
    return this.#observed?.context ?? ROOT_CONTEXT;
  }

  #observe(metadata: Metadata | undefined): ObservedCall {
    let parent = ROOT_CONTEXT;
    try {
      if (metadata !== undefined) parent = this.#observer.propagator.extract(ROOT_CONTEXT, metadata, getter);
    } catch (error) {
      this.#observer.report("propagator", error);
    }
    const method = this.#observer.method(this.#definition.path);
    return this.#observer.start(method, parent, attributesOf(method, this.#next));
  }

  #endUnanswered(): void {
    const observed = (this.#observed ??= this.#observe(undefined));
    if (observed.ended) return;
    const sent = sentStatus(this.#next);
    if (sent !== undefined) observed.end(sent.code, sent.details);
    else if (isDeadline(this.#next.getDeadline(), this.#timeoutMs)) {
      observed.end("DEADLINE_EXCEEDED", "Deadline exceeded");
    } else observed.end("CANCELLED", "Cancelled by the client, or the connection was lost");
  }
}

function attributesOf(method: Method, call: ServerInterceptingCallInterface): Attributes {
  const { localAddress, localPort, remoteAddress, remotePort } = call.getConnectionInfo();
  const authority = call.getHost();
  const attributes = authority ? { ...targetAttributes(method, authority) } : methodAttributes(method);
  if (!authority) {
    if (localAddress !== undefined) attributes["server.address"] = localAddress;
    if (localPort !== undefined) attributes["server.port"] = localPort;
  }
  if (remoteAddress !== undefined) attributes["client.address"] = remoteAddress;
  if (remotePort !== undefined) attributes["client.port"] = remotePort;
  return attributes;
}
