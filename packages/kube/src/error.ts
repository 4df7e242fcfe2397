import { CodedError } from "@almanac/core";
import type { KubeStatus } from "./objects.ts";

/** What went wrong at the Kubernetes API or on the way to it. */
export type KubeErrorCode =
  /** The object or the resource does not exist. */
  | "not_found"
  /** The object changed since it was read, or another field manager owns a field. */
  | "conflict"
  | "already_exists"
  /** The object was refused by validation; `causes` name the fields. */
  | "invalid"
  | "bad_request"
  | "unauthorized"
  | "forbidden"
  /** Slow down; `retryAfterMs` says for how long. */
  | "too_many_requests"
  /** The resource version or continue token is too old: list again. */
  | "gone"
  /** No answer in time, the server's or this client's. */
  | "timeout"
  /** The server cannot be reached, or says it is not available. */
  | "unavailable"
  /** The server failed. */
  | "internal"
  /** The answer is not what the protocol allows: malformed JSON, a line or body beyond the limit. */
  | "protocol"
  /** The caller's signal aborted. */
  | "cancelled"
  /** A kubeconfig, an option or an argument is wrong. */
  | "invalid_options"
  /** Another process leads, or the lease could not be renewed in time. */
  | "leadership_lost";

export interface KubeErrorDetails {
  readonly cause?: unknown;
  /** HTTP status. */
  readonly httpStatus?: number;
  /** The server's `reason`, e.g. `AlreadyExists`. */
  readonly reason?: string;
  /** The fields that validation refused. */
  readonly causes?: readonly { readonly reason?: string; readonly field?: string; readonly message?: string }[];
  readonly retryAfterMs?: number;
}

/** The error of this package. Never carries credentials. */
export class KubeError extends CodedError<KubeErrorCode> {
  readonly httpStatus: number | undefined;
  readonly reason: string | undefined;
  readonly causes: readonly { readonly reason?: string; readonly field?: string; readonly message?: string }[];
  readonly retryAfterMs: number | undefined;

  constructor(code: KubeErrorCode, message: string, details: KubeErrorDetails = {}) {
    super(code, message, details.cause === undefined ? undefined : { cause: details.cause });
    this.httpStatus = details.httpStatus;
    this.reason = details.reason;
    this.causes = details.causes ?? [];
    this.retryAfterMs = details.retryAfterMs;
  }

  /** The same request may succeed later without a change to it. */
  get isRetryable(): boolean {
    return retryable.has(this.code);
  }

  /** Anything thrown: a KubeError as it is, errno of Node's sockets and TLS translated, the rest `internal`. */
  static from(thrown: unknown): KubeError {
    return thrown instanceof KubeError ? thrown : fromForeign(thrown);
  }

  /** A `Status`, from an error response or an ERROR event. `context` says what was asked for, e.g. `GET /api/v1/pods`. */
  static fromStatus(status: KubeStatus, httpStatus: number, context: string, retryAfterMs?: number): KubeError {
    const seconds = status.details?.retryAfterSeconds;
    const after = retryAfterMs ?? (seconds !== undefined && seconds > 0 ? seconds * 1000 : undefined);
    const message = status.message === undefined || status.message === "" ? `HTTP ${httpStatus}` : status.message;
    return new KubeError(codeOf(status.reason, status.code ?? httpStatus), `${context}: ${message.slice(0, 4096)}`, {
      httpStatus: status.code ?? httpStatus,
      ...(status.reason === undefined || status.reason === "" ? {} : { reason: status.reason }),
      ...(status.details?.causes === undefined ? {} : { causes: status.details.causes }),
      ...(after === undefined ? {} : { retryAfterMs: after }),
    });
  }
}

/** True for a KubeError with one of `codes`. */
export function isKubeError(thrown: unknown, ...codes: KubeErrorCode[]): thrown is KubeError {
  return thrown instanceof KubeError && (codes.length === 0 || codes.includes(thrown.code));
}

const retryable = new Set<KubeErrorCode>([
  "conflict",
  "too_many_requests",
  "gone",
  "timeout",
  "unavailable",
  "internal",
  "protocol",
]);

// Source: k8s.io/apimachinery, StatusReason. The reason is finer than the HTTP status (409 is both a conflict and an existing name).
const codeOfReason: Readonly<Record<string, KubeErrorCode>> = {
  NotFound: "not_found",
  AlreadyExists: "already_exists",
  Conflict: "conflict",
  Gone: "gone",
  Expired: "gone",
  Invalid: "invalid",
  BadRequest: "bad_request",
  MethodNotAllowed: "bad_request",
  NotAcceptable: "bad_request",
  RequestEntityTooLarge: "bad_request",
  UnsupportedMediaType: "bad_request",
  Unauthorized: "unauthorized",
  Forbidden: "forbidden",
  TooManyRequests: "too_many_requests",
  Timeout: "timeout",
  // The server asks to try again: it could not finish, which is not the client's deadline.
  ServerTimeout: "unavailable",
  ServiceUnavailable: "unavailable",
  InternalError: "internal",
};

function codeOf(reason: string | undefined, httpStatus: number): KubeErrorCode {
  const known = reason === undefined ? undefined : codeOfReason[reason];
  if (known !== undefined) return known;
  switch (httpStatus) {
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 408:
    case 504:
      return "timeout";
    case 409:
      return "conflict";
    case 410:
      return "gone";
    case 422:
      return "invalid";
    case 429:
      return "too_many_requests";
    case 502:
    case 503:
      return "unavailable";
    default:
      return httpStatus >= 500 ? "internal" : httpStatus >= 400 ? "bad_request" : "protocol";
  }
}

// What Node's sockets, DNS and TLS report when the server is not there; every one of them may pass.
const unavailableErrnos = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "EMFILE",
]);

function fromForeign(thrown: unknown): KubeError {
  if (thrown instanceof CodedError) return new KubeError("internal", thrown.message, { cause: thrown });
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const errno = "code" in error && typeof error.code === "string" ? error.code : "";
  if (error.name === "AbortError" || errno === "ABORT_ERR")
    return new KubeError("cancelled", "the request was cancelled", { cause: error });
  if (errno === "ETIMEDOUT" || error.name === "TimeoutError")
    return new KubeError("timeout", "the connection timed out", { cause: error });
  if (unavailableErrnos.has(errno))
    return new KubeError("unavailable", `the API server cannot be reached (${errno})`, { cause: error });
  if (errno.startsWith("HPE_")) return new KubeError("protocol", `the answer is not HTTP (${errno})`, { cause: error });
  // A certificate that does not verify stays wrong until someone changes it, but a rotation on either side is such a change.
  if (
    errno.startsWith("ERR_TLS") ||
    errno.startsWith("ERR_SSL") ||
    errno.includes("CERT") ||
    errno.includes("SIGNED")
  ) {
    return new KubeError("unavailable", `the TLS connection to the API server failed (${errno})`, { cause: error });
  }
  return new KubeError("internal", error.message, { cause: error });
}
