export { applyServerSide } from "./apply.ts";
export { ApplyError } from "./error.ts";
export { builtinSchema } from "./builtin-schemas.ts";
export { checkApplied } from "./check.ts";
export { trackUpdate } from "./track-update.ts";
export type { ApplyConflict, ApplyOptions, ApplyResult } from "./apply.ts";
export type { ApplyErrorCode } from "./error.ts";
export type { BuiltinSchema } from "./builtin-schemas.ts";
export type { TrackUpdateOptions } from "./track-update.ts";
