import { ControllerError } from "./error.ts";
import type { Outcome } from "@almanac/catalog";
import type { Priority } from "./work-queue.ts";

/** `success`: done, or healthy and looked at again. `failure`: refused for a reason that retrying does not change. `error`: could not be done. */
export type ReconcileOutcome = Exclude<Outcome, "other">;

/** What a reconcile returns. Made by `done`, `again`, `terminal` and `failure`; throwing means: try again with back-off and the same priority, outcome `error`. */
export type Result =
  | { readonly type: "done" }
  | { readonly type: "again"; readonly afterMs: number; readonly priority?: Priority }
  | { readonly type: "terminal"; readonly error: unknown }
  | { readonly type: "failure"; readonly error: unknown; readonly afterMs: number | undefined };

/** Of what a reconcile returned, or of what it threw. */
export function outcomeOf(result: Result | { readonly type: "thrown" }): ReconcileOutcome {
  switch (result.type) {
    case "done":
    case "again":
      return "success";
    case "terminal":
    case "failure":
      return "failure";
    case "thrown":
      return "error";
  }
}

/** The work is done; nothing more until something changes. Outcome `success`. */
export function done(): Result {
  return { type: "done" };
}

/**
 * Healthy; look again after `afterMs`, whoever asked for this look: behind what someone changed with priority `low`, otherwise like a change.
 * Outcome `success`. Throws `invalid_options` for what is no time.
 */
export function again(afterMs: number, options: { readonly priority?: Priority } = {}): Result {
  return { type: "again", afterMs: delay(afterMs), ...options };
}

/** Refused or failed for a reason that retrying alone does not change; no retry until something changes. Outcome `failure`. */
export function terminal(error: unknown): Result {
  return { type: "terminal", error };
}

/**
 * As `terminal`, but looked at again with the priority of this try: after `afterMs`, or with the growing back-off when it is missing. Outcome
 * `failure`.
 */
export function failure(error: unknown, options: { readonly afterMs?: number } = {}): Result {
  return { type: "failure", error, afterMs: options.afterMs === undefined ? undefined : delay(options.afterMs) };
}

function delay(afterMs: number): number {
  // NaN would be ready at once, for ever.
  if (!(afterMs >= 0))
    throw new ControllerError("invalid_options", `afterMs must be a time in milliseconds, got ${afterMs}`);
  return afterMs;
}
