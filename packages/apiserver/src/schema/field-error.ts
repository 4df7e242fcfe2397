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
 * One complaint about one field. `message` is the part after the path (`Invalid value: 0: spec.cpu in body should be …`); a Status
 * prints `<field>: <message>`, and its `details.causes` carry `{ reason: type, field, message }`.
 */
export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  readonly message: string;
}
