import { Writable } from "node:stream";
import { context, trace } from "@opentelemetry/api";
import { describe, expect, it } from "vitest";
import { useContextManager } from "./context.ts";
import { createLogger, type CreateLoggerOptions } from "./log.ts";

function setUp(options: Partial<CreateLoggerOptions> & { readonly terminal?: boolean } = {}) {
  const chunks: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(chunk.toString());
      callback();
    },
  });
  if (options.terminal === true) Object.assign(destination, { isTTY: true });
  const logger = createLogger({ service: "test", env: {}, destination, ...options });
  return {
    logger,
    text: () => chunks.join(""),
    lines: () => chunks.map((chunk) => JSON.parse(chunk) as Record<string, unknown>),
  };
}

describe("createLogger", () => {
  it("writes one JSON object per line with level, time, service, message and fields", () => {
    const { logger, lines } = setUp({ level: "debug" });
    logger.debug("one");
    logger.child({ kind: "VirtualMachine" }).child({ attempt: 2 }).error("two", { attempt: 3, name: "vm\n1" });
    expect(lines()).toMatchObject([
      { level: "debug", service: "test", msg: "one" },
      { level: "error", service: "test", msg: "two", kind: "VirtualMachine", attempt: 3, name: "vm\n1" },
    ]);
    expect(lines()[0]?.["time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines()[0]).not.toHaveProperty("trace_id");
  });

  it("drops lines below its level, info by default", () => {
    const { logger, lines } = setUp();
    logger.debug("no");
    logger.info("yes");
    expect(lines().map((line) => line["msg"])).toEqual(["yes"]);
  });

  it("carries the ids of the active span, across await", async () => {
    using _manager = useContextManager();
    const { logger, lines } = setUp();
    const ids = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };
    await context.with(trace.setSpanContext(context.active(), ids), async () => {
      await new Promise((resolve) => setImmediate(resolve));
      logger.warn("inside");
    });
    logger.warn("outside");
    expect(lines()[0]).toMatchObject({ trace_id: ids.traceId, span_id: ids.spanId, trace_flags: "01" });
    expect(lines()[1]).not.toHaveProperty("trace_id");
  });

  it("does not let fields pass for its own", () => {
    const { logger, text, lines } = setUp();
    logger.info("real", { level: "error", msg: "forged", trace_id: "x", service: "other" });
    expect(lines()[0]).toMatchObject({
      level: "info",
      msg: "real",
      service: "test",
      level_: "error",
      msg_: "forged",
      trace_id_: "x",
    });
    expect(text().match(/"msg":/g)).toHaveLength(1);
  });

  it("takes the message as it is", () => {
    const { logger, lines } = setUp();
    logger.info("100 %s %j %o", { a: 1 });
    expect(lines()[0]?.["msg"]).toBe("100 %s %j %o");
  });

  it("survives fields that cannot be written as they are", () => {
    const { logger, lines } = setUp();
    const cyclic: Record<string, unknown> = { name: "loop" };
    cyclic["self"] = cyclic;
    const trap = Object.defineProperty({}, "x", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    logger.info("odd", {
      cyclic,
      trap,
      big: 10n,
      date: new Date(NaN),
      bytes: Buffer.from("abc"),
      map: new Map([["k", 1]]),
      none: undefined,
      call: Math.max,
      revoked: proxy,
    });
    expect(lines()[0]).toMatchObject({
      cyclic: { name: "loop", self: "[circular]" },
      trap: { x: "[unreadable]" },
      big: "10",
      date: "invalid date",
      bytes: "[3 bytes]",
      map: { k: 1 },
      revoked: "[unreadable]",
    });
  });

  it("bounds what one line holds", () => {
    const { logger, text } = setUp();
    let deep: unknown = "bottom";
    for (let level = 0; level < 50; level++) deep = { deep };
    logger.info("much", { text: "x".repeat(1e6), list: Array(1e5).fill("item"), deep });
    expect(text().length).toBeLessThan(20_000);
    expect(text()).not.toContain("bottom");
  });

  it("hides secrets at any depth", () => {
    const { logger, text, lines } = setUp();
    logger.child({ apiKey: "s3cret-a" }).error("failed", {
      password: "s3cret-b",
      config: {
        db: [{ DB_PASSWORD: "s3cret-c", user: "bob" }],
        headers: { Authorization: "Bearer s3cret-d", "x-api-key": "s3cret-e" },
      },
      secretAccessKey: "s3cret-f",
      token: { value: "s3cret-g" },
      object: {
        kind: "Secret",
        metadata: { name: "creds" },
        data: { user: "s3cret-h" },
        stringData: { pin: "s3cret-i" },
      },
      url: "https://bob:s3cret-j@host/path",
      odd: `1${"2".repeat(40)}://bob:s3cret-m@host/path`,
      error: new Error("login with Bearer s3cret-kkkk refused", { cause: new Error("at ldap://x:s3cret-l@host") }),
      pem: "-----BEGIN RSA PRIVATE KEY-----\ns3cret-m\n-----END RSA PRIVATE KEY-----",
      cookies: ["s3cret-n"],
      client_key_data: "s3cret-o",
    });
    expect(text()).not.toContain("s3cret");
    expect(lines()[0]).toMatchObject({
      apiKey: "[redacted]",
      config: { db: [{ DB_PASSWORD: "[redacted]", user: "bob" }] },
      object: { metadata: { name: "creds" }, data: "[redacted]" },
      url: "https://bob:[redacted]@host/path",
    });
  });

  it("leaves what merely speaks of a secret", () => {
    const { logger, lines } = setUp();
    const fields = {
      secretName: "creds",
      tokenFile: "/run/token",
      credentialSecretRef: { name: "x" },
      tokens: 3,
      authenticated: true,
      key: "default/vm",
      expectedPassword: false,
    };
    logger.info("fine", fields);
    expect(lines()[0]).toMatchObject(fields);
  });

  it("writes readable single lines in text form", () => {
    const { logger, text } = setUp({ format: "text" });
    logger.warn("queue is full", {
      name: "vm-1",
      reason: "two words",
      n: 3,
      o: { a: 1 },
      error: new Error("boom\nbang"),
      "odd\u001b[31m": "x\u202e",
    });
    const [line, ...rest] = text().split("\n");
    expect(rest).toEqual([""]);
    expect(line?.replace(/^\S+ /, "")).toBe(
      'WARN  test: queue is full name=vm-1 reason="two words" n=3 o={"a":1} error="boom\\nbang" odd\\u001b[31m="x\\u202e"',
    );
  });

  it("keeps a message that tries to be two lines on one", () => {
    const { logger, text } = setUp({ format: "text" });
    logger.info("one\ntwo\u001b[2J");
    expect(text().split("\n")).toHaveLength(2);
    expect(text()).not.toContain("\u001b");
  });

  it.each([
    ["a terminal", true, {}, true],
    ["a terminal under NO_COLOR", true, { NO_COLOR: "1" }, false],
    ["a terminal under an empty NO_COLOR", true, { NO_COLOR: "" }, true],
    ["a file", false, {}, false],
  ])("uses colours as fits %s", (_name, terminal, env, colours) => {
    const { logger, text } = setUp({ format: "text", terminal, env });
    logger.error("x");
    expect(text().includes("\u001b[")).toBe(colours);
  });
});
