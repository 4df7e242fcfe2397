import { CodedError } from "@almanac/core";

/** `invalid`: the patch is malformed or does not fit the target. `test_failed`: a JSON patch's test operation did not hold. */
export type PatchErrorCode = "invalid" | "test_failed";

/** A patch that could not be applied. The message names the path. */
export class PatchError extends CodedError<PatchErrorCode> {}
