import { CodedError } from "@almanac/core";

/**
 * `invalid_view`: a view that cannot do what it says. `invalid_options`: an option of the provider out of its range. `callback_running`: an
 * observable callback that was left out of a collection, since it has not ended since an earlier one.
 */
export type MetricsErrorCode = "invalid_view" | "invalid_options" | "callback_running";

/** What creating a meter provider throws, and what a collection names among its errors. Recording never throws. */
export class MetricsError extends CodedError<MetricsErrorCode> {}
