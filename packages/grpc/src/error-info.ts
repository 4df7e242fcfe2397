import { Metadata } from "@grpc/grpc-js";
import { decodeStatusDetails, encodeStatusDetails } from "./status-details.ts";
import type { ErrorInfo } from "./status-details.ts";

const trailer = "grpc-status-details-bin";

/** What a handler ends a call with; fits what grpc-js' handlers call back with as error. */
export interface StatusWithDetails {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/**
 * A copy of `status` whose trailers carry `info` as google.rpc.ErrorInfo in `grpc-status-details-bin` (google/rpc/status.proto), so
 * that the caller knows that the error was counted, by whom and as what. The given metadata is not changed.
 */
export function withErrorInfo(
  status: { readonly code: number; readonly details: string; readonly metadata?: Metadata | null | undefined },
  info: ErrorInfo,
): StatusWithDetails {
  const metadata = status.metadata?.clone() ?? new Metadata();
  metadata.set(trailer, encodeStatusDetails(status.code, status.details, info));
  return { code: status.code, details: status.details, metadata };
}

/** The google.rpc.ErrorInfo in the trailers of anything a call failed with; undefined when there is none. Never throws. */
export function readErrorInfo(thrown: unknown): ErrorInfo | undefined {
  if (typeof thrown !== "object" || thrown === null || !("metadata" in thrown)) return undefined;
  const { metadata } = thrown;
  if (!isMetadata(metadata)) return undefined;
  for (const value of metadata.get(trailer)) {
    const info = typeof value === "string" ? undefined : decodeStatusDetails(value);
    if (info !== undefined) return info;
  }
  return undefined;
}

// Structural: an error may come from a second copy of grpc-js in the dependency tree, where instanceof fails.
function isMetadata(value: unknown): value is Pick<Metadata, "get"> {
  return typeof value === "object" && value !== null && "get" in value && typeof value.get === "function";
}
