import { InterceptingCall, ListenerBuilder, RequesterBuilder, status as grpc } from "@grpc/grpc-js";
import type { Interceptor, Metadata } from "@grpc/grpc-js";
import { context } from "@opentelemetry/api";
import type { TextMapSetter } from "@opentelemetry/api";
import { createCallObserver, serverAttributes } from "./call-telemetry.ts";
import type { CallHooks, GrpcTelemetry, ObservedCall } from "./call-telemetry.ts";
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
  const observer = createCallObserver("client", telemetry, options);

  return (interceptorOptions, nextCall) => {
    const { path, responseStream } = interceptorOptions.method_definition;
    const name = observer.name(path);
    const parent = context.active();
    const timeoutMs =
      interceptorOptions.deadline === undefined
        ? observer.guard("deadlineMs", undefined, () => options.deadlineMs?.(name.method, name.service))
        : undefined;
    const next = nextCall(
      timeoutMs === undefined ? interceptorOptions : { ...interceptorOptions, deadline: Date.now() + timeoutMs },
    );

    // getPeer() names the channel's target until the call is connected.
    const start = (): ObservedCall => observer.start(name, parent, serverAttributes(next.getPeer()));
    let call: ObservedCall | undefined;
    let answered = false;

    const requester = new RequesterBuilder()
      .withStart((metadata, _listener, nextStart) => {
        call ??= start();
        const observed = call;
        const carrier = metadata.clone();
        observer.guard("propagator", undefined, () => telemetry.propagator.inject(observed.context, carrier, setter));
        const listener = new ListenerBuilder()
          .withOnReceiveMetadata((received, nextReceived) => context.with(parent, () => nextReceived(received)))
          .withOnReceiveMessage((message: unknown, nextMessage) => {
            answered ||= message !== null;
            context.with(parent, () => nextMessage(message));
          })
          .withOnReceiveStatus((status, nextStatus) => {
            // What grpc-js' client, above all interceptors, makes of a unary call that succeeded without an answer.
            const empty = status.code === grpc.OK && !responseStream && !answered;
            observed.end(
              empty ? "UNIMPLEMENTED" : grpcCodeName(status.code),
              empty ? "No message received" : status.details,
            );
            context.with(parent, () => nextStatus(status));
          })
          .build();
        nextStart(carrier, listener);
      })
      .withCancel((nextCancel) => {
        // An interceptor above may hold the call back and cancel it before it ever starts: nothing below would report its end.
        if (call === undefined) {
          call = start();
          call.end("CANCELLED", "Cancelled before it started");
        }
        nextCancel();
      })
      .build();
    return new InterceptingCall(next, requester);
  };
}
