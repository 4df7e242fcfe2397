/**
 * What went wrong with a peer. Codes are API, messages are not.
 *
 * - `missing`: the binary is not in the cache; run the set-up.
 * - `wrong`: the binary in the cache cannot be run or is another version; the message names the remedy.
 * - `prerequisite`: a tool the set-up needs is absent or too old; the message names the remedy.
 * - `build_failed`: a build or unpack step failed; the message ends with the last lines of its output.
 * - `invalid_options`: the caller's options contradict each other.
 * - `exited`: a started peer ended before it was ready.
 * - `not_ready`: a started peer did not answer before its deadline.
 * - `aborted`: the caller's signal fired.
 */
export type PeerErrorCode =
  "missing" | "wrong" | "prerequisite" | "build_failed" | "invalid_options" | "exited" | "not_ready" | "aborted";

/** The one error class of this folder. */
export class PeerError extends Error {
  readonly code: PeerErrorCode;

  constructor(code: PeerErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.name = "PeerError";
    this.code = code;
  }

  /** Turns anything thrown into a `PeerError`; an abort becomes `aborted`, the rest `build_failed`. */
  static from(thrown: unknown): PeerError {
    if (thrown instanceof PeerError) return thrown;
    if (thrown instanceof Error && thrown.name === "AbortError") {
      return new PeerError("aborted", thrown.message, { cause: thrown });
    }
    return new PeerError("build_failed", thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
  }
}
