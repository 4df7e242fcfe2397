import { grpcCodes } from "@almanac/catalog";
import type { GrpcCode } from "@almanac/catalog";

/** Name of a status number. A number outside 0 to 16 is `UNKNOWN`, as the gRPC specification asks of receivers. */
export function grpcCodeName(status: number): GrpcCode {
  return grpcCodes.values[status] ?? "UNKNOWN";
}

/** Number of a status name, 0 to 16: the catalog lists the names in the order of their numbers. */
export function grpcCodeNumber(code: GrpcCode): number {
  return grpcCodes.values.indexOf(code);
}
