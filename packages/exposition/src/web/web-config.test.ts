import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { silentLogger, type Logger } from "@almanac/core";
import {
  createTestPki,
  createVirtualClock,
  writeTestCertificate,
  type TestPki,
  type VirtualClock,
} from "@almanac/testkit";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { afterAll, beforeAll, afterEach, describe, expect, it } from "vitest";
import { createPrometheusReader } from "../reader.ts";
import { startMetricsServer } from "../server.ts";
import { parseSubjectAltName } from "./client-certificate.ts";
import { loadWebConfig, type WebConfigOptions } from "./web-config.ts";

let folder = "";
let pki: TestPki;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "web-config-"));
  pki = await createTestPki();
  await writeTestCertificate(folder, await pki.issue({ sans: ["localhost", "127.0.0.1"] }));
  await writeFile(join(folder, "token"), "open-sesame\n");
  await writeFile(join(folder, "empty"), "\n");
});
afterAll(() => rm(folder, { recursive: true }));

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

let files = 0;
async function load(yaml: string, options: Partial<WebConfigOptions> = {}) {
  const file = join(folder, `web-${++files}.yml`);
  await writeFile(file, yaml);
  const config = await loadWebConfig({ file, ...options });
  cleanUps.push(() => config[Symbol.dispose]());
  return { file, config };
}

async function serve(yaml: string, options: Partial<WebConfigOptions> = {}) {
  const loaded = await load(yaml, options);
  const reader = createPrometheusReader();
  new MeterProvider({ readers: [reader] }).getMeter("m").createCounter("hits").add(1);
  const server = await startMetricsServer(reader, { webConfig: loaded.config });
  cleanUps.push(() => server.close());
  return { ...loaded, server };
}

/** Lets a configuration that is alone on this clock read its files once more. */
async function settle(clock: VirtualClock): Promise<void> {
  await clock.advance(5_000);
  // Files are read in real time; then the next time is set.
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
}

/** The status of `GET /metrics` over TLS, the server's common name with it; or that the handshake failed. */
function get(
  port: number,
  tls: SecureContextOptions & { headers?: Record<string, string> } = {},
): Promise<{ status?: number; name?: string; failed?: true }> {
  return new Promise((done) => {
    const target = { host: "127.0.0.1", port, path: "/metrics", ca: pki.ca, agent: false, ...tls };
    const outgoing = httpsRequest(target, (answer) => {
      const socket = answer.socket as TLSSocket;
      const name = String(socket.getPeerCertificate().subject.CN);
      answer.resume().on("end", () => done({ status: answer.statusCode ?? 0, name }));
    });
    outgoing.on("error", () => done({ failed: true })).end();
  });
}

const tlsSection = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n";
// Of the password "secret"; the comparison below stands for bcrypt's.
const hash = `$2y$10$${"a".repeat(53)}`;
const comparePassword = (password: string, given: string) => Promise.resolve(given === hash && password === "secret");
// bcrypt's of the same password, at the lowest cost.
const secretHash = "$2y$04$bUr0ZaiGpMm7CFzUPjUsOuRx6MzKu1UNY.QVV5lVcuGf/BEpoDL9O";
const usersSection = `basic_auth_users:\n  ann: ${hash}\n`;
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

describe("loadWebConfig", () => {
  it("lets everybody in with an empty file", async () => {
    const { server } = await serve("");
    expect(server.url).toMatch(/^http:/);
    expect((await fetch(`${server.url}/metrics`)).status).toBe(200);
  });

  it("serves TLS 1.2 and 1.3, and 1.3 only where told", async () => {
    const { server } = await serve(tlsSection);
    expect(server.url).toMatch(/^https:/);
    expect(await get(server.port, { maxVersion: "TLSv1.2" })).toMatchObject({ status: 200 });
    const strict = await serve(`${tlsSection}  min_version: TLS13\n`);
    expect(await get(strict.server.port, { maxVersion: "TLSv1.2" })).toEqual({ failed: true });
    expect(await get(strict.server.port)).toMatchObject({ status: 200 });
  });

  it("offers the chosen cipher suites and curves", async () => {
    const { server } = await serve(
      `${tlsSection}  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n  curve_preferences: [X25519]\n`,
    );
    const old = { maxVersion: "TLSv1.2" } as const;
    const suites = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
    expect(await get(server.port, { ...old, ciphers: suites })).toEqual({ failed: true });
    expect(await get(server.port, { ...old, ecdhCurve: "P-256" })).toEqual({ failed: true });
    expect(await get(server.port, old)).toMatchObject({ status: 200 });
    expect(await get(server.port)).toMatchObject({ status: 200 });
  });

  it("takes the names of TLS 1.3's suites, which leave none for TLS 1.2 where they are alone", async () => {
    const { server } = await serve(`${tlsSection}  cipher_suites: [TLS_AES_128_GCM_SHA256]\n`);
    expect(await get(server.port)).toMatchObject({ status: 200 });
    expect(await get(server.port, { maxVersion: "TLSv1.2" })).toEqual({ failed: true });
    const mixed = await serve(
      `${tlsSection}  cipher_suites: [TLS_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n`,
    );
    expect(await get(mixed.server.port, { maxVersion: "TLSv1.2" })).toMatchObject({ status: 200 });
  });

  it("asks for clients' certificates as the type says", async () => {
    const others = await createTestPki();
    const known = await pki.issue({ sans: ["prometheus"] });
    const stranger = await others.issue({ sans: ["prometheus"] });
    const wrong = await pki.issue({ sans: ["somebody"] });
    const table: [string, boolean, boolean, boolean, boolean][] = [
      // type, without, known, stranger, known of another name
      ["client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt", false, true, false, true],
      [
        "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans: [prometheus]",
        false,
        true,
        false,
        false,
      ],
      ["client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt", true, true, false, true],
      ["client_auth_type: RequireAnyClientCert", false, true, true, true],
      ["client_auth_type: RequestClientCert", true, true, true, true],
      ["client_auth_type: NoClientCert", true, true, true, true],
    ];
    for (const [section, ...expected] of table) {
      const { server } = await serve(`${tlsSection}  ${section}\n`);
      const seen = [];
      for (const certificate of [undefined, known, stranger, wrong]) {
        const own = certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key };
        seen.push((await get(server.port, own)).status === 200);
      }
      expect(seen, section).toEqual(expected);
    }
  });

  it("lets in users and bearers of a token, on every path", async () => {
    const { server } = await serve(`${usersSection}bearer_token_files: [token]\n`, { comparePassword });
    const status = async (headers: Record<string, string>, path = "/metrics") =>
      (await fetch(`${server.url}${path}`, { headers })).status;
    const refused = await fetch(`${server.url}/metrics`);
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="metrics", Bearer']);
    expect(await refused.text()).not.toContain("hits");
    expect(await status(basic("ann:secret"))).toBe(200);
    expect(await status(basic("ann:secret"), "/healthz")).toBe(200);
    expect(await status({}, "/healthz")).toBe(401);
    expect(await status({ authorization: "Bearer open-sesame" })).toBe(200);
    for (const authorization of ["Bearer open", "Bearer", "Bearer ", "Basic", "Basic %%%", "Digest x", ""]) {
      expect(await status({ authorization }), authorization).toBe(401);
    }
    for (const user of ["ann:wrong", "ann", "bob:secret", ":", "ann:"])
      expect(await status(basic(user)), user).toBe(401);
  });

  it("compares one password at a time, remembers the answers and turns away a flood", async () => {
    let running = 0;
    let most = 0;
    let comparisons = 0;
    const slow = async (password: string) => {
      most = Math.max(most, ++running);
      comparisons++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return password === "secret";
    };
    const { server } = await serve(usersSection, { comparePassword: slow });
    const ask = async (password: string) =>
      (await fetch(`${server.url}/metrics`, { headers: basic(`ann:${password}`) })).status;
    expect(await Promise.all([ask("secret"), ask("secret"), ask("secret")])).toEqual([200, 200, 200]);
    expect(await ask("secret")).toBe(200);
    expect(comparisons).toBe(1);
    const flood = await Promise.all(Array.from({ length: 40 }, (_, index) => ask(`guess ${index}`)));
    expect(new Set(flood)).toEqual(new Set([401, 503]));
    expect(most).toBe(1);
  });

  it("compares with bcrypt where nothing else is told to", async () => {
    const { server } = await serve(`basic_auth_users:\n  ann: ${secretHash}\n`);
    const ask = async (password: string) =>
      (await fetch(`${server.url}/metrics`, { headers: basic(`ann:${password}`) })).status;
    expect(await ask("secret")).toBe(200);
    expect(await ask("secreT")).toBe(401);
    expect(await ask("")).toBe(401);
  });

  it("asks for a certificate and a password together, and follows both", async () => {
    const clock = createVirtualClock();
    const lines: string[] = [];
    const logger: Logger = {
      debug() {},
      info: (message, fields) => lines.push(JSON.stringify([message, fields])),
      warn: (message, fields) => lines.push(JSON.stringify([message, fields])),
      error: (message, fields) => lines.push(JSON.stringify([message, fields])),
      child: () => logger,
    };
    const verified = `${tlsSection}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n`;
    const { server, file } = await serve(`${verified}basic_auth_users:\n  ann: ${secretHash}\n`, { clock, logger });
    const { cert, key } = await pki.issue({ sans: ["prometheus"] });
    const ask = (user: string, tls: SecureContextOptions = { cert, key }) =>
      get(server.port, { ...tls, headers: basic(user) });
    expect(await ask("ann:secret")).toMatchObject({ status: 200 });
    expect(await ask("ann:wrong-word")).toMatchObject({ status: 401 });
    expect(await ask("bob:secret")).toMatchObject({ status: 401 });
    expect(await ask("ann:secret", {})).toEqual({ failed: true });
    const changes: [string, Record<string, number>][] = [
      [`${verified}basic_auth_users:\n  bob: ${secretHash}\n`, { "ann:secret": 401, "bob:secret": 200 }],
      [`${verified}basic_auth_users:\n  bob: wrong-word\n`, { "bob:secret": 200 }],
      [verified, { "": 200 }],
    ];
    for (const [yaml, expected] of changes) {
      await writeFile(file, yaml);
      await settle(clock);
      for (const [user, status] of Object.entries(expected)) expect(await ask(user), user).toMatchObject({ status });
    }
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain("basic_auth_users.bob has no bcrypt hash; make one with: htpasswd -nBC 10 USER");
    expect(lines.join()).not.toMatch(/wrong-word|secret|\$2y/);
  });

  it("remembers a right password whatever is guessed meanwhile", async () => {
    let right = 0;
    const compare = (password: string) => Promise.resolve(password === "secret" && ++right > 0);
    const { server } = await serve(usersSection, { comparePassword: compare });
    const ask = async (password: string) =>
      (await fetch(`${server.url}/metrics`, { headers: basic(`ann:${password}`) })).status;
    expect(await ask("secret")).toBe(200);
    for (let guess = 0; guess < 110; guess++) expect(await ask(`guess ${guess}`)).toBe(401);
    expect(await ask("secret")).toBe(200);
    expect(right).toBe(1);
  });

  it("sets headers and limits the rate", async () => {
    const { server } = await serve(
      "http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=60\nrate_limit:\n  interval: 1h\n  burst: 2\n",
    );
    const first = await fetch(`${server.url}/metrics`);
    expect([first.headers.get("x-frame-options"), first.headers.get("strict-transport-security")]).toEqual([
      "deny",
      "max-age=60",
    ]);
    expect((await fetch(`${server.url}/metrics`)).status).toBe(200);
    const third = await fetch(`${server.url}/metrics`);
    expect([third.status, third.headers.get("retry-after")]).toEqual([429, "3600"]);
  });

  it("follows the file and those it names, and keeps what works when they break", async () => {
    const clock = createVirtualClock();
    const lines: string[] = [];
    const logger = {
      debug() {},
      info: (message: string) => lines.push(message),
      warn() {},
      error: (message: string) => lines.push(message),
      child() {
        return logger;
      },
    };
    const own = await mkdtemp(join(tmpdir(), "web-reload-"));
    cleanUps.push(() => rm(own, { recursive: true }));
    const issue = async (commonName: string) =>
      writeTestCertificate(own, await pki.issue({ commonName, sans: ["127.0.0.1"] }));
    await issue("first");
    const section = (token: string) =>
      `tls_server_config:\n  cert_file: ${own}/tls.crt\n  key_file: ${own}/tls.key\n${token}`;
    const { server, file, config } = await serve(section(""), { clock, logger });
    expect(await get(server.port)).toEqual({ status: 200, name: "first" });
    await issue("second");
    await settle(clock);
    expect(await get(server.port)).toEqual({ status: 200, name: "second" });
    await writeFile(join(own, "tls.key"), "no key");
    await settle(clock);
    await settle(clock);
    expect(await get(server.port)).toEqual({ status: 200, name: "second" });
    await issue("third");
    await writeFile(file, section("bearer_token_files: [token]\n"));
    await settle(clock);
    expect(await get(server.port)).toEqual({ status: 401, name: "third" });
    await writeFile(file, "bearer_token_files: [token]\n");
    await settle(clock);
    expect(config.settings.tls).toBeDefined();
    expect(lines).toEqual([
      "web configuration reloaded",
      "the new web configuration cannot be used, the old one stays",
      "web configuration reloaded",
      "the new web configuration cannot be used, the old one stays",
    ]);
  });

  it.each([
    ["users", usersSection, { "": 401, "ann:secret": 200 }],
    ["tokens", "bearer_token_files: [token]\n", { "": 401 }],
    ["users and tokens", `${usersSection}bearer_token_files: [token]\n`, { "": 401, "ann:secret": 200 }],
    ["users behind TLS", `${usersSection}tls_server_config: { cert_file: tls.crt, key_file: tls.key }\n`, { "": 401 }],
  ])("lets nobody in whom %s kept out because the file is cut off for a moment", async (_name, yaml, expected) => {
    const clock = createVirtualClock();
    const lines: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      info: (message) => lines.push(message),
      error: (_message, fields) => lines.push(String(fields?.["error"])),
    };
    const { server, file, config } = await serve(yaml, { clock, logger, comparePassword });
    const statuses = async (): Promise<Record<string, number | undefined>> => {
      const seen: Record<string, number | undefined> = {};
      for (const user of Object.keys(expected)) {
        const headers = user === "" ? {} : basic(user);
        if (config.settings.tls !== undefined) seen[user] = (await get(server.port, { headers })).status;
        else seen[user] = (await fetch(`${server.url}/metrics`, { headers })).status;
      }
      return seen;
    };
    const tls = config.settings.tls === undefined ? "" : tlsSection;
    for (const cut of ["", "# users follow\n", `${tls}rate_limit: { interval: 1s, burst: 1000 }\n`]) {
      await writeFile(file, cut);
      await settle(clock);
      await settle(clock);
      expect(await statuses(), cut).toEqual(expected);
    }
    await writeFile(file, yaml);
    await settle(clock);
    expect(await statuses()).toEqual(expected);
    const [first, ...others] = lines;
    expect(first).toMatch(tls === "" ? /lets anybody in.*; .*restart/ : /restart/);
    expect(new Set(others)).toEqual(
      tls === "" ? new Set() : new Set([expect.stringMatching(/lets anybody in.*restart/) as string]),
    );
  });

  it("may take off a password where certificates still tell who may in, and no other way", async () => {
    const open = "client_auth_type: RequireAnyClientCert";
    const closed = "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt";
    const { cert, key } = await pki.issue({ sans: ["prometheus"] });
    for (const [section, status] of [
      [open, 401],
      [closed, 200],
    ] as const) {
      const clock = createVirtualClock();
      const { server, file } = await serve(`${tlsSection}  ${section}\n${usersSection}`, { clock });
      expect(await get(server.port, { cert, key })).toMatchObject({ status: 401 });
      await writeFile(file, `${tlsSection}  ${section}\n`);
      await settle(clock);
      expect(await get(server.port, { cert, key }), section).toMatchObject({ status });
    }
  });

  it("takes a file that lets anybody in at the start, and later ones that do", async () => {
    const clock = createVirtualClock();
    const { server, file } = await serve("", { clock });
    const status = async () => (await fetch(`${server.url}/metrics`)).status;
    expect(await status()).toBe(200);
    await writeFile(file, "rate_limit: { interval: 1h, burst: 1 }\n");
    await settle(clock);
    expect([await status(), await status()]).toEqual([200, 429]);
    await writeFile(file, "");
    await settle(clock);
    expect(await status()).toBe(200);
  });

  it.each([
    ["rubbish", "rate_limit: {}\nhttp_server_config: [", "line 2, column 22: this is no YAML"],
    ["a text that does not end", 'basic_auth_users: "secret-word', "line 1, column 31: this is no YAML"],
    ["an alias of nothing", "rate_limit: *secret-word", "the file is no YAML"],
    ["a list", "- a", "the file has to be a mapping"],
    ["an unknown field", "tls: {}", "tls is not known; there are tls_server_config, http_server_config"],
    ["an unknown field within", `${tlsSection}  pin: "1"\n`, "tls_server_config.pin is not known"],
    ["TLS without a key", "tls_server_config: { cert_file: tls.crt }", "key_file is missing"],
    ["TLS without a certificate", "tls_server_config: { key_file: tls.key }", "cert_file is missing"],
    ["a file that is not there", "tls_server_config: { cert_file: gone }", "cert_file"],
    [
      "a certificate that is none",
      "tls_server_config: { cert_file: token, key_file: tls.key }",
      "nothing usable in PEM",
    ],
    ["a certificate twice", `${tlsSection}  cert: "x"\n`, "leave one out"],
    ["an old version", `${tlsSection}  min_version: TLS10\n`, 'has to be one of TLS12, TLS13, not "TLS10"'],
    [
      "versions that cross",
      `${tlsSection}  min_version: TLS13\n  max_version: TLS12\n`,
      "(TLSv1.3) is above max_version (TLSv1.2)",
    ],
    ["an insecure suite", `${tlsSection}  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n`, "cipher_suites takes"],
    ["a type of client auth", `${tlsSection}  client_auth_type: Always\n`, "has to be one of NoClientCert"],
    ["a CA without a type", `${tlsSection}  client_ca_file: ca.crt\n`, "has no effect"],
    [
      "a type without a CA",
      `${tlsSection}  client_auth_type: RequireAndVerifyClientCert\n`,
      "client_ca_file is missing",
    ],
    ["names without a type", `${tlsSection}  client_allowed_sans: [a]\n`, "needs client_auth_type"],
    ["a header", "http_server_config: { headers: { Server: x } }", "Server cannot be set"],
    ["a header's value", "http_server_config: { headers: { X-Frame-Options: maybe } }", "deny or sameorigin"],
    ["a header with a line feed", 'http_server_config: { headers: { X-XSS-Protection: "a\\nb" } }', "character"],
    ["a plain password", "basic_auth_users: { ann: secret-word }", "ann has no bcrypt hash"],
    [
      "a hash that nobody can wait for",
      `basic_auth_users: { ann: "$2y$17$${"a".repeat(53)}" }`,
      "ann has a hash of the cost 17, which takes too long",
    ],
    [
      "a hash of a variant with a known fault",
      `basic_auth_users: { ann: "$2x$10$${"a".repeat(53)}" }`,
      "ann has no bcrypt",
    ],
    ["a switch that is none", `${tlsSection}  prefer_server_cipher_suites: "on"\n`, 'true or false, not "on"'],
    ["a field twice", "rate_limit: {}\nrate_limit: {}\n", "line 2, column 1: the field rate_limit stands here twice"],
    ["a user twice", `${usersSection}  'ann': b\n`, "line 3, column 3: the field ann stands here twice"],
    [
      "a strange key twice",
      `"secret-word, a": 1\n"secret-word, a": 1\n`,
      "line 2, column 1: a field stands here twice",
    ],
    [
      "a burst without its interval",
      "rate_limit: { burst: 5 }",
      "rate_limit.interval is missing; burst says nothing alone",
    ],
    ["an empty token", "bearer_token_files: [empty]", "empty token would let anybody in"],
    ["a rate that is none", "rate_limit: { interval: often, burst: 1 }", "interval has to be a time"],
    ["a rate that lets nobody in", "rate_limit: { interval: 1s }", "burst has to be at least 1"],
  ])("refuses %s, and keeps secrets to itself", async (_name, yaml, message) => {
    const error: unknown = await load(yaml).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "invalid_web_config",
      message: expect.stringContaining(message) as string,
    });
    expect(String(error)).not.toMatch(/secret-word|PRIVATE|aaaaaa/);
  });
});

describe("parseSubjectAltName", () => {
  it.each([
    ["DNS:a.b, URI:spiffe://c, IP Address:127.0.0.1, email:x@y", ["a.b", "spiffe://c", "127.0.0.1", "x@y"]],
    ['DNS:"a, DNS:b"', ["a, DNS:b"]],
    ["othername:<unsupported>, DNS:a", ["a"]],
    ["", []],
    ['DNS:"open', []],
  ])("%s", (text, names) => {
    expect(parseSubjectAltName(text)).toEqual(names);
  });
});
