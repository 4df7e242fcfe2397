import { status } from "@grpc/grpc-js";
import type { handleUnaryCall, Metadata, ServerErrorResponse } from "@grpc/grpc-js";
import { describeError } from "@almanac/core";
import { callSignal, markAnswered } from "./call-signal.ts";
import { grpcCodeNumber } from "./grpc-code.ts";
import { GrpcError } from "./grpc-error.ts";

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
  /** Status for what the handler threw. Default: the status of a GrpcError or of a grpc-js error, else INTERNAL. */
  toStatus?(thrown: unknown): Partial<ServerErrorResponse>;
}

/**
 * A grpc-js handler from an async function: its result is the answer, what it throws or rejects with becomes the status. (grpc-js
 * itself ignores the promise of an async handler: a rejection would end the process and leave the call open.)
 */
export function unaryHandler<Request, Response>(
  handle: (request: Request, call: UnaryCall) => Promise<Response>,
  options: UnaryHandlerOptions = {},
): handleUnaryCall<Request, Response> {
  const toStatus = (thrown: unknown): Partial<ServerErrorResponse> =>
    options.toStatus?.(thrown) ?? defaultStatus(thrown);
  return (call, callback) => {
    const deadlineMs = Number(call.getDeadline());
    const run = async (): Promise<Response> =>
      handle(call.request, {
        signal: callSignal(call),
        deadline: Number.isFinite(deadlineMs) ? new Date(deadlineMs) : undefined,
        peer: call.getPeer(),
        metadata: call.metadata,
      });
    run().then(
      (response) => {
        markAnswered(call);
        callback(null, response);
      },
      (thrown: unknown) => {
        markAnswered(call);
        callback(sendable(statusOf(toStatus, thrown)));
      },
    );
  };
}

function statusOf(
  toStatus: (thrown: unknown) => Partial<ServerErrorResponse>,
  thrown: unknown,
): Partial<ServerErrorResponse> {
  try {
    return toStatus(thrown);
  } catch (error) {
    return defaultStatus(error);
  }
}

function defaultStatus(thrown: unknown): Partial<ServerErrorResponse> {
  const { grpcCode = "UNKNOWN", details, metadata } = GrpcError.from(thrown);
  // UNKNOWN is for statuses of foreign systems; what breaks here is ours.
  if (grpcCode === "UNKNOWN") return { code: status.INTERNAL, details: describeError(thrown) };
  return { code: grpcCodeNumber(grpcCode), details, ...(metadata === undefined ? {} : { metadata }) };
}

const longestDetails = 4096;

// Header fields are bounded, and grpc-js throws out of its own reach over text that is no valid Unicode.
function sendable(response: Partial<ServerErrorResponse>): Partial<ServerErrorResponse> {
  const { code = status.INTERNAL, details = "", metadata } = response;
  return {
    code,
    details: details.slice(0, longestDetails).toWellFormed(),
    ...(metadata === undefined ? {} : { metadata }),
  };
}
