import type { FieldError, Json } from "../schema/index.ts";

export function required(field: string, detail = ""): FieldError {
  return { type: "FieldValueRequired", field, message: detail === "" ? "Required value" : `Required value: ${detail}` };
}

export function invalidValue(field: string, value: Json | undefined, detail: string): FieldError {
  return {
    type: "FieldValueInvalid",
    field,
    message: `Invalid value: ${value === undefined ? "null" : JSON.stringify(value)}: ${detail}`,
  };
}

export function notSupported(field: string, value: Json | undefined, allowed: readonly string[]): FieldError {
  const list = allowed.map((one) => `"${one}"`).join(", ");
  return {
    type: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${JSON.stringify(value ?? "")}: supported values: ${list}`,
  };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { type: "FieldValueForbidden", field, message: `Forbidden: ${detail}` };
}

export function tooLong(field: string, maximum: number): FieldError {
  return { type: "FieldValueTooLong", field, message: `Too long: may not be more than ${maximum} bytes` };
}
