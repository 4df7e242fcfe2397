import { InterceptingCall, status as grpc } from "@grpc/grpc-js";
import type { Interceptor, Metadata, StatusObject } from "@grpc/grpc-js";
import { context } from "@opentelemetry/api";
import type { Context, TextMapSetter } from "@opentelemetry/api";
import { CallObserver, targetAttributes } from "./call-telemetry.ts";
import type { CallHooks, GrpcTelemetry, Method, ObservedCall } from "./call-telemetry.ts";
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
    return new ObservedClientCall(next, observer, method, responseStream);
  };
}

type NextCall = ConstructorParameters<typeof InterceptingCall>[0];
type Listener = NonNullable<Parameters<InterceptingCall["start"]>[1]>;

/**
 * The call and the listener of its answers at once: calls are made so often that what the builders of grpc-js allocate for each (a dozen
 * objects and functions, and queues for interceptors that wait) would cost more than observing it.
 */
class ObservedClientCall extends InterceptingCall {
  readonly #next: NextCall;
  readonly #observer: CallObserver;
  readonly #method: Method;
  readonly #responseStream: boolean;
  readonly #parent: Context = context.active();
  #call: ObservedCall | undefined;
  #listener: Listener | undefined;
  #answered = false;

  constructor(next: NextCall, observer: CallObserver, method: Method, responseStream: boolean) {
    super(next);
    this.#next = next;
    this.#observer = observer;
    this.#method = method;
    this.#responseStream = responseStream;
  }

  override start(metadata: Metadata, listener?: Listener): void {
    this.#call ??= this.#observe();
    this.#listener = listener;
    const carrier = metadata.clone();
    try {
      this.#observer.propagator.inject(this.#call.context, carrier, setter);
    } catch (error) {
      this.#observer.report("propagator", error);
    }
    this.#next.start(carrier, this);
  }

  override sendMessageWithContext(...message: Parameters<NextCall["sendMessageWithContext"]>): void {
    this.#next.sendMessageWithContext(...message);
  }

  override halfClose(): void {
    this.#next.halfClose();
  }

  override cancelWithStatus(code: grpc, details: string): void {
    // An interceptor above may hold the call back and cancel it before it ever starts: nothing below would report its end.
    if (this.#call === undefined) {
      this.#call = this.#observe();
      this.#call.end("CANCELLED", "Cancelled before it started");
    }
    this.#next.cancelWithStatus(code, details);
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
    if (empty) this.#call?.end("UNIMPLEMENTED", "No message received");
    else this.#call?.end(grpcCodeName(status.code), status.details);
    const listener = this.#listener;
    if (listener?.onReceiveStatus === undefined) return;
    if (this.#isInParent()) listener.onReceiveStatus(status);
    else context.with(this.#parent, listener.onReceiveStatus, listener, status);
  }

  /** Usually what the stream was opened in comes along with its events, and asking is much cheaper than entering it. */
  #isInParent(): boolean {
    return context.active() === this.#parent;
  }

  #observe(): ObservedCall {
    // getPeer() names the channel's target until the call is connected.
    const attributes = targetAttributes(this.#method, this.#next.getPeer());
    return this.#observer.start(this.#method, this.#parent, attributes);
  }
}
