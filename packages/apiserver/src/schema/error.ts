import { CodedError } from "@almanac/core";
import type { FieldError } from "./field-error.ts";

/** `not_structural`: the schema breaks rules of apiextensions/v1. */
export type SchemaErrorCode = "not_structural";

/** A schema that is not structural. Its message lists every violation, one a line. */
export class SchemaError extends CodedError<SchemaErrorCode> {
  readonly violations: readonly FieldError[];

  constructor(violations: readonly FieldError[]) {
    super("not_structural", violations.map(({ field, message }) => `${field}: ${message}`).join("\n"));
    this.violations = violations;
  }
}
