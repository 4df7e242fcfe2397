import { readFile } from "node:fs/promises";
import { systemClock, type Clock } from "@almanac/core";
import type { Credentials, KubeAuth } from "./connection.ts";
import { KubeError } from "./error.ts";

interface FileAuthOptions {
  readonly tokenFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** What does not come from a file. */
  readonly fixed?: Credentials;
  readonly clock?: Clock;
  /** Age at which files are read again. Default: 60,000, as client-go does for projected service account tokens. */
  readonly maxAgeMs?: number;
}

/** Credentials from files that others renew: read again when they are old, and at once when the server refused them. */
export function fileAuth(options: FileAuthOptions): KubeAuth {
  const { clock = systemClock, maxAgeMs = 60_000 } = options;
  let cached: { readonly value: Credentials; readonly readAt: number } | undefined;
  return {
    async credentials({ refresh }) {
      if (cached !== undefined && !refresh && clock.monotonic() - cached.readAt < maxAgeMs) return cached.value;
      try {
        const [token, cert, key] = await Promise.all([
          read(options.tokenFile),
          read(options.certFile),
          read(options.keyFile),
        ]);
        if (token === "") throw new KubeError("unauthorized", `token file ${options.tokenFile} is empty`);
        cached = {
          value: {
            ...options.fixed,
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
          },
          readAt: clock.monotonic(),
        };
      } catch (error) {
        // A file being replaced is missing for a moment; what was read before may well still be accepted.
        if (cached !== undefined && !refresh) return cached.value;
        throw error instanceof KubeError
          ? error
          : new KubeError("unauthorized", "a credential file cannot be read", { cause: error });
      }
      return cached.value;
    },
  };
}

async function read(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : (await readFile(file, "utf8")).trim();
}
