import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

/** A certificate and its private key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for one run of the demo: everything on loopback trusts it and nothing else. */
export interface DemoAuthority {
  /** The authority's certificate, PEM. */
  readonly ca: string;
  /** A certificate for server and client authentication. `names` are DNS names or IP addresses; the first is the subject. */
  issue(names: readonly [string, ...string[]]): Promise<KeyPair>;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const validityMs = 30 * 24 * 3600 * 1000;

/** Makes an authority whose certificates last 30 days. Keys exist in memory until the caller writes them. */
export async function createDemoAuthority(): Promise<DemoAuthority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Almanac demo CA",
    ...validity(),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    ca: `${certificate.toString("pem")}\n`,
    async issue(names) {
      const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const issued = await x509.X509CertificateGenerator.create({
        // A common name may hold 64 characters; verifiers look at the alternative names anyway.
        subject: `CN=${names[0].slice(0, 64)}`,
        issuer: certificate.subject,
        ...validity(),
        publicKey: pair.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
          new x509.SubjectAlternativeNameExtension(
            names.map((name) => ({ type: /^[\d.]+$|:/.test(name) ? ("ip" as const) : ("dns" as const), value: name })),
          ),
          await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      const exported = await crypto.subtle.exportKey("pkcs8", pair.privateKey);
      return { cert: `${issued.toString("pem")}\n`, key: `${x509.PemConverter.encode(exported, "PRIVATE KEY")}\n` };
    },
  };
}

function validity(): { notBefore: Date; notAfter: Date } {
  // A minute of grace for clocks that disagree.
  return { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + validityMs) };
}
