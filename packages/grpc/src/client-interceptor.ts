import { status as grpc } from "@grpc/grpc-js";
import type { InterceptingCall, Interceptor, Metadata, StatusObject } from "@grpc/grpc-js";
import { context } from "@opentelemetry/api";
import type { Context, TextMapSetter } from "@opentelemetry/api";
import { CallObserver, ObservedCall } from "./call-telemetry.ts";
import type { CallHooks, GrpcTelemetry, Method } from "./call-telemetry.ts";
import { grpcCodeName } from "./grpc-code.ts";

export interface ClientInterceptorOptions extends CallHooks {
  /** Deadline in milliseconds from now for calls whose caller set none; undefined: none. Gets the shown method and service names. */
  deadlineMs?(method: string, service: string): number | undefined;
}

const setter: TextMapSetter<Metadata> = {
  set(metadata, key, value) {
    metadata.set(key, value);
  },
};

/**
 * Span of kind CLIENT, `rpc_client_call_duration_seconds` and trace context in the metadata for every call, whatever ends it. The
 * caller's metadata object is not changed. Response callbacks and stream events run in the context the call was made in.
 */
export function createClientInterceptor(telemetry: GrpcTelemetry, options: ClientInterceptorOptions = {}): Interceptor {
  const observer = new CallObserver("client", telemetry, options);

  return (interceptorOptions, nextCall) => {
    const { path, responseStream } = interceptorOptions.method_definition;
    const method = observer.method(path);
    const timeoutMs =
      options.deadlineMs !== undefined && interceptorOptions.deadline === undefined
        ? observer.guard("deadlineMs", undefined, () => options.deadlineMs?.(method.method, method.service))
        : undefined;
    const next = nextCall(
      timeoutMs === undefined ? interceptorOptions : { ...interceptorOptions, deadline: Date.now() + timeoutMs },
    );
    // grpc-js asks for no more than the interface, though its types name its own class.
    return new ObservedClientCall(
      next,
      observer,
      method,
      responseStream,
    ) satisfies NextCall as unknown as InterceptingCall;
  };
}

type NextCall = ConstructorParameters<typeof InterceptingCall>[0];
type MessageContext = Parameters<NextCall["sendMessageWithContext"]>[0];
type Listener = NonNullable<Parameters<InterceptingCall["start"]>[1]>;

/** The call and the listener of its answers at once. */
class ObservedClientCall extends ObservedCall implements NextCall, Required<Listener> {
  readonly #next: NextCall;
  readonly #responseStream: boolean;
  readonly #parent: Context = context.active();
  #listener: Listener | undefined;
  #answered = false;

  constructor(next: NextCall, observer: CallObserver, method: Method, responseStream: boolean) {
    super(observer, method);
    this.#next = next;
    this.#responseStream = responseStream;
  }

  start(metadata: Metadata, listener?: Listener): void {
    this.#begin();
    this.#listener = listener;
    const carrier = metadata.clone();
    try {
      this.observer.propagator.inject(this.context, carrier, setter);
    } catch (error) {
      this.observer.report("propagator", error);
    }
    this.#next.start(carrier, this);
  }

  sendMessage(message: unknown): void {
    this.#next.sendMessage(message);
  }

  sendMessageWithContext(messageContext: MessageContext, message: unknown): void {
    this.#next.sendMessageWithContext(messageContext, message);
  }

  startRead(): void {
    this.#next.startRead();
  }

  halfClose(): void {
    this.#next.halfClose();
  }

  cancelWithStatus(code: grpc, details: string): void {
    // An interceptor above may hold the call back and cancel it before it ever starts: nothing below would report its end.
    if (!this.begun) {
      this.#begin();
      this.end("CANCELLED", "Cancelled before it started");
    }
    this.#next.cancelWithStatus(code, details);
  }

  getPeer(): string {
    return this.#next.getPeer();
  }

  getAuthContext(): ReturnType<NextCall["getAuthContext"]> {
    return this.#next.getAuthContext();
  }

  onReceiveMetadata(metadata: Metadata): void {
    const listener = this.#listener;
    if (listener?.onReceiveMetadata === undefined) return;
    if (this.#isInParent()) listener.onReceiveMetadata(metadata);
    else context.with(this.#parent, listener.onReceiveMetadata, listener, metadata);
  }

  onReceiveMessage(message: unknown): void {
    this.#answered ||= message !== null;
    const listener = this.#listener;
    if (listener?.onReceiveMessage === undefined) return;
    if (this.#isInParent()) listener.onReceiveMessage(message);
    else context.with(this.#parent, listener.onReceiveMessage, listener, message);
  }

  onReceiveStatus(status: StatusObject): void {
    // What grpc-js' client, above all interceptors, makes of a unary call that succeeded without an answer.
    const empty = status.code === grpc.OK && !this.#responseStream && !this.#answered;
    if (empty) this.end("UNIMPLEMENTED", "No message received");
    else this.end(grpcCodeName(status.code), status.details);
    const listener = this.#listener;
    if (listener?.onReceiveStatus === undefined) return;
    if (this.#isInParent()) listener.onReceiveStatus(status);
    else context.with(this.#parent, listener.onReceiveStatus, listener, status);
  }

  /** Usually what the stream was opened in comes along with its events, and asking is much cheaper than entering it. */
  #isInParent(): boolean {
    return context.active() === this.#parent;
  }

  #begin(): void {
    if (this.begun) return;
    // getPeer() names the channel's target until the call is connected.
    this.begin(this.#parent, this.#next.getPeer());
  }
}
