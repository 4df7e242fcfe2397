import type { ErrorReason, Outcome } from "@almanac/catalog";
import { CodedError, describeError } from "@almanac/core";
import { GrpcError } from "@almanac/grpc";
import { KubeError } from "@almanac/kube";
import { ProviderError } from "@almanac/provider";
import { connectionWords } from "./connection-words.ts";
import type { ProviderErrorCode } from "@almanac/provider";

export type ManagerErrorCode =
  /** An option of `startManager` does not make sense. */
  | "invalid_options"
  /** A field of an object cannot be acted on as it is. */
  | "invalid_spec"
  /** An object that another one names does not exist. */
  | "dependency_not_found"
  /** The Provider's type has no implementation. */
  | "unsupported_type"
  /** A provider answered a validation with `ok=false`. */
  | "not_well"
  /** A provider's task ended in an error. */
  | "task_failed"
  /** A provider forgot a task, and its effect is not there. */
  | "task_lost"
  /** A task did not end in time. */
  | "task_timeout"
  /** The hypervisor's state is not what the operation should have made of it. */
  | "unexpected_state";

/** The error of this package, for what no other package reports. */
export class ManagerError extends CodedError<ManagerErrorCode> {
  constructor(code: ManagerErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, options.cause === undefined ? undefined : { cause: options.cause });
  }
}

/** What an error means to the catalog. */
export interface Classified {
  /** `failure`: carried out and refused. `error`: could not be carried out. */
  readonly outcome: Exclude<Outcome, "success">;
  readonly reason: ErrorReason;
  /** A provider has counted it in `virtrigaud_errors_total` already. */
  readonly counted: boolean;
  /** For conditions and events; one line, without secrets. */
  readonly message: string;
}

const own: Readonly<Record<ManagerErrorCode, Pick<Classified, "outcome" | "reason">>> = {
  invalid_options: { outcome: "error", reason: "Internal" },
  invalid_spec: { outcome: "failure", reason: "InvalidSpec" },
  dependency_not_found: { outcome: "failure", reason: "DependencyNotFound" },
  unsupported_type: { outcome: "failure", reason: "Unsupported" },
  not_well: { outcome: "error", reason: "HypervisorError" },
  task_failed: { outcome: "failure", reason: "TaskFailed" },
  task_lost: { outcome: "error", reason: "NotFound" },
  task_timeout: { outcome: "error", reason: "Timeout" },
  unexpected_state: { outcome: "failure", reason: "HypervisorError" },
};

// Codes by which a provider says that it understood and will not do it; everything else may pass by itself.
const refusals: ReadonlySet<ProviderErrorCode> = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "UNAUTHENTICATED",
]);

// grpc-js reports a failed handshake as UNAVAILABLE and keeps OpenSSL's or Node's words about it.
const tlsWords = /certificate|altname|self.signed|\bssl\b|\btls|handshake/i;

/** The one place where anything thrown gets its outcome and reason. Never throws. */
export function classify(thrown: unknown): Classified {
  const message = describeError(thrown);
  if (thrown instanceof ManagerError) return { ...own[thrown.code], counted: false, message };
  if (thrown instanceof ProviderError) {
    // The breaker says how long it stays open, anew at every call; a condition that changed as often would be written as often.
    if (thrown.reason === "CircuitOpen") {
      const words = "the circuit breaker is open after repeated failures of the provider";
      return { outcome: "error", reason: "CircuitOpen", counted: false, message: words };
    }
    const isTls = thrown.code === "UNAVAILABLE" && !thrown.counted && thrown.reason === "ConnectionFailed";
    return {
      outcome: refusals.has(thrown.code) ? "failure" : "error",
      reason: isTls && tlsWords.test(thrown.details) ? "TLSError" : thrown.reason,
      counted: thrown.counted,
      // What the peer says is the peer's; what the client library says needs translation.
      message: `${thrown.code}: ${thrown.counted ? thrown.details : connectionWords(thrown.details)}`,
    };
  }
  // A GrpcError outside of a call is about the certificate files.
  if (thrown instanceof GrpcError) return { outcome: "error", reason: "TLSError", counted: false, message };
  if (thrown instanceof KubeError) return { outcome: "error", reason: "KubernetesApiError", counted: false, message };
  return { outcome: "error", reason: "Internal", counted: false, message };
}

/** True when the request certainly never reached the provider, so that it cannot have had an effect. */
export function wasNeverSent(thrown: unknown): boolean {
  return (
    thrown instanceof ProviderError &&
    thrown.code === "UNAVAILABLE" &&
    (thrown.reason === "CircuitOpen" || /^No connection established/.test(thrown.details))
  );
}
