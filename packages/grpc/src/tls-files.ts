import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { SecureContextOptions } from "node:tls";
import { describeError, silentLogger, systemClock } from "@almanac/core";
import type { Clock, Logger, Timer } from "@almanac/core";
import { GrpcError } from "./grpc-error.ts";

/** Paths of PEM files, as cert-manager and `kubectl create secret tls` lay them out (`tls.crt`, `tls.key`, `ca.crt`). */
export interface TlsFiles {
  /** Own certificate, followed by its intermediates. */
  readonly certFile: string;
  /** Private key of `certFile`. */
  readonly keyFile: string;
  /** Certificates the peer's must chain to. */
  readonly caFile: string;
}

export interface ReloadOptions {
  /** Told of reloads and of new files that cannot be used. Default: nobody. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** How often the files are looked at, in milliseconds. Default 10 s. */
  readonly reloadIntervalMs?: number;
}

/** What both ends build their secure contexts from: TLS 1.3 only. */
type TlsMaterial = Required<Pick<SecureContextOptions, "cert" | "key" | "ca" | "minVersion">>;

type Contents = Readonly<Record<keyof TlsFiles, Buffer>>;

const fields = ["certFile", "keyFile", "caFile"] as const;

/** TLS files that were read and checked. */
export interface TlsSource extends Disposable {
  /** The last files that could be used. */
  readonly material: TlsMaterial;
  /**
   * From now on compares the contents every `reloadIntervalMs`, which sees renames and Kubernetes' swapped `..data` link alike.
   * `onChange` gets what is new and valid; unusable files are logged once and leave everything as it is. At most once per source.
   */
  watch(onChange: (material: TlsMaterial) => void): void;
}

/**
 * Reads and checks the files. Throws one GrpcError (`invalid_options`, `tls_file_unreadable`, `tls_file_invalid`) that names every
 * offending field and path.
 */
export function openTlsFiles(files: TlsFiles, options: ReloadOptions): TlsSource {
  const { logger = silentLogger, clock = systemClock, reloadIntervalMs = 10_000 } = options;
  if (!(reloadIntervalMs > 0)) {
    throw new GrpcError("invalid_options", `reloadIntervalMs must be positive, got ${reloadIntervalMs}`);
  }
  const missing = fields.filter((field) => typeof files[field] !== "string" || files[field] === "");
  if (missing.length > 0) {
    throw new GrpcError(
      "invalid_options",
      `${missing.join(", ")} of the TLS options must be given: paths of PEM files`,
    );
  }

  const first = collect(fields.map((field) => readNow(files, field)));
  let material = check(files, first);
  let current = fingerprint(first);
  let refused = "";
  let timer: Timer | undefined;
  let disposed = false;

  function schedule(onChange: (material: TlsMaterial) => void): void {
    timer = clock.setTimeout(() => void reload(onChange), reloadIntervalMs, { keepAlive: false });
  }

  async function reload(onChange: (material: TlsMaterial) => void): Promise<void> {
    try {
      const contents = collect(await Promise.all(fields.map((field) => readLater(files, field))));
      const seen = fingerprint(contents);
      if (!disposed && seen !== current) {
        material = check(files, contents);
        current = seen;
        onChange(material);
        const { validTo, subjectAltName } = new X509Certificate(contents.certFile);
        logger.info("TLS files reloaded", { certFile: files.certFile, validTo, subjectAltName });
      }
      refused = "";
    } catch (error) {
      const reason = describeError(error);
      if (reason !== refused) logger.error("New TLS files cannot be used, the old ones stay in use", { error: reason });
      refused = reason;
    }
    if (!disposed) schedule(onChange);
  }

  return {
    get material() {
      return material;
    },
    watch: schedule,
    [Symbol.dispose]() {
      disposed = true;
      timer?.cancel();
      timer = undefined;
    },
  };
}

type Attempt = { readonly field: keyof TlsFiles; readonly contents: Buffer } | { readonly problem: string };

function unreadable(files: TlsFiles, field: keyof TlsFiles, error: unknown): Attempt {
  return { problem: `${field} ${files[field]} cannot be read (${describeError(error)})` };
}

function readNow(files: TlsFiles, field: keyof TlsFiles): Attempt {
  try {
    return { field, contents: readFileSync(files[field]) };
  } catch (error) {
    return unreadable(files, field, error);
  }
}

async function readLater(files: TlsFiles, field: keyof TlsFiles): Promise<Attempt> {
  try {
    return { field, contents: await readFile(files[field]) };
  } catch (error) {
    return unreadable(files, field, error);
  }
}

function collect(attempts: readonly Attempt[]): Contents {
  const problems = attempts.flatMap((result) => ("problem" in result ? [result.problem] : []));
  if (problems.length > 0) {
    throw new GrpcError(
      "tls_file_unreadable",
      `${problems.join("; ")}. Mount the secret, or ask for "insecure" explicitly`,
    );
  }
  return Object.fromEntries(
    attempts.flatMap((result) => ("field" in result ? [[result.field, result.contents]] : [])),
  ) as Contents;
}

/** The material of files that fit together. Nothing of the key's text gets into an error. */
function check(files: TlsFiles, contents: Contents): TlsMaterial {
  const certificate = parse(files, "certFile", () => new X509Certificate(contents.certFile));
  const key = parse(files, "keyFile", () => createPrivateKey(contents.keyFile));
  // OpenSSL skips a CA file without certificates silently, and every peer would be refused.
  parse(files, "caFile", () => new X509Certificate(contents.caFile));
  if (!certificate.checkPrivateKey(key)) {
    throw new GrpcError("tls_file_invalid", `keyFile ${files.keyFile} is not the key of certFile ${files.certFile}`);
  }
  const material: TlsMaterial = {
    cert: contents.certFile,
    key: contents.keyFile,
    ca: contents.caFile,
    minVersion: "TLSv1.3",
  };
  parse(files, "certFile", () => createSecureContext(material));
  return material;
}

function parse<T>(files: TlsFiles, field: keyof TlsFiles, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw new GrpcError("tls_file_invalid", `${field} ${files[field]} holds no usable PEM`, { cause });
  }
}

function fingerprint(contents: Contents): string {
  const hash = createHash("sha256");
  for (const field of fields) hash.update(`${contents[field].length}:`).update(contents[field]);
  return hash.digest("base64");
}
