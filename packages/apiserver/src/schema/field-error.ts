import { goJson, goNumber, goQuote, goStruct } from "./go-format.ts";
import type { Json } from "./json.ts";

/** Reasons of the causes in a Status with reason Invalid, as apimachinery's `field.ErrorType` spells them. */
export type FieldErrorType =
  | "FieldValueInvalid"
  | "FieldValueRequired"
  | "FieldValueNotSupported"
  | "FieldValueDuplicate"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueForbidden"
  | "FieldValueTypeInvalid";

/**
 * One complaint about one field. `message` is the part after the path (`Invalid value: 0: spec.cpu in body should be …`): a Status
 * prints `<field>: <message>`, and its `details.causes` carry `{ reason: type, field, message }`.
 *
 * Printed as `k8s.io/apimachinery/pkg/util/validation/field` prints it. A complaint that belongs to no single field (oneOf, anyOf,
 * allOf, not) has the field `<nil>`, as there.
 */
export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  readonly message: string;
}

/** A complaint about `value`. */
export function invalid(field: string, value: Json, detail: string): FieldError {
  return { type: "FieldValueInvalid", field, message: `Invalid value: ${printed(value)}: ${detail}` };
}

/** A complaint about a value that is a struct (or a list of them) in the server, with its fields in the order of the struct. */
export function invalidStruct(field: string, value: Json, detail: string): FieldError {
  return { type: "FieldValueInvalid", field, message: `Invalid value: ${goStruct(value)}: ${detail}` };
}

/** A value of another type than the schema's; printed like `invalid`, with another reason. */
export function typeInvalid(field: string, value: Json, detail: string): FieldError {
  return { type: "FieldValueTypeInvalid", field, message: `Invalid value: ${printed(value)}: ${detail}` };
}

/** A missing value. */
export function required(field: string, detail = ""): FieldError {
  return { type: "FieldValueRequired", field, message: withDetail("Required value", detail) };
}

/** A value that may not be set here. */
export function forbidden(field: string, detail: string): FieldError {
  return { type: "FieldValueForbidden", field, message: withDetail("Forbidden", detail) };
}

/** A value outside an enumeration. */
export function notSupported(field: string, value: Json, supported: readonly string[]): FieldError {
  const detail = supported.length === 0 ? "" : `supported values: ${supported.map(goQuote).join(", ")}`;
  return {
    type: "FieldValueNotSupported",
    field,
    message: withDetail(`Unsupported value: ${printed(value)}`, detail),
  };
}

/** A second value where values are unique. */
export function duplicate(field: string, value: Json): FieldError {
  return { type: "FieldValueDuplicate", field, message: `Duplicate value: ${printed(value)}` };
}

/** A text that is too long. The server says bytes, although the limit counts characters. */
export function tooLong(field: string, limit: number): FieldError {
  const unit = limit === 1 ? "byte" : "bytes";
  return { type: "FieldValueTooLong", field, message: `Too long: may not be more than ${limit} ${unit}` };
}

/** Too many items or members. */
export function tooMany(field: string, actual: number, limit: number): FieldError {
  const unit = limit === 1 ? "item" : "items";
  return { type: "FieldValueTooMany", field, message: `Too many: ${actual}: must have at most ${limit} ${unit}` };
}

function withDetail(text: string, detail: string): string {
  return detail === "" ? text : `${text}: ${detail}`;
}

function printed(value: Json): string {
  if (typeof value === "string") return goQuote(value);
  return typeof value === "number" ? goNumber(value) : goJson(value);
}
