import { readFileSync, statSync } from "node:fs";
import { CliError } from "./error.ts";

/** Gives the address to dial for a Provider (`namespace/name`), or undefined to dial its Service. */
export type EndpointLookup = (provider: string) => string | undefined;

const endpoint = /^([a-z0-9.-]+\/[a-z0-9.-]+)=([^=\s]+:\d{1,5})$/;

/**
 * Flags win over the file. The file is a JSON object of `namespace/name` to `host:port`; it is read again when it has changed, may
 * appear later, and keeps its last good content while it is broken. Throws a usage error for a flag that is not
 * `namespace/name=host:port`.
 */
export function endpointLookup(flags: readonly string[], file: string | undefined): EndpointLookup {
  const fixed = new Map<string, string>();
  for (const flag of flags) {
    const match = endpoint.exec(flag);
    if (!match) {
      throw new CliError(
        "usage",
        `--provider-endpoint: "${flag}" is not NAMESPACE/NAME=HOST:PORT, e.g. default/lab=127.0.0.1:9443`,
      );
    }
    fixed.set(match[1]!, match[2]!);
  }
  let seen = "";
  let content: Readonly<Record<string, string>> = {};

  function refresh(path: string): void {
    const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
    const state = stat === undefined ? "" : `${stat.mtimeNs} ${stat.ino} ${stat.size}`;
    if (state === seen) return;
    seen = state;
    if (stat === undefined) {
      content = {};
      return;
    }
    try {
      content = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
    } catch {
      // Being written right now: the next look sees another modification time.
    }
  }

  return (provider) => {
    if (file !== undefined) refresh(file);
    const address = fixed.get(provider) ?? content[provider];
    return typeof address === "string" ? address : undefined;
  };
}
