import { ResponderBuilder, ServerInterceptingCall, ServerListenerBuilder } from "@grpc/grpc-js";
import type { Metadata, ServerInterceptingCallInterface, ServerInterceptor } from "@grpc/grpc-js";
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Attributes, TextMapGetter } from "@opentelemetry/api";
import { isDeadline, markAnswered, remainingMs } from "./call-signal.ts";
import { createCallObserver, serverAttributes } from "./call-telemetry.ts";
import type { CallHooks, GrpcTelemetry, ObservedCall } from "./call-telemetry.ts";
import { grpcCodeName } from "./grpc-code.ts";
import { canAnswer, sentStatus } from "./server-stream.ts";

export interface ServerInterceptorOptions extends CallHooks {
  /** True for paths without span, measurement and onCall (health, reflection). Default: none. */
  ignore?(path: string): boolean;
}

const getter: TextMapGetter<Metadata> = {
  keys: (metadata) => Object.keys(metadata.getMap()),
  get(metadata, key) {
    const values = metadata.get(key).filter((value) => typeof value === "string");
    return values.length > 1 ? values : values[0];
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
  const observer = createCallObserver("server", telemetry, options);

  return ({ path }, call) => {
    if (observer.guard("ignore", false, () => options.ignore?.(path) ?? false)) return new ServerInterceptingCall(call);
    const timeoutMs = remainingMs(call);
    let observed: ObservedCall | undefined;

    const start = (metadata: Metadata | undefined): ObservedCall => {
      const parent =
        metadata === undefined
          ? ROOT_CONTEXT
          : observer.guard("propagator", ROOT_CONTEXT, () =>
              telemetry.propagator.extract(ROOT_CONTEXT, metadata, getter),
            );
      return observer.start(observer.name(path), parent, attributesOf(call));
    };
    const endUnanswered = (): void => {
      observed ??= start(undefined);
      if (observed.ended) return;
      const sent = sentStatus(call);
      if (sent !== undefined) observed.end(sent.code, sent.details);
      else if (isDeadline(call.getDeadline(), timeoutMs)) observed.end("DEADLINE_EXCEEDED", "Deadline exceeded");
      else observed.end("CANCELLED", "Cancelled by the client, or the connection was lost");
    };
    const inContext = (run: () => void): void => context.with(observed?.context ?? ROOT_CONTEXT, run);

    const responder = new ResponderBuilder()
      .withStart((next) => {
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, nextMetadata) => {
            observed ??= start(metadata);
            inContext(() => nextMetadata(metadata));
          })
          .withOnReceiveMessage((message: unknown, nextMessage) => inContext(() => nextMessage(message)))
          .withOnReceiveHalfClose((nextHalfClose) => inContext(nextHalfClose))
          .withOnCancel(endUnanswered)
          .build();
        next(listener);
        // grpc-js starts nothing and reports nothing for a stream that was reset before it could.
        if (observed === undefined && !canAnswer(call)) endUnanswered();
      })
      .withSendStatus((status, next) => {
        // An answer that reaches nobody is not how this call ended; the cancel about to be reported is.
        if (canAnswer(call)) {
          markAnswered(call);
          (observed ??= start(undefined)).end(grpcCodeName(status.code), status.details);
        }
        next(status);
      })
      .build();
    return new ContextCall(call, responder, inContext);
  };
}

type Listener = Parameters<ServerInterceptingCall["start"]>[0];
type Responder = ReturnType<ResponderBuilder["build"]>;

/** Brings the handler's context to the two callbacks that listeners and responders do not pass through. */
class ContextCall extends ServerInterceptingCall {
  readonly #inContext: (run: () => void) => void;

  constructor(call: ServerInterceptingCallInterface, responder: Responder, inContext: (run: () => void) => void) {
    super(call, responder);
    this.#inContext = inContext;
  }

  override start(listener: Listener): void {
    super.start({
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message: unknown) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => this.#inContext(() => listener.onCancel()),
    });
  }

  override sendMessage(message: unknown, callback: () => void): void {
    super.sendMessage(message, () => this.#inContext(callback));
  }
}

function attributesOf(call: ServerInterceptingCallInterface): Attributes {
  const { localAddress, localPort, remoteAddress, remotePort } = call.getConnectionInfo();
  const authority = call.getHost();
  return {
    ...(authority
      ? serverAttributes(authority)
      : {
          ...(localAddress === undefined ? {} : { "server.address": localAddress }),
          ...(localPort === undefined ? {} : { "server.port": localPort }),
        }),
    ...(remoteAddress === undefined ? {} : { "client.address": remoteAddress }),
    ...(remotePort === undefined ? {} : { "client.port": remotePort }),
  };
}
