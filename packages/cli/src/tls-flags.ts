import { CliError } from "./error.ts";
import type { TlsFlags } from "./program.ts";

/** The three files of mutual TLS. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/**
 * The files, or `"insecure"` when that was asked for in so many words. Throws a usage error naming the flags that are missing: a
 * plaintext connection is never a fallback.
 */
export function tlsFromFlags(flags: TlsFlags, insecure: boolean | string | undefined): TlsFiles | "insecure" {
  const asked = insecure === true || insecure === "true" || insecure === "1";
  const { tlsCertFile, tlsKeyFile, tlsCaFile } = flags;
  if (tlsCertFile !== undefined && tlsKeyFile !== undefined && tlsCaFile !== undefined) {
    if (asked) throw new CliError("usage", "--tls-insecure and TLS files exclude one another; give one of the two");
    return { certFile: tlsCertFile, keyFile: tlsKeyFile, caFile: tlsCaFile };
  }
  if (asked) return "insecure";
  const missing = [
    tlsCertFile === undefined ? "--tls-cert-file" : "",
    tlsKeyFile === undefined ? "--tls-key-file" : "",
    tlsCaFile === undefined ? "--tls-ca-file" : "",
  ].filter((name) => name !== "");
  throw new CliError("usage", `${missing.join(", ")} missing; give all three files, or ask for plaintext explicitly`);
}
