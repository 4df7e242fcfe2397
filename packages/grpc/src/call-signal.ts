import type { ServerUnaryCall } from "@grpc/grpc-js";

/** Any of grpc-js' four server call objects. */
export type ServerCall = Pick<
  ServerUnaryCall<unknown, unknown>,
  "cancelled" | "getDeadline" | "getMetricsRecorder" | "on" | "off"
>;

export declare function callSignal(call: ServerCall): AbortSignal;
export declare function remainingMs(call: Pick<ServerCall, "getDeadline">): number;
