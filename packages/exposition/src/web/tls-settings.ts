import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions, type SecureVersion } from "node:tls";
import { shown, type Fields } from "./fields.ts";

/** What the endpoint asks of clients' certificates. */
export interface ClientAuth {
  /** Whether a client is asked for one, has to have one, and it has to chain to `client_ca`. */
  readonly request: boolean;
  readonly require: boolean;
  readonly verify: boolean;
  /** DNS names, e-mail or IP addresses or URIs, of which a certificate has to have one. `undefined`: any will do. */
  readonly allowedSans: readonly string[] | undefined;
}

export interface TlsSettings {
  readonly context: SecureContextOptions;
  readonly clientAuth: ClientAuth;
}

const versions: Readonly<Record<string, SecureVersion>> = { TLS12: "TLSv1.2", TLS13: "TLSv1.3" };

const clientAuths: Readonly<Record<string, Omit<ClientAuth, "allowedSans">>> = {
  NoClientCert: { request: false, require: false, verify: false },
  RequestClientCert: { request: true, require: false, verify: false },
  RequireAnyClientCert: { request: true, require: true, verify: false },
  RequireClientCert: { request: true, require: true, verify: false },
  VerifyClientCertIfGiven: { request: true, require: false, verify: true },
  RequireAndVerifyClientCert: { request: true, require: true, verify: true },
};

/**
 * Go's names, which the file format has, of what is not insecure. Those of TLS 1.3 may be named, but there is no choice among them: a list
 * of nothing else leaves no suite for TLS 1.2, as in Go.
 */
const cipherSuites: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256",
  TLS_AES_256_GCM_SHA384: "TLS_AES_256_GCM_SHA384",
  TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
};

const curves: Readonly<Record<string, string>> = {
  CurveP256: "P-256",
  CurveP384: "P-384",
  CurveP521: "P-521",
  X25519: "X25519",
  X25519MLKEM768: "X25519MLKEM768",
};

/** OpenSSL's own order for TLS 1.3, without which Node would offer no suite of that version next to chosen older ones. */
const tls13Suites = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"];

/**
 * The section `tls_server_config`; `undefined` where it is missing or empty. `read` gives the content of a file that the section names.
 * TLS 1.0 and 1.1, which the format knows, are refused.
 */
export async function readTlsSettings(
  fields: Fields,
  read: (field: string, path: string) => Promise<string>,
): Promise<TlsSettings | undefined> {
  const either = async (inline: string, file: string): Promise<string | undefined> => {
    const path = fields.text(file);
    const text = fields.text(inline);
    if (path !== undefined && text !== undefined)
      throw fields.error(inline, `and ${file} are both there; leave one out`);
    return path === undefined ? text : read(file, path);
  };
  const cert = await either("cert", "cert_file");
  const key = await either("key", "key_file");
  const ca = await either("client_ca", "client_ca_file");
  const auth = fields.text("client_auth_type");
  const allowedSans = fields.texts("client_allowed_sans");
  const minVersion = choice(fields, "min_version", versions) ?? "TLSv1.2";
  const maxVersion = choice(fields, "max_version", versions) ?? "TLSv1.3";
  const ciphers = choices(fields, "cipher_suites", cipherSuites);
  const ecdhCurve = choices(fields, "curve_preferences", curves);
  const honorCipherOrder = fields.boolean("prefer_server_cipher_suites") ?? true;
  fields.end();
  if (cert === undefined && key === undefined && ca === undefined && auth === undefined) return undefined;
  if (cert === undefined) throw fields.error("cert_file", "is missing; TLS needs a certificate");
  if (key === undefined) throw fields.error("key_file", "is missing; TLS needs the certificate's key");
  const clientAuth = clientAuths[auth ?? "NoClientCert"];
  if (clientAuth === undefined) {
    throw fields.error(
      "client_auth_type",
      `has to be one of ${Object.keys(clientAuths).join(", ")}, not ${shown(auth)}`,
    );
  }
  if (ca !== undefined && !clientAuth.request) {
    const message = "has no effect without client_auth_type; RequireAndVerifyClientCert lets in whom it has signed";
    throw fields.error("client_ca_file", message);
  }
  if (ca === undefined && clientAuth.verify) throw fields.error("client_ca_file", `is missing; ${auth} needs it`);
  if (allowedSans !== undefined && !clientAuth.require) {
    throw fields.error("client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert");
  }
  if (minVersion > maxVersion)
    throw fields.error("min_version", `(${minVersion}) is above max_version (${maxVersion}); lower it`);
  const context: SecureContextOptions = { cert, key, minVersion, maxVersion, honorCipherOrder };
  if (ca !== undefined) context.ca = ca;
  if (ciphers !== undefined)
    context.ciphers = [...tls13Suites, ...ciphers.filter((suite) => !tls13Suites.includes(suite))].join(":");
  if (ecdhCurve !== undefined) context.ecdhCurve = ecdhCurve.join(":");
  check(fields, context, { cert, key, ca });
  return { context, clientAuth: { ...clientAuth, allowedSans } };
}

function choice<T>(fields: Fields, name: string, known: Readonly<Record<string, T>>): T | undefined {
  const text = fields.text(name);
  if (text === undefined) return undefined;
  const value = Object.hasOwn(known, text) ? known[text] : undefined;
  if (value === undefined)
    throw fields.error(name, `has to be one of ${Object.keys(known).join(", ")}, not ${shown(text)}`);
  return value;
}

function choices(fields: Fields, name: string, known: Readonly<Record<string, string>>): string[] | undefined {
  return fields.texts(name)?.map((text) => {
    const value = Object.hasOwn(known, text) ? known[text] : undefined;
    if (value === undefined)
      throw fields.error(name, `takes ${Object.keys(known).join(", ")} only, not ${shown(text)}`);
    return value;
  });
}

interface Pems {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

/** Nothing of the key's text gets into an error. */
function check(fields: Fields, context: SecureContextOptions, { cert, key, ca }: Pems): void {
  const usable = <T>(name: string, run: () => T): T => {
    try {
      return run();
    } catch {
      throw fields.error(name, "holds nothing usable in PEM");
    }
  };
  const certificate = usable("cert_file", () => new X509Certificate(cert));
  const privateKey = usable("key_file", () => createPrivateKey(key));
  if (ca !== undefined) usable("client_ca_file", () => new X509Certificate(ca));
  if (!certificate.checkPrivateKey(privateKey)) throw fields.error("key_file", "is not the key of cert_file");
  usable("cert_file", () => createSecureContext(context));
}
