import type { Deadline, ServerUnaryCall } from "@grpc/grpc-js";
import { GrpcError } from "./grpc-error.ts";

/** What the call objects of grpc-js' four kinds of handlers have in common. */
export interface ServerCall {
  readonly cancelled: boolean;
  getDeadline(): Deadline;
  getMetricsRecorder(): ReturnType<ServerUnaryCall<unknown, unknown>["getMetricsRecorder"]>;
  once(event: "cancelled", listener: () => void): unknown;
}

/** Interceptors and handlers see different objects for one call; the metrics recorder, which bears this mark, is the one they share. */
const answered = Symbol("answered");

/** Remembers that the handler has given its status. */
export function markAnswered(call: Pick<ServerCall, "getMetricsRecorder">): void {
  (call.getMetricsRecorder() as { [answered]?: boolean })[answered] = true;
}

function isAnswered(call: Pick<ServerCall, "getMetricsRecorder">): boolean {
  return (call.getMetricsRecorder() as { [answered]?: boolean })[answered] === true;
}

/**
 * A signal for what a handler starts: aborts with a GrpcError `cancelled` when the client cancels or its connection is lost, with
 * `deadline_exceeded` when the deadline passes. Never after the handler's answer when the server interceptor or `unaryHandler` is at
 * work; grpc-js alone reports every call as cancelled in the end. Nothing needs to be released.
 */
export function callSignal(call: ServerCall): AbortSignal {
  const controller = new AbortController();
  const timeoutMs = remainingMs(call);
  const abort = (): void => {
    if (isAnswered(call)) return;
    controller.abort(
      isDeadline(call.getDeadline(), timeoutMs)
        ? new GrpcError("deadline_exceeded", "the deadline of the call has passed", { grpcCode: "DEADLINE_EXCEEDED" })
        : new GrpcError("cancelled", "the client cancelled the call or its connection was lost", {
            grpcCode: "CANCELLED",
          }),
    );
  };
  if (call.cancelled) abort();
  else call.once("cancelled", abort);
  return controller.signal;
}

/** Milliseconds until the caller gives up, 0 when it already has, Infinity when it never will. */
export function remainingMs(call: Pick<ServerCall, "getDeadline">): number {
  return Math.max(0, Number(call.getDeadline()) - Date.now());
}

/**
 * Whether a call that was reset now was reset because its time was up. `timeoutMs` is the time it had when it arrived. The client's
 * clock started one way of the network before ours, so its reset may come just before our deadline: a tenth of the time, at most
 * 100 ms, is allowed for that.
 */
export function isDeadline(deadline: Deadline, timeoutMs: number): boolean {
  return Number(deadline) - Date.now() <= Math.min(100, timeoutMs / 10);
}
