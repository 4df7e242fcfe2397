/** Canonical status names in the order of their numbers, 0 to 16 (gRPC's statuscodes document). */
export const grpcCodes = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** One of the 17 canonical status names. */
export type GrpcCode = (typeof grpcCodes)[number];

/** Name of a status number. A number outside 0 to 16 is `UNKNOWN`, as the gRPC specification asks of receivers. */
export function grpcCodeName(status: number): GrpcCode {
  return grpcCodes[status] ?? "UNKNOWN";
}

/** Number of a status name, 0 to 16. */
export function grpcCodeNumber(code: GrpcCode): number {
  return grpcCodes.indexOf(code);
}
