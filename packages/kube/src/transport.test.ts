import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { createTestPki, type TestCertificate, type TestPki } from "@almanac/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKubeClient } from "./client.ts";
import type { Credentials, KubeConnection } from "./connection.ts";

let pki: TestPki;
let other: TestPki;
let alice: TestCertificate;
let bob: TestCertificate;
let server: Server;
let connection: KubeConnection;
const sockets = new Set<unknown>();

beforeAll(async () => {
  pki = await createTestPki();
  other = await createTestPki();
  alice = await pki.issue({ commonName: "alice" });
  bob = await pki.issue({ commonName: "bob" });
  const { cert, key, ca } = await pki.issue({ sans: ["api.internal", "127.0.0.1"] });
  server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const socket = request.socket as TLSSocket;
    sockets.add(socket);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ who: socket.authorized ? socket.getPeerCertificate().subject.CN : "nobody" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  connection = { server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, ca: pki.ca };
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function who(settings: Partial<KubeConnection>): Promise<unknown> {
  using client = createKubeClient({ ...connection, ...settings });
  return (await client.request<{ who: unknown }>({ method: "GET", path: "/" })).who;
}

describe("createTransport", () => {
  it("trusts the authority it is given and shows its client certificate", async () => {
    expect(await who({})).toBe("nobody");
    expect(await who({ auth: { credentials: () => Promise.resolve(alice) } })).toBe("alice");
  });

  it.each<[string, () => Partial<KubeConnection>]>([
    ["another authority", () => ({ ca: other.ca })],
    ["another name", () => ({ tlsServerName: "somewhere.else" })],
  ])("refuses a server of %s", async (_name, settings) => {
    await expect(who(settings())).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/TLS/) as string,
    });
  });

  it("takes the name it is told to expect, and any server when it must not verify", async () => {
    expect(await who({ tlsServerName: "api.internal" })).toBe("nobody");
    expect(await who({ ca: other.ca, insecureSkipTlsVerify: true })).toBe("nobody");
  });

  it("keeps its connection, and makes a new one when the certificate was renewed", async () => {
    let credentials: Credentials = alice;
    using client = createKubeClient({ ...connection, auth: { credentials: () => Promise.resolve(credentials) } });
    const ask = async (): Promise<unknown> =>
      (await client.request<{ who: unknown }>({ method: "GET", path: "/" })).who;
    sockets.clear();
    expect([await ask(), await ask(), await ask()]).toEqual(["alice", "alice", "alice"]);
    expect(sockets.size).toBe(1);
    credentials = bob;
    expect([await ask(), await ask()]).toEqual(["bob", "bob"]);
    expect(sockets.size).toBe(2);
  });
});
