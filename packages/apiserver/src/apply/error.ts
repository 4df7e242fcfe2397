import { CodedError } from "@almanac/core";

/** `invalid`: the applied configuration does not fit the schema, e.g. a field it does not declare or two items with one key. */
export type ApplyErrorCode = "invalid";

/** An applied configuration that cannot be merged. The message names every field at fault. */
export class ApplyError extends CodedError<ApplyErrorCode> {}
