import { CodedError, describeError } from "@almanac/core";

/** `usage`: the command line or a file it names is wrong (exit code 2). `failed`: the work itself failed (exit code 1). */
export type CliErrorCode = "usage" | "failed";

/** An error whose message is all that the user should see: one line that names the flag or file, the value and the remedy. */
export class CliError extends CodedError<CliErrorCode> {
  /** Exit code 2 for mistakes in what the user typed, 1 for everything else. */
  get exitCode(): 1 | 2 {
    return this.code === "usage" ? 2 : 1;
  }

  /** Errors of lower floors about options, files and ports are the user's to mend; anything else failed on its own. */
  static from(thrown: unknown): CliError {
    if (thrown instanceof CliError) return thrown;
    const code = thrown instanceof CodedError ? (thrown.code as string) : "";
    const message = describeError(thrown);
    const usage =
      usageCodes.has(code) ||
      isNodeError(thrown, ["ENOENT", "EACCES", "EISDIR", "EADDRINUSE", "ENOTDIR", "EEXIST"]) ||
      // gRPC wraps the errno of its listener in text.
      message.includes("EADDRINUSE");
    return new CliError(usage ? "usage" : "failed", message, { cause: thrown });
  }
}

const usageCodes = new Set([
  "address_in_use",
  "listen_failed",
  "invalid_options",
  "invalid_option",
  "invalid_config",
  "config_not_found",
  "invalid_environment",
  "invalid_web_config",
  "tls_file_unreadable",
]);

function isNodeError(thrown: unknown, codes: readonly string[]): boolean {
  return thrown instanceof Error && "code" in thrown && codes.includes(thrown.code as string);
}
