import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { afterEach, describe, expect, it } from "vitest";
import { createHealth } from "./health.ts";
import { createPrometheusReader } from "./reader.ts";
import { startMetricsServer, type MetricsServer, type MetricsServerOptions } from "./server.ts";
import type { Scrape } from "./scrape.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function setUp(options: MetricsServerOptions = {}) {
  const reader = createPrometheusReader();
  const provider = new MeterProvider({ readers: [reader] });
  const server = await startMetricsServer(reader, options);
  cleanUps.push(() => server.close());
  return { server, provider, meter: provider.getMeter("test") };
}

function open(server: MetricsServer): Socket {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  cleanUps.push(() => socket.destroy());
  return socket;
}

/** Everything the server sends until it closes the connection. */
async function exchange(server: MetricsServer, request: string): Promise<string> {
  const socket = open(server);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
  socket.write(request);
  await once(socket, "close");
  return received;
}

describe("startMetricsServer", () => {
  it("serves pages as negotiated and accounts for each", async () => {
    const scrapes: Scrape[] = [];
    const { server, meter } = await setUp({ onScrape: (scrape) => scrapes.push(scrape) });
    meter.createCounter("hits").add(1);
    const text = await fetch(`${server.url}/metrics?name=x`, { headers: { "accept-encoding": "identity" } });
    expect(Object.fromEntries(text.headers)).toMatchObject({
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
      vary: "Accept, Accept-Encoding",
      "content-length": "39",
    });
    expect(await text.text()).toBe("# TYPE hits_total counter\nhits_total 1\n");
    const headers = { accept: "application/openmetrics-text", "accept-encoding": "gzip" };
    const openMetrics = await fetch(`${server.url}/metrics`, { headers });
    expect(openMetrics.headers.get("content-encoding")).toBe("gzip");
    expect(openMetrics.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(await openMetrics.text()).toContain("# EOF");
    expect(scrapes).toMatchObject([
      { format: "text", bytes: 39 },
      { format: "openmetrics", bytes: 39 },
    ]);
    expect(scrapes.every(({ durationSeconds }) => durationSeconds > 0 && durationSeconds < 10)).toBe(true);
  });

  it("answers HEAD with the headers alone and does not count it", async () => {
    const scrapes: Scrape[] = [];
    const { server, meter } = await setUp({ onScrape: (scrape) => scrapes.push(scrape) });
    meter.createCounter("hits").add(1);
    const answer = await exchange(server, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(answer.toLowerCase()).toContain("content-length: 39\r\n");
    expect(answer.endsWith("\r\n\r\n")).toBe(true);
    expect(scrapes).toEqual([]);
  });

  it("answers 500 with the reason, never an empty page, when nothing could be collected", async () => {
    const { server, meter } = await setUp();
    meter.createObservableGauge("broken").addCallback(() => Promise.reject(new Error("no device")));
    const answer = await fetch(`${server.url}/metrics`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).toContain("no device");
  });

  it("tells health by name, with 503 as soon as one check fails", async () => {
    const health = createHealth();
    const { server } = await setUp({ health });
    health.readiness.add("cache", () => "not synced");
    health.readiness.add("lease", () => true);
    const live = await fetch(`${server.url}/healthz`);
    expect([live.status, await live.json()]).toEqual([200, { status: "ok", checks: {} }]);
    const ready = await fetch(`${server.url}/readyz`);
    expect(ready.headers.get("content-type")).toContain("application/json");
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: "failing", checks: { cache: "not synced", lease: "ok" } },
    ]);
  });

  it("is well without any health to ask", async () => {
    const { server } = await setUp();
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it.each([
    ["GET", "/", 200, null],
    ["GET", "/nothing", 404, null],
    ["POST", "/nothing", 404, null],
    ["GET", "/metrics/", 404, null],
    ["POST", "/metrics", 405, "GET, HEAD"],
    ["OPTIONS", "/healthz", 405, "GET, HEAD"],
    ["DELETE", "/", 405, "GET, HEAD"],
  ])("answers %s %s with %i", async (method, path, status, allow) => {
    const { server } = await setUp();
    const answer = await fetch(`${server.url}${path}`, { method });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("allow")).toBe(allow);
  });

  it.each([
    ["a length", "Content-Length: 5\r\n\r\nhello"],
    ["chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    ["an announced body", "Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"],
  ])("refuses a request with %s, whatever its method, and closes the connection", async (_name, rest) => {
    const { server } = await setUp();
    expect(await exchange(server, `GET /metrics HTTP/1.1\r\nHost: x\r\n${rest}`)).toMatch(/^HTTP\/1.1 413 /);
    const answer = await exchange(server, `POST /metrics HTTP/1.1\r\nHost: x\r\n${rest}`);
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer).toMatch(/^allow: GET, HEAD\r$/im);
    expect(answer).toMatch(/^connection: close\r$/im);
  });

  it.each([
    ["too large a header", `GET /metrics HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, 431],
    ["no HTTP at all", "hello\r\n\r\n", 400],
  ])("refuses %s", async (_name, request, status) => {
    const { server } = await setUp();
    expect(await exchange(server, request)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it("gives up on a client that does not finish, or even start, its request", async () => {
    const { server } = await setUp({ requestTimeoutMs: 100 });
    expect(await exchange(server, "GET /metrics HTTP/1.1\r\nHost:")).toMatch(/^HTTP\/1.1 408 /);
    expect(await exchange(server, "")).toMatch(/^HTTP\/1.1 408 /);
  });

  it("cuts off a client that does not fetch its answer", async () => {
    const { server, meter } = await setUp({ responseTimeoutMs: 100 });
    // More than the sockets' buffers hold.
    const gauge = meter.createGauge("g");
    for (let series = 0; series < 1900; series++) gauge.record(series, { k: `${series}`.padEnd(8_000, "x") });
    const socket = open(server);
    socket.pause();
    socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 400));
    let received = 0;
    socket.on("data", (chunk: Buffer) => (received += chunk.byteLength));
    socket.resume();
    await once(socket, "close");
    expect(received).toBeLessThan(1900 * 8_000);
  });

  it("refuses connections beyond its limit", async () => {
    const { server } = await setUp({ maxConnections: 1 });
    const first = open(server);
    await once(first, "connect");
    first.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(first, "data");
    const second = open(server);
    second.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let received = 0;
    second.on("data", (chunk: Buffer) => (received += chunk.byteLength));
    await once(second, "close");
    expect(received).toBe(0);
  });

  it("names the address that is taken", async () => {
    const { server } = await setUp();
    const second = startMetricsServer(createPrometheusReader(), { port: server.port });
    await expect(second).rejects.toMatchObject({
      code: "address_in_use",
      message: expect.stringContaining(`127.0.0.1:${server.port} is in use`) as string,
    });
  });

  it("says why it cannot listen elsewhere", async () => {
    const starting = startMetricsServer(createPrometheusReader(), { host: "192.0.2.1" });
    await expect(starting).rejects.toMatchObject({
      code: "listen_failed",
      message: expect.stringContaining("192.0.2.1:0") as string,
    });
  });

  it.each([{ port: -1 }, { port: 65_536 }, { port: 1.5 }, { maxConnections: 0 }, { requestTimeoutMs: NaN }])(
    "refuses %j",
    async (options) => {
      await expect(startMetricsServer(createPrometheusReader(), options)).rejects.toMatchObject({
        code: "invalid_options",
      });
    },
  );

  it("ends idle connections at once and lets a running request finish", async () => {
    let arrived = (): void => {};
    const waiting = new Promise<void>((resolve) => (arrived = resolve));
    let release = (): void => {};
    const health = createHealth();
    health.liveness.add("slow", () => {
      arrived();
      return new Promise<true>((resolve) => (release = () => resolve(true)));
    });
    const { server } = await setUp({ health });
    const idle = open(server);
    idle.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(idle, "data");
    const running = fetch(`${server.url}/healthz`);
    await waiting;
    const closed = server.close();
    await once(idle, "close");
    release();
    expect((await running).status).toBe(200);
    await closed;
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    await server.close();
  });

  it("cuts off what still runs when the time to close is over", async () => {
    let arrived = (): void => {};
    const waiting = new Promise<void>((resolve) => (arrived = resolve));
    const health = createHealth();
    health.liveness.add("hangs", () => {
      arrived();
      return new Promise<true>(() => {});
    });
    const { server } = await setUp({ health, closeTimeoutMs: 50 });
    const running = fetch(`${server.url}/healthz`);
    const failing = expect(running).rejects.toThrow();
    await waiting;
    await server.close();
    await failing;
  });

  it("closes when its signal aborts, and does not start under an aborted one", async () => {
    const controller = new AbortController();
    const { server } = await setUp({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await server.close();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    await expect(startMetricsServer(createPrometheusReader(), { signal: controller.signal })).rejects.toThrow("enough");
  });
});
