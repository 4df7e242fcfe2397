import type {
  Metadata,
  ServerInterceptingCall,
  ServerInterceptingCallInterface,
  ServerInterceptor,
} from "@grpc/grpc-js";
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Span, TextMapGetter } from "@opentelemetry/api";
import { isDeadline, markAnswered, remainingMs } from "./call-signal.ts";
import { CallObserver, ObservedCall } from "./call-telemetry.ts";
import type { CallHooks, GrpcTelemetry } from "./call-telemetry.ts";
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
      return asServerCall(call);
    }
    return asServerCall(new ObservedServerCall(call, observer, method));
  };
}

type NextCall = ServerInterceptingCallInterface;
type MethodDefinition = Parameters<ServerInterceptor>[0];
type Listener = Parameters<NextCall["start"]>[0];
type Status = Parameters<NextCall["sendStatus"]>[0];

/** grpc-js asks for no more than the interface, though its types name its own class. */
function asServerCall(call: NextCall): ServerInterceptingCall {
  return call as ServerInterceptingCall;
}

/** The call and the listener of what arrives at once. */
class ObservedServerCall extends ObservedCall implements NextCall, Listener {
  /** Under this name whoever stands above finds the HTTP/2 stream at the end of the chain. */
  readonly nextCall: NextCall;
  readonly #definition: MethodDefinition;
  readonly #timeoutMs: number;
  #listener: Listener | undefined;
  #cancelled = false;

  constructor(next: NextCall, observer: CallObserver, definition: MethodDefinition) {
    super(observer, observer.method(definition.path));
    this.nextCall = next;
    this.#definition = definition;
    this.#timeoutMs = remainingMs(next);
  }

  start(listener: Listener): void {
    this.#listener = listener;
    this.nextCall.start(this);
    // grpc-js starts nothing and reports nothing for a stream that was reset before it could.
    if (!this.begun && !canAnswer(this.nextCall)) this.#endUnanswered();
  }

  // A handler is called when the request is complete, or as soon as it begins where it is a stream; only then somebody looks at the
  // context. Entering it at each step would cost as much as the span.

  onReceiveMetadata(metadata: Metadata): void {
    if (this.#cancelled) return;
    this.#begin(metadata);
    const listener = this.#listener as Listener;
    if (!this.#definition.requestStream) listener.onReceiveMetadata(metadata);
    else context.with(this.context, () => listener.onReceiveMetadata(metadata));
  }

  onReceiveMessage(message: unknown): void {
    if (this.#cancelled) return;
    const listener = this.#listener as Listener;
    if (!this.#definition.requestStream) listener.onReceiveMessage(message);
    else context.with(this.context, () => listener.onReceiveMessage(message));
  }

  onReceiveHalfClose(): void {
    if (this.#cancelled) return;
    const listener = this.#listener as Listener;
    context.with(this.context, () => listener.onReceiveHalfClose());
  }

  onCancel(): void {
    this.#cancelled = true;
    const listener = this.#listener as Listener;
    // grpc-js reports every call as cancelled in the end; one that was answered has left its context by then.
    if (this.ended) {
      listener.onCancel();
      return;
    }
    if (!this.begun) this.#begin(undefined);
    const at = this.context;
    this.#endUnanswered();
    context.with(at, () => listener.onCancel());
  }

  sendMetadata(metadata: Metadata): void {
    this.nextCall.sendMetadata(metadata);
  }

  sendMessage(message: unknown, callback: () => void): void {
    const at = this.context;
    this.nextCall.sendMessage(
      message,
      this.#definition.responseStream ? () => void context.with(at, callback) : callback,
    );
  }

  sendStatus(status: Status): void {
    // An answer that reaches nobody is not how this call ended; the cancel about to be reported is.
    if (canAnswer(this.nextCall)) {
      markAnswered(this.nextCall);
      if (!this.begun) this.#begin(undefined);
      this.end(grpcCodeName(status.code), status.details);
    }
    this.nextCall.sendStatus(status);
  }

  startRead(): void {
    this.nextCall.startRead();
  }

  getPeer(): string {
    return this.nextCall.getPeer();
  }

  getDeadline(): ReturnType<NextCall["getDeadline"]> {
    return this.nextCall.getDeadline();
  }

  getHost(): string {
    return this.nextCall.getHost();
  }

  getAuthContext(): ReturnType<NextCall["getAuthContext"]> {
    return this.nextCall.getAuthContext();
  }

  getConnectionInfo(): ReturnType<NextCall["getConnectionInfo"]> {
    return this.nextCall.getConnectionInfo();
  }

  getMetricsRecorder(): ReturnType<NextCall["getMetricsRecorder"]> {
    return this.nextCall.getMetricsRecorder();
  }

  #begin(metadata: Metadata | undefined): void {
    if (this.begun) return;
    let parent = ROOT_CONTEXT;
    try {
      if (metadata !== undefined) parent = this.observer.propagator.extract(ROOT_CONTEXT, metadata, getter);
    } catch (error) {
      this.observer.report("propagator", error);
    }
    const authority = this.nextCall.getHost() || "";
    const span = this.begin(parent, authority);
    if (!span.isRecording()) return;
    const { localAddress, localPort, remoteAddress, remotePort } = this.nextCall.getConnectionInfo();
    if (authority === "") {
      setDefined(span, "server.address", localAddress);
      setDefined(span, "server.port", localPort);
    }
    setDefined(span, "client.address", remoteAddress);
    setDefined(span, "client.port", remotePort);
  }

  #endUnanswered(): void {
    if (!this.begun) this.#begin(undefined);
    if (this.ended) return;
    const sent = sentStatus(this.nextCall);
    if (sent !== undefined) this.end(sent.code, sent.details);
    else if (isDeadline(this.nextCall.getDeadline(), this.#timeoutMs))
      this.end("DEADLINE_EXCEEDED", "Deadline exceeded");
    else this.end("CANCELLED", "Cancelled by the client, or the connection was lost");
  }
}

function setDefined(span: Span, key: string, value: string | number | undefined): void {
  if (value !== undefined) span.setAttribute(key, value);
}
