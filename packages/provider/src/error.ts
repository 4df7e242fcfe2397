import { CodedError } from "@almanac/core";
import type { ErrorReason, GrpcCode } from "@almanac/catalog";

/** The gRPC status names an RPC can fail with. */
export type ProviderErrorCode = Exclude<GrpcCode, "OK">;

/** What `virtrigaud_errors_total` calls an error of this code when its thrower did not say. */
const defaultReasons: Readonly<Record<ProviderErrorCode, ErrorReason>> = {
  CANCELLED: "Timeout",
  UNKNOWN: "Internal",
  INVALID_ARGUMENT: "InvalidSpec",
  DEADLINE_EXCEEDED: "Timeout",
  NOT_FOUND: "NotFound",
  ALREADY_EXISTS: "AlreadyExists",
  PERMISSION_DENIED: "AuthenticationError",
  RESOURCE_EXHAUSTED: "QuotaExceeded",
  FAILED_PRECONDITION: "HypervisorError",
  ABORTED: "HypervisorError",
  OUT_OF_RANGE: "InvalidSpec",
  UNIMPLEMENTED: "Unsupported",
  INTERNAL: "Internal",
  UNAVAILABLE: "ConnectionFailed",
  DATA_LOSS: "HypervisorError",
  UNAUTHENTICATED: "AuthenticationError",
};

/** Extras of a ProviderError. */
export interface ProviderErrorOptions {
  /** Default: derived from the code. */
  readonly reason?: ErrorReason;
  /** True when the peer has counted it in `virtrigaud_errors_total` already. Default: false. */
  readonly counted?: boolean;
  readonly cause?: unknown;
}

/**
 * An RPC that fails, on both sides of the wire: a handler throws it, a client method rejects with it. `details` travels to the peer and
 * must not carry secrets; the cause stays here.
 */
export class ProviderError extends CodedError<ProviderErrorCode> {
  /** The message as it is on the wire, without the code. */
  readonly details: string;
  readonly reason: ErrorReason;
  readonly counted: boolean;

  constructor(code: ProviderErrorCode, details: string, options: ProviderErrorOptions = {}) {
    super(code, details, options.cause === undefined ? undefined : { cause: options.cause });
    this.details = details;
    this.reason = options.reason ?? defaultReasons[code];
    this.counted = options.counted ?? false;
  }

  /**
   * Translates what a handler or a task threw. Anything foreign becomes INTERNAL with a message that says nothing about it: the cause
   * is for the log.
   */
  static from(thrown: unknown): ProviderError {
    if (thrown instanceof ProviderError) return thrown;
    if (thrown instanceof Error) {
      if (thrown.name === "AbortError")
        return new ProviderError("CANCELLED", "the call was cancelled", { cause: thrown });
      if (thrown.name === "TimeoutError") {
        return new ProviderError("DEADLINE_EXCEEDED", "the deadline passed", { cause: thrown });
      }
      // The disk of the provider itself; retrying helps once somebody made room.
      if ("code" in thrown && (thrown.code === "ENOSPC" || thrown.code === "EDQUOT")) {
        return new ProviderError("RESOURCE_EXHAUSTED", "the provider's disk is full", { cause: thrown });
      }
    }
    return new ProviderError("INTERNAL", "internal error of the provider", { cause: thrown });
  }
}
