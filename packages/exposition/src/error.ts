import { CodedError, describeError } from "@almanac/core";

/**
 * - `invalid_options`: an option is out of range; the message names it, its value and the remedy.
 * - `address_in_use`: host and port of the endpoint are taken by another process.
 * - `listen_failed`: the endpoint could not be bound for another reason (no permission, no such address).
 * - `not_registered`: the reader was asked for a page before a MeterProvider got it, or after its shutdown.
 * - `collection_failed`: nothing at all could be collected, so there is no page.
 * - `conflicting_family`: two instruments claim the same exposed name with different types; the later one is left out.
 * - `invalid_value`: a counter is negative or no number; that series is left out.
 * - `duplicate_check`: a health check of that name exists already.
 */
export type ExpositionErrorCode =
  | "invalid_options"
  | "address_in_use"
  | "listen_failed"
  | "not_registered"
  | "collection_failed"
  | "conflicting_family"
  | "invalid_value"
  | "duplicate_check";

export class ExpositionError extends CodedError<ExpositionErrorCode> {
  /** Translates what a failed collection threw; an error of ours stays itself. */
  static from(thrown: unknown): ExpositionError {
    if (thrown instanceof ExpositionError) return thrown;
    return new ExpositionError("collection_failed", describeError(thrown) || "the collection failed", {
      cause: thrown,
    });
  }

  /** Translates what `listen()` failed with. */
  static fromListen(thrown: unknown, host: string, port: number): ExpositionError {
    const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    if (code === "EADDRINUSE") {
      const message = `${address} is in use by another process; stop it or choose another port (0 picks a free one)`;
      return new ExpositionError("address_in_use", message, { cause: thrown });
    }
    return new ExpositionError("listen_failed", `cannot listen on ${address}: ${describeError(thrown)}`, {
      cause: thrown,
    });
  }
}
