import { CodedError, describeError } from "@almanac/core";

/**
 * - `invalid_options`: an option is out of range; the message names it, its value and the remedy.
 * - `address_in_use`: host and port of the endpoint are taken by another process.
 * - `listen_failed`: the endpoint could not be bound for another reason (no permission, no such address).
 * - `not_registered`: the reader was asked for a page before a MeterProvider got it, or after its shutdown.
 * - `collection_failed`: nothing at all could be collected, so there is no page.
 * - `conflicting_family`: two instruments claim the same exposed name with different types; the later one is left out.
 * - `invalid_value`: a counter is negative or no number, or a histogram's count is not its buckets'; that series is left out.
 * - `duplicate_check`: a health check of that name exists already.
 * - `invalid_page`: a page that was to be parsed breaks the rules of its format; `position` says where.
 * - `invalid_web_config`: the file with TLS and access settings cannot be read or used; the message names the field and the remedy.
 * - `too_busy`: as many pages are being rendered as may be at once; ask again later.
 * - `too_late`: the page could not be ready within the time the scraper waits.
 */
export type ExpositionErrorCode =
  | "invalid_options"
  | "address_in_use"
  | "listen_failed"
  | "not_registered"
  | "collection_failed"
  | "conflicting_family"
  | "invalid_value"
  | "duplicate_check"
  | "invalid_page"
  | "invalid_web_config"
  | "too_busy"
  | "too_late";

/** Where a page is wrong: in text line and column in characters (UTF-16 code units), both from 1; in protobuf the byte, from 0. */
export type PagePosition =
  | { readonly line: number; readonly column: number; readonly offset?: never }
  | { readonly offset: number; readonly line?: never; readonly column?: never };

export class ExpositionError extends CodedError<ExpositionErrorCode> {
  /** Set on `invalid_page` only. */
  readonly position: PagePosition | undefined;

  constructor(
    code: ExpositionErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly position?: PagePosition } = {},
  ) {
    super(code, message, "cause" in options ? { cause: options.cause } : undefined);
    this.position = options.position;
  }

  /** A broken page; the message begins with the place. */
  static invalidPage(position: PagePosition, message: string): ExpositionError {
    const place =
      position.offset === undefined ? `line ${position.line}, column ${position.column}` : `byte ${position.offset}`;
    return new ExpositionError("invalid_page", `${place}: ${message}`, { position });
  }

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
