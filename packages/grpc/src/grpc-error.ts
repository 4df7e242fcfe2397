import type { Metadata } from "@grpc/grpc-js";
import { CodedError, describeError } from "@almanac/core";
import { readErrorInfo } from "./error-info.ts";
import type { ErrorInfo } from "./status-details.ts";
import { grpcCodeName } from "./grpc-code.ts";
import type { GrpcCode } from "@almanac/catalog";

/** Every status but OK in lower case, and what fails before or beside a call. */
export type GrpcErrorCode =
  Lowercase<Exclude<GrpcCode, "OK">> | "circuit_open" | "invalid_options" | "tls_file_unreadable" | "tls_file_invalid";

export interface GrpcErrorOptions {
  readonly cause?: unknown;
  /** Set for a call that ended with a status. */
  readonly grpcCode?: GrpcCode;
  /** The status message as the peer wrote it. */
  readonly details?: string;
  readonly metadata?: Metadata;
  readonly errorInfo?: ErrorInfo | undefined;
}

/** What a gRPC call, a circuit breaker or a TLS file failed with. */
export class GrpcError extends CodedError<GrpcErrorCode> {
  /** The call's status; undefined when no call was made (open circuit, bad options, unreadable file). */
  readonly grpcCode: GrpcCode | undefined;
  /** The status message without the code. */
  readonly details: string;
  /** Trailers of the call. */
  readonly metadata: Metadata | undefined;
  /** Who counted this error already, and as what. */
  readonly errorInfo: ErrorInfo | undefined;

  constructor(code: GrpcErrorCode, message: string, options: GrpcErrorOptions = {}) {
    super(code, message, "cause" in options ? { cause: options.cause } : undefined);
    this.grpcCode = options.grpcCode;
    this.details = options.details ?? message;
    this.metadata = options.metadata;
    this.errorInfo = options.errorInfo;
  }

  /**
   * Translates what grpc-js calls reject with (an error with a numeric `code`, `details` and `metadata`). A GrpcError comes back as
   * it is; an abort becomes `cancelled`, a timeout of an AbortSignal `deadline_exceeded`, everything else `unknown`. Never throws.
   */
  static from(thrown: unknown): GrpcError {
    if (thrown instanceof GrpcError) return thrown;
    if (isServiceError(thrown)) {
      const grpcCode = grpcCodeName(thrown.code);
      // A call that failed with OK is a library's mistake, and "ok" is no error code.
      const known = grpcCode === "OK" ? "UNKNOWN" : grpcCode;
      return new GrpcError(known.toLowerCase() as Lowercase<Exclude<GrpcCode, "OK">>, thrown.details || known, {
        cause: thrown,
        grpcCode: known,
        details: thrown.details,
        ...(thrown.metadata === undefined ? {} : { metadata: thrown.metadata }),
        errorInfo: readErrorInfo(thrown),
      });
    }
    if (thrown instanceof Error && thrown.name === "AbortError") {
      return new GrpcError("cancelled", describeError(thrown), { cause: thrown, grpcCode: "CANCELLED" });
    }
    if (thrown instanceof Error && thrown.name === "TimeoutError") {
      return new GrpcError("deadline_exceeded", describeError(thrown), {
        cause: thrown,
        grpcCode: "DEADLINE_EXCEEDED",
      });
    }
    return new GrpcError("unknown", describeError(thrown), { cause: thrown, grpcCode: "UNKNOWN" });
  }
}

interface ServiceErrorLike extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata;
}

// Structural: an error may come from a second copy of grpc-js in the dependency tree, where instanceof fails. A numeric code alone is
// not enough: a DOMException has one, and so has a child process that failed.
function isServiceError(thrown: unknown): thrown is ServiceErrorLike {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    Number.isInteger(thrown.code) &&
    "details" in thrown &&
    typeof thrown.details === "string"
  );
}
