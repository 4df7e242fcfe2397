import { describe, expect, it } from "vitest";
import { connectionWords } from "./connection-words.ts";

const time = "(2026-07-29T10:11:12.345Z)";

describe("connectionWords", () => {
  it.each([
    [
      "Name resolution failed for target dns:virtrigaud-provider-default-lab.default.svc:9443",
      "the name of virtrigaud-provider-default-lab.default.svc:9443 does not resolve; check that its Service exists",
    ],
    [
      `No connection established. Last error: connect ECONNREFUSED 127.0.0.1:9443 ${time}. Resolution note: `,
      "nothing listens at 127.0.0.1:9443; check that the provider runs and listens there",
    ],
    [
      `No connection established. Last error: connect EHOSTUNREACH 10.0.0.9:9443 ${time}. Resolution note: retrying`,
      "10.0.0.9:9443 cannot be reached (EHOSTUNREACH); check the address and what the network allows",
    ],
    [
      `No connection established. Last error: unable to verify the first certificate; if the root CA is installed locally, try running Node.js with --use-system-ca ${time}. Resolution note: `,
      "the provider's certificate is not trusted (unable to verify the first certificate); it must be signed by an authority in the manager's ca.crt",
    ],
    [
      `No connection established. Last error: Hostname/IP does not match certificate's altnames: Host: a.svc. is not in the cert's altnames: DNS:b.svc ${time}. Resolution note: `,
      "the provider's certificate does not carry the name it is called by: Host: a.svc. is not in the cert's altnames: DNS:b.svc",
    ],
    ["No connection established. Last error: null. Resolution note: ", "no connection could be made"],
    ["Deadline exceeded after 0.501s,LB pick: 0.001s,remote_addr=127.0.0.1:1", "no answer in time"],
    ["the hypervisor is busy", "the hypervisor is busy"],
  ])("%s", (details, words) => {
    expect(connectionWords(details)).toBe(words);
  });
});
