/**
 * What the client library says about a connection that failed, in words that a person can act on. Text that it does not know stays, without
 * the library's notes to itself. Equal causes give equal words: times and attempts, which differ from one try to the next, are left out.
 */
export function connectionWords(details: string): string {
  const cause = withoutNotes(details);
  for (const [pattern, words] of known) {
    const match = pattern.exec(cause);
    if (match !== null) return words(match);
  }
  return cause;
}

type Words = (match: RegExpExecArray) => string;

const authority = "it must be signed by an authority in the manager's ca.crt";

// Sources: grpc-js 1.14 (resolver-dns, load-balancer-pick-first, transport) and the errors of Node's net, dns and tls that it passes on.
const known: readonly (readonly [RegExp, Words])[] = [
  [
    /^Name resolution failed for target (?:dns:)?(?:\/\/\/)?(\S+)/,
    ([, target]) => `the name of ${target} does not resolve; check that its Service exists`,
  ],
  [/\bgetaddrinfo \w+ (\S+)/, ([, host]) => `the name ${host} does not resolve; check that its Service exists`],
  [
    /\bconnect ECONNREFUSED (\S+)/,
    ([, address]) => `nothing listens at ${address}; check that the provider runs and listens there`,
  ],
  [
    /\bconnect (ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN) (\S+)/,
    ([, code, address]) => `${address} cannot be reached (${code}); check the address and what the network allows`,
  ],
  [/\bcertificate has expired\b/i, () => "the provider's certificate has expired; renew it"],
  [
    /Hostname\/IP does not match certificate's altnames: (.*)$/,
    ([, why]) => `the provider's certificate does not carry the name it is called by: ${why}`,
  ],
  [
    /\b(unable to (?:verify the first|get (?:local )?issuer) certificate|self.signed certificate(?: in certificate chain)?)/,
    ([, why]) => `the provider's certificate is not trusted (${why}); ${authority}`,
  ],
  [
    /wrong version number|packet length too long/i,
    () => "the provider does not answer in TLS; check spec.runtime.service.tls on both sides",
  ],
];

function withoutNotes(details: string): string {
  return details
    .replace(/^No connection established\. Last error: /, "")
    .replace(/\.? ?Resolution note:.*$/s, "")
    .replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, "")
    .replace(/[;,]? (?:if the root CA is installed locally, )?try running Node\.js with --use-system-ca/, "")
    .replace(/^null$/, "no connection could be made")
    .replace(/^Deadline exceeded after .*$/s, "no answer in time")
    .trim();
}
