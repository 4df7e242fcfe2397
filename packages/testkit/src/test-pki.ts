import "./reflect-shim.ts";
import type { webcrypto } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

export interface TestCertificateOptions {
  /** Subject. Default: `test`. */
  readonly commonName?: string;
  /** Subject alternative names: IP addresses, URIs (with `://`) or DNS names. Default: `localhost` and `127.0.0.1`. */
  readonly sans?: readonly string[];
  /** Default: an hour ago. */
  readonly notBefore?: Date;
  /** Default: in a day. */
  readonly notAfter?: Date;
}

/** A certificate for both ends of a connection, PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  /** The issuing authority's certificate. */
  readonly ca: string;
}

/** Where a certificate was written, under the names Kubernetes' TLS secrets use. */
export interface TestCertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

export interface TestPki {
  /** The authority's certificate, PEM. */
  readonly ca: string;
  /** A new key and a certificate for it. */
  issue(options?: TestCertificateOptions): Promise<TestCertificate>;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const hourMs = 3_600_000;

/** A certificate authority that exists in memory only. Two calls give two authorities that do not trust each other. */
export async function createTestPki(commonName = "Test CA"): Promise<TestPki> {
  const authority = await generateKeys();
  const root = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    ...validity({}),
    keys: authority,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const ca = root.toString("pem");

  return {
    ca,
    async issue(options = {}) {
      const { commonName: name = "test", sans = ["localhost", "127.0.0.1"] } = options;
      const keys = await generateKeys();
      const certificate = await X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: root.subject,
        ...validity(options),
        publicKey: keys.publicKey,
        signingKey: authority.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          ...(sans.length === 0
            ? []
            : [new SubjectAlternativeNameExtension(sans.map((value) => ({ type: sanType(value), value })))]),
          await AuthorityKeyIdentifierExtension.create(authority.publicKey),
        ],
      });
      const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
      return { cert: certificate.toString("pem"), key: pem("PRIVATE KEY", der), ca };
    },
  };
}

/** Writes `tls.crt`, `tls.key` (readable by the owner only) and `ca.crt` into `folder`, which is made when it is missing. */
export async function writeTestCertificate(
  folder: string,
  certificate: TestCertificate,
): Promise<TestCertificateFiles> {
  const files = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key"), caFile: join(folder, "ca.crt") };
  await mkdir(folder, { recursive: true });
  await writeFile(files.certFile, certificate.cert);
  await writeFile(files.keyFile, certificate.key, { mode: 0o600 });
  await writeFile(files.caFile, certificate.ca);
  return files;
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

function validity(options: TestCertificateOptions): { notBefore: Date; notAfter: Date } {
  const { notBefore = new Date(Date.now() - hourMs), notAfter = new Date(Date.now() + 24 * hourMs) } = options;
  return { notBefore, notAfter };
}

function sanType(value: string): "dns" | "ip" | "url" {
  if (value.includes("://")) return "url";
  return /^[\d.]+$|:/.test(value) ? "ip" : "dns";
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
