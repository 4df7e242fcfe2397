import type { handleUnaryCall, Metadata, ServerErrorResponse, ServerUnaryCall } from "@grpc/grpc-js";

/** What a handler learns about its call besides the request. */
export interface UnaryCall {
  /** Aborts when the client cancels, the connection is lost or the deadline passes; never after the handler has answered. */
  readonly signal: AbortSignal;
  /** When the caller gives up; undefined: never. */
  readonly deadline: Date | undefined;
  /** Address and port of the client, `unknown` when the connection is gone. */
  readonly peer: string;
  readonly metadata: Metadata;
}

export interface UnaryHandlerOptions {
  /** Status for what the handler threw. Default: the status of a GrpcError or of an error with a numeric code, else INTERNAL. */
  toStatus?(thrown: unknown): Partial<ServerErrorResponse>;
}

export declare function unaryHandler<Request, Response>(
  handle: (request: Request, call: UnaryCall) => Promise<Response>,
  options?: UnaryHandlerOptions,
): handleUnaryCall<Request, Response>;
