/** Outcome of a reconcile: see the catalog's closed set. */
export type ReconcileOutcome = "success" | "failure" | "error";

/** What a reconcile returns. Made by `done`, `again`, `terminal` and `failure`; throwing means: try again with back-off, outcome `error`. */
export type Result =
  | { readonly type: "done" }
  | { readonly type: "again"; readonly afterMs: number }
  | { readonly type: "terminal"; readonly error: unknown }
  | { readonly type: "failure"; readonly error: unknown; readonly afterMs: number | undefined };

/** The work is done; nothing more until something changes. Outcome `success`. */
export function done(): Result {
  return { type: "done" };
}

/** Healthy; look again after `afterMs`. Outcome `success`. */
export function again(afterMs: number): Result {
  return { type: "again", afterMs };
}

/** Refused or failed for a reason that retrying alone does not change; no retry until something changes. Outcome `failure`. */
export function terminal(error: unknown): Result {
  return { type: "terminal", error };
}

/** As `terminal`, but looked at again: after `afterMs`, or with the growing back-off when it is missing. Outcome `failure`. */
export function failure(error: unknown, options: { readonly afterMs?: number } = {}): Result {
  return { type: "failure", error, afterMs: options.afterMs };
}
