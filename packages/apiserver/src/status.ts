import type { FieldError, JsonObject } from "./schema/index.ts";
import { CodedError } from "@almanac/core";
import { goQuote } from "./schema/index.ts";

/** Reasons as `metav1.StatusReason` spells them. */
export type StatusReason =
  | "BadRequest"
  | "Unauthorized"
  | "Forbidden"
  | "NotFound"
  | "MethodNotAllowed"
  | "NotAcceptable"
  | "AlreadyExists"
  | "Conflict"
  | "Gone"
  | "Expired"
  | "RequestEntityTooLarge"
  | "UnsupportedMediaType"
  | "Invalid"
  | "InternalError"
  | "Timeout"
  | "TooManyRequests"
  | "ServiceUnavailable"
  | "Unknown";

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  readonly retryAfterSeconds?: number;
}

/** A refused request, as the Status object that answers it. */
export class StatusError extends CodedError<StatusReason> {
  readonly status: number;
  readonly text: string;
  readonly details: StatusDetails | undefined;
  /** `metadata.continue` of the Status: where an expired list may go on. */
  readonly continueToken: string | undefined;

  constructor(
    status: number,
    reason: StatusReason,
    text: string,
    extra: { readonly details?: StatusDetails; readonly continueToken?: string } = {},
  ) {
    super(reason, text);
    this.status = status;
    this.text = text;
    this.details = extra.details;
    this.continueToken = extra.continueToken;
  }

  /** The Status object for the wire. */
  toStatus(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: this.continueToken === undefined ? {} : { continue: this.continueToken },
      status: "Failure",
      message: this.text,
      ...(this.code === "Unknown" ? {} : { reason: this.code }),
      ...(this.details === undefined ? {} : { details: this.details as JsonObject }),
      code: this.status,
    };
  }
}

/** What an error message calls a resource, and its name in `details`. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

export interface KindName {
  readonly group: string;
  readonly kind: string;
}

/** `plural` or `plural.group`. */
export function qualified({ group, plural }: ResourceName): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function detailsOf({ group, plural }: ResourceName, name: string): StatusDetails {
  return { ...(name === "" ? {} : { name }), ...(group === "" ? {} : { group }), kind: plural };
}

export function badRequest(text: string): StatusError {
  return new StatusError(400, "BadRequest", text);
}

export function unauthorized(): StatusError {
  return new StatusError(401, "Unauthorized", "Unauthorized");
}

export function forbidden(
  resource: ResourceName,
  name: string,
  why: string,
  causes?: StatusDetails["causes"],
): StatusError {
  const details = { ...detailsOf(resource, name), ...(causes === undefined ? {} : { causes }) };
  return new StatusError(403, "Forbidden", `${qualified(resource)} ${goQuote(name)} is forbidden: ${why}`, { details });
}

export function notFound(resource: ResourceName, name: string): StatusError {
  return new StatusError(404, "NotFound", `${qualified(resource)} ${goQuote(name)} not found`, {
    details: detailsOf(resource, name),
  });
}

/** The path leads nowhere. */
export function noSuchPath(): StatusError {
  return new StatusError(404, "NotFound", "the server could not find the requested resource", { details: {} });
}

export function alreadyExists(resource: ResourceName, name: string): StatusError {
  return new StatusError(409, "AlreadyExists", `${qualified(resource)} ${goQuote(name)} already exists`, {
    details: detailsOf(resource, name),
  });
}

export function conflict(resource: ResourceName, name: string, why: string): StatusError {
  const text = `Operation cannot be fulfilled on ${qualified(resource)} ${goQuote(name)}: ${why}`;
  return new StatusError(409, "Conflict", text, { details: detailsOf(resource, name) });
}

export const modified = "the object has been modified; please apply your changes to the latest version and try again";

export function invalid({ group, kind }: KindName, name: string, errors: readonly FieldError[]): StatusError {
  const lines = errors.map((error) => `${error.field}: ${error.message}`);
  const all = lines.length === 1 ? lines[0] : `[${[...new Set(lines)].join(", ")}]`;
  const what = `${group === "" ? kind : `${kind}.${group}`} ${goQuote(name)} is invalid`;
  return new StatusError(422, "Invalid", errors.length === 0 ? what : `${what}: ${all}`, {
    details: {
      ...(name === "" ? {} : { name }),
      ...(group === "" ? {} : { group }),
      ...(kind === "" ? {} : { kind }),
      causes: errors.map(({ type, message, field }) => ({ reason: type, message, field })),
    },
  });
}

export function methodNotAllowed(resource: ResourceName, action: string): StatusError {
  const text = `${action} is not supported on resources of kind "${qualified(resource)}"`;
  return new StatusError(405, "MethodNotAllowed", text, { details: detailsOf(resource, "") });
}

/** The path is known, but not with this method. */
export function noSuchMethod(): StatusError {
  return new StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {
    details: {},
  });
}

export function expired(text: string, continueToken?: string): StatusError {
  return new StatusError(410, "Expired", text, continueToken === undefined ? {} : { continueToken });
}

export function tooLarge(limitBytes: number): StatusError {
  return new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limitBytes}`);
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const text = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`;
  return new StatusError(415, "UnsupportedMediaType", text);
}

export function notAcceptable(accepted: readonly string[]): StatusError {
  return new StatusError(406, "NotAcceptable", `only the following media types are accepted: ${accepted.join(", ")}`);
}

export function internalError(text: string): StatusError {
  return new StatusError(500, "InternalError", `Internal error occurred: ${text}`, {
    details: { causes: [{ message: text }] },
  });
}

export function tooLargeResourceVersion(asked: string, current: number): StatusError {
  return new StatusError(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    details: {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
  });
}
