import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { X509Certificate } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { silentLogger } from "@almanac/core";
import type { Logger } from "@almanac/core";
import { createTestPki, createVirtualClock, writeTestCertificate } from "@almanac/testkit";
import type { TestCertificate, TestCertificateFiles, TestPki } from "@almanac/testkit";
import { clientCredentials } from "../src/client-credentials.ts";
import type { ClientTls } from "../src/client-credentials.ts";
import { createServerInterceptor } from "../src/server-interceptor.ts";
import { serverCredentials } from "../src/server-credentials.ts";
import type { ServerTls } from "../src/server-credentials.ts";
import type { ReloadOptions } from "../src/tls-files.ts";
import { createTestTelemetry } from "./loopback.ts";

/** On a machine that has other things to do. */
const patience = { timeout: 15_000 };

const serviceName = "virtrigaud-provider-lab-mock.lab.svc";
const path = "/test.v1.Tls/WhoAmI";
const bytes = (value: Buffer): Buffer => value;

let root: string;
let pki: TestPki;
let other: TestPki;
let serverFiles: TestCertificateFiles;
let managerFiles: TestCertificateFiles;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "almanac-tls-"));
  pki = await createTestPki();
  other = await createTestPki("Another CA");
  serverFiles = await write("server", await pki.issue({ commonName: "server", sans: [serviceName] }));
  managerFiles = await write("manager", await pki.issue({ sans: ["manager.example", "spiffe://trust/manager"] }));
});
afterAll(() => rm(root, { recursive: true }));

function write(folder: string, certificate: TestCertificate): Promise<TestCertificateFiles> {
  return writeTestCertificate(join(root, folder), certificate);
}

/** Puts a file in place the way careful writers do: under another name first. */
async function replace(file: string, contents: string): Promise<void> {
  await writeFile(`${file}.new`, contents);
  await rename(`${file}.new`, file);
}

async function replaceAll(files: TestCertificateFiles, certificate: TestCertificate): Promise<void> {
  await replace(files.certFile, certificate.cert);
  await replace(files.keyFile, certificate.key);
  await replace(files.caFile, certificate.ca);
}

/** A server whose one method answers with the subject alternative names of its caller. */
async function serve(tls: ServerTls | "insecure", options: ReloadOptions = {}) {
  const telemetry = createTestTelemetry();
  const credentials = serverCredentials(tls, options);
  const server = new grpc.Server({ interceptors: [createServerInterceptor(telemetry)] });
  server.addService(
    {
      WhoAmI: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      WhoAmI: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
        callback(null, Buffer.from(call.getAuthContext().sslPeerCertificate?.subjectaltname ?? "nobody"));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return {
    telemetry,
    port,
    [Symbol.dispose]() {
      server.forceShutdown();
      credentials[Symbol.dispose]();
    },
  };
}

function dial(port: number, tls: ClientTls | "insecure", options: ReloadOptions = {}) {
  const credentials = clientCredentials(tls, options);
  const client = new grpc.Client(`127.0.0.1:${port}`, credentials);
  return {
    /** The server's view of us, or the status and message of the failure. */
    ask: () =>
      new Promise<string>((resolve) => {
        client.makeUnaryRequest(
          path,
          bytes,
          bytes,
          Buffer.alloc(0),
          { deadline: Date.now() + 10_000 },
          (error, answer) => resolve(error ? `${grpc.status[error.code]}: ${error.details}` : String(answer)),
        );
      }),
    [Symbol.dispose]() {
      client.close();
      credentials[Symbol.dispose]();
    },
  };
}

function trusting(files: TestCertificateFiles): ClientTls {
  return { ...files, serverName: serviceName };
}

/** Common name of the certificate a new connection is shown. */
async function shownTo(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"], ...options });
  try {
    await once(socket, "secureConnect");
    return `${socket.getProtocol()} ${String(socket.getPeerCertificate().subject.CN)}`;
  } finally {
    socket.destroy();
  }
}

function recordingLogger() {
  const lines: string[] = [];
  const log = (message: string, fields?: unknown): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { ...silentLogger, info: log, warn: log, error: log };
  return { lines, logger };
}

describe("serverCredentials and clientCredentials", () => {
  it("let both ends know each other over TLS 1.3", async () => {
    using server = await serve(serverFiles);
    using client = dial(server.port, trusting(managerFiles));
    expect(await client.ask()).toBe("DNS:manager.example, URI:spiffe://trust/manager");
    expect(await shownTo(server.port)).toBe("TLSv1.3 server");
  });

  it("refuse TLS 1.2 on either side", async () => {
    using server = await serve(serverFiles);
    await expect(shownTo(server.port, { maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version/i);
  });

  it("refuse a client of another CA, and a server of another CA", async () => {
    const strangers = await write("stranger", { ...(await other.issue()), ca: pki.ca });
    const suspicious = await write("suspicious", { ...(await pki.issue()), ca: other.ca });
    using server = await serve(serverFiles);
    using stranger = dial(server.port, trusting(strangers));
    using doubter = dial(server.port, trusting(suspicious));
    expect(await stranger.ask()).toMatch(/^UNAVAILABLE: /);
    expect(await doubter.ask()).toMatch(/^UNAVAILABLE: .*certificate/);
  });

  it("refuse a client without certificate", async () => {
    using server = await serve(serverFiles);
    const client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createSsl(Buffer.from(pki.ca)), {
      "grpc.ssl_target_name_override": serviceName,
    });
    const failed = new Promise<grpc.ServiceError | null>((resolve) => {
      client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), (error) => resolve(error));
    });
    expect((await failed)?.code).toBe(grpc.status.UNAVAILABLE);
    client.close();
    expect(server.telemetry.spans()).toEqual([]);
  });

  it("compare the server's certificate with the dialled name unless told another", async () => {
    using server = await serve(serverFiles);
    using client = dial(server.port, managerFiles);
    expect(await client.ask()).toMatch(/^UNAVAILABLE: .*IP: 127\.0\.0\.1 is not in the cert/);
  });

  it("reach a server by its IP address when the certificate carries it", async () => {
    using server = await serve(await write("by-address", await pki.issue({ sans: ["127.0.0.1"] })));
    using client = dial(server.port, managerFiles);
    expect(await client.ask()).toMatch(/^DNS:manager/);
  });

  it("give up on a peer that never answers the handshake", async () => {
    const silent = createServer((socket) => socket.on("error", () => {}));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const clock = createVirtualClock();
    using client = dial((silent.address() as AddressInfo).port, trusting(managerFiles), { clock });
    const connected = once(silent, "connection");
    const answer = client.ask();
    const [socket] = (await connected) as [Socket];
    await vi.waitFor(() => expect(clock.pending).toBe(2), patience);
    await clock.advance(20_000);
    expect(await answer).toMatch(/^UNAVAILABLE: .*no TLS handshake within 20000 ms/);
    socket.destroy();
    silent.close();
  });

  it("speak plaintext for the literal insecure", async () => {
    using server = await serve("insecure");
    using client = dial(server.port, "insecure");
    expect(await client.ask()).toBe("nobody");
  });

  it.each([
    ["by DNS name", ["manager.example"], "DNS:manager.example, URI:spiffe://trust/manager"],
    ["by URI", ["x", "spiffe://trust/manager"], "DNS:manager.example, URI:spiffe://trust/manager"],
    [
      "nobody of this certificate",
      ["Manager.example", "manager.exampl", "spiffe://trust"],
      "PERMISSION_DENIED: the client certificate (manager.example, spiffe://trust/manager) is not in this server's list of allowed clients",
    ],
  ])("let in whom the list names, %s", async (_how, allowedSans, answer) => {
    using server = await serve({ ...serverFiles, allowedSans });
    using client = dial(server.port, trusting(managerFiles));
    expect(await client.ask()).toBe(answer);
    await vi.waitFor(() => expect(server.telemetry.spans()).toHaveLength(1), patience);
    const [sample, ...more] = await server.telemetry.samples("rpc_server_call_duration_seconds");
    expect(more).toEqual([]);
    expect(sample).toMatchObject({
      count: 1,
      labels: { rpc_status_code: answer.startsWith("PERMISSION_DENIED") ? "PERMISSION_DENIED" : "OK" },
    });
  });
});

describe("a change of the files", () => {
  it("reaches new connections and leaves existing ones alone", async () => {
    const files = await write("changing-server", await pki.issue({ commonName: "first", sans: [serviceName] }));
    const clock = createVirtualClock();
    const { lines, logger } = recordingLogger();
    using server = await serve(files, { clock, logger, reloadIntervalMs: 1_000 });
    using client = dial(server.port, trusting(managerFiles));
    const before = await client.ask();
    await replaceAll(files, await pki.issue({ commonName: "second", sans: [serviceName] }));
    await clock.advance(999);
    expect(await shownTo(server.port)).toBe("TLSv1.3 first");
    await clock.advance(1);
    await vi.waitFor(() => expect(lines).toEqual([expect.stringMatching(/^TLS files reloaded .*"validTo"/)]), patience);
    expect(await shownTo(server.port)).toBe("TLSv1.3 second");
    expect(await client.ask()).toBe(before);
  });

  it("is seen through Kubernetes' swapped ..data link", async () => {
    const folder = join(root, "mounted");
    await mkdir(folder, { recursive: true });
    await write("mounted/..first", await pki.issue({ commonName: "first", sans: [serviceName] }));
    await write("mounted/..second", await pki.issue({ commonName: "second", sans: [serviceName] }));
    await symlink("..first", join(folder, "..data"));
    for (const name of ["tls.crt", "tls.key", "ca.crt"]) await symlink(`..data/${name}`, join(folder, name));
    const files = {
      certFile: join(folder, "tls.crt"),
      keyFile: join(folder, "tls.key"),
      caFile: join(folder, "ca.crt"),
    };
    const clock = createVirtualClock();
    using server = await serve(files, { clock });
    await symlink("..second", join(folder, "..data_tmp"));
    await rename(join(folder, "..data_tmp"), join(folder, "..data"));
    await clock.advance(10_000);
    await vi.waitFor(async () => expect(await shownTo(server.port)).toBe("TLSv1.3 second"), patience);
  });

  it("reaches the next connection of a client, CA included", async () => {
    const files = await write("changing-client", await pki.issue({ sans: ["old.example"] }));
    const clock = createVirtualClock();
    const { lines, logger } = recordingLogger();
    using elsewhere = await serve(await write("elsewhere", await other.issue({ sans: [serviceName] })));
    using client = dial(elsewhere.port, trusting(files), { clock, logger });
    expect(await client.ask()).toMatch(/^UNAVAILABLE/);
    await replaceAll(files, await other.issue({ sans: ["new.example"] }));
    await clock.advance(10_000);
    await vi.waitFor(() => expect(lines).toHaveLength(1), patience);
    await vi.waitFor(async () => expect(await client.ask()).toBe("DNS:new.example"), { ...patience, interval: 200 });
  });

  it("to something unusable keeps the old files in use and is logged once, without the key", async () => {
    const files = await write("breaking", await pki.issue({ commonName: "first", sans: [serviceName] }));
    const clock = createVirtualClock();
    const { lines, logger } = recordingLogger();
    using server = await serve(files, { clock, logger });
    const next = await pki.issue({ commonName: "second", sans: [serviceName] });
    // A new key beside the old certificate, as between the two renames of a writer.
    await replace(files.keyFile, next.key);
    for (let i = 0; i < 3; i++) {
      await clock.advance(10_000);
      await vi.waitFor(() => expect(clock.pending).toBe(1), patience);
    }
    expect(lines).toEqual([
      expect.stringContaining(`keyFile ${files.keyFile} is not the key of certFile ${files.certFile}`),
    ]);
    await rm(files.caFile);
    for (let i = 0; i < 2; i++) {
      await clock.advance(10_000);
      await vi.waitFor(() => expect(clock.pending).toBe(1), patience);
    }
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain(`caFile ${files.caFile} cannot be read`);
    expect(await shownTo(server.port)).toBe("TLSv1.3 first");
    await replaceAll(files, next);
    await clock.advance(10_000);
    await vi.waitFor(() => expect(lines).toHaveLength(3), patience);
    expect(await shownTo(server.port)).toBe("TLSv1.3 second");
    const secret = next.key.split("\n")[1] ?? "";
    expect(secret.length).toBeGreaterThan(32);
    expect(lines.join("\n")).not.toContain(secret);
  });

  it("is no longer looked for once disposed", () => {
    const clock = createVirtualClock();
    const credentials = [serverCredentials(serverFiles, { clock }), clientCredentials(managerFiles, { clock })];
    expect(clock.pending).toBe(2);
    for (const one of credentials) one[Symbol.dispose]();
    expect(clock.pending).toBe(0);
    serverCredentials("insecure")[Symbol.dispose]();
    clientCredentials("insecure")[Symbol.dispose]();
  });
});

describe("files that cannot be used", () => {
  it("fail the construction with one error that names every field and path", () => {
    const files = { certFile: join(root, "no.crt"), keyFile: managerFiles.keyFile, caFile: root };
    const message = `certFile ${files.certFile} cannot be read (ENOENT`;
    for (const build of [serverCredentials, clientCredentials]) {
      expect(() => build(files)).toThrow(expect.objectContaining({ code: "tls_file_unreadable" }));
      expect(() => build(files)).toThrow(message);
      expect(() => build(files)).toThrow(`caFile ${root} cannot be read (EISDIR`);
    }
  });

  it.each([
    ["certFile", "no PEM at all"],
    ["keyFile", "no PEM at all"],
    ["caFile", "no PEM at all"],
    ["caFile", ""],
  ] as const)("name %s when it holds %j", async (field, contents) => {
    const files = await write("unusable", await pki.issue());
    await writeFile(files[field], contents);
    const code = "tls_file_invalid";
    expect(() => serverCredentials(files)).toThrow(expect.objectContaining({ code }));
    expect(() => serverCredentials(files)).toThrow(`${field} ${files[field]} holds no usable PEM`);
  });

  it("name a key that belongs to another certificate", async () => {
    const files = await write("mismatched", { ...(await pki.issue()), key: (await pki.issue()).key });
    expect(() => clientCredentials(files)).toThrow(
      `keyFile ${files.keyFile} is not the key of certFile ${files.certFile}`,
    );
  });

  it.each([
    [{ keyFile: "" }, {}, "keyFile of the TLS options must be given"],
    [{ serverName: "" }, {}, "serverName of the TLS options must not be empty"],
    [{}, { reloadIntervalMs: 0 }, "reloadIntervalMs must be positive, got 0"],
  ])("are refused before reading with %o %o", (tls, options, message) => {
    expect(() => clientCredentials({ ...managerFiles, ...tls }, options)).toThrow(`[invalid_options] ${message}`);
  });
});

describe("createTestPki", () => {
  it("issues certificates with the names and the validity asked for", async () => {
    const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 - 1000);
    const { cert } = await pki.issue({ commonName: "old", sans: ["10.0.0.1", "a.example"], notAfter });
    const parsed = new X509Certificate(cert);
    expect(parsed.subjectAltName).toBe("IP Address:10.0.0.1, DNS:a.example");
    expect(new Date(parsed.validTo)).toEqual(notAfter);
    expect(parsed.verify(new X509Certificate(pki.ca).publicKey)).toBe(true);
  });
});
