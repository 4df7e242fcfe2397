import { CodedError } from "@almanac/core";

export type SchemaErrorCode = "not_structural";

/** One broken rule of structural schemas: the path as the API server prints it, and `<Kind of error>: <detail>`. */
export interface SchemaViolation {
  readonly field: string;
  readonly message: string;
}

/** A schema that is not structural. Its message lists every violation. */
export class SchemaError extends CodedError<SchemaErrorCode> {
  readonly violations: readonly SchemaViolation[];

  constructor(violations: readonly SchemaViolation[]) {
    super("not_structural", violations.map(({ field, message }) => `${field}: ${message}`).join("\n"));
    this.violations = violations;
  }
}
