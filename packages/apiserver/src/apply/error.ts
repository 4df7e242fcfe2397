import { CodedError } from "@almanac/core";

/** `invalid`: the applied configuration does not fit the schema, e.g. two list entries with one key. */
export type ApplyErrorCode = "invalid";

/** An applied configuration that cannot be merged. The message names the field. */
export class ApplyError extends CodedError<ApplyErrorCode> {}
