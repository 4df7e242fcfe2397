import { CodedError } from "@almanac/core";

/** `invalid_view`: a view that cannot do what it says. `invalid_options`: an option of the provider out of its range. */
export type MetricsErrorCode = "invalid_view" | "invalid_options";

/** What creating a meter provider throws. Recording never throws. */
export class MetricsError extends CodedError<MetricsErrorCode> {}
