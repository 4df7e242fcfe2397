import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { systemClock } from "@almanac/core";
import { startMockProvider } from "@almanac/provider-mock";
import { createNoopTelemetry } from "@almanac/telemetry";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Provider } from "../api/provider.ts";
import { closeWorlds, startProxy, until } from "../world.test.helper.ts";
import { createProviderPool, Throttled } from "./pool.ts";
import type { ProviderHandle } from "./pool.ts";

type Spec = Partial<Provider["spec"]>;

function providerWith(spec: Spec): Provider {
  return {
    metadata: { namespace: "default", name: "lab", uid: "uid-1" },
    spec: { type: "mock", endpoint: "mock:///", runtime: {}, ...spec },
  } as Provider;
}

const signal = new AbortController().signal;
const lend = <T>(waiting: Promise<T>): Promise<T> => waiting;
const slowCalls = 8;
const telemetry = createNoopTelemetry();
const ask = (handle: ProviderHandle): Promise<unknown> => handle.call("listVMs", {}, { signal, lend, ticket: "one" });
const askTimes = (handle: ProviderHandle, times: number): Promise<unknown[]> =>
  Promise.all(Array.from({ length: times }, () => ask(handle)));

/** A mock that takes 60 ms for each answer, behind something that counts connections, and a pool. */
async function createLab() {
  const clock = createVirtualClock();
  const mock = await startMockProvider({
    providerType: "mock",
    providerName: "lab",
    port: 0,
    tls: "insecure",
    telemetry,
    delays: { rpcMs: { min: 60, max: 60 } },
    drainMs: 100,
  });
  const proxy = await startProxy(mock.port);
  const pool = createProviderPool({
    telemetry,
    tls: "insecure",
    providerEndpoint: () => proxy.address,
    slowCalls,
    clock,
  });
  onTestFinished(async () => {
    pool[Symbol.dispose]();
    await mock.shutdown();
    await closeWorlds();
  });
  return { clock, proxy, pool };
}

describe("the connections to a Provider", () => {
  it("are as many as its object allows while requests are under way, and fewer when none is", async () => {
    const { pool, proxy, clock } = await createLab();
    const pooling = { maxConnections: 3, maxIdleConnections: 2, idleTimeout: "5m", connectionTimeout: "10s" };
    const handle = pool.get(providerWith({ connectionPooling: pooling }));
    await ask(handle);
    expect(proxy.open).toBe(1);
    await askTimes(handle, 9);
    expect(proxy.most).toBe(3);
    await until("one too many closed", () => proxy.open === 2);
    // One request at a time keeps one connection, and the other goes.
    await clock.advance(200_000);
    await ask(handle);
    await clock.advance(200_000);
    await until("the unused one closed", () => proxy.open === 1);
    await clock.advance(99_000);
    await ask(handle);
    expect(proxy.open).toBe(1);
    await clock.advance(300_000);
    await until("all closed", () => proxy.open === 0);
    await askTimes(handle, 2);
    expect(proxy.open).toBe(2);
    expect(proxy.most).toBe(3);
  });

  it("are one that stays without the field, and new ones when the field changes", async () => {
    const { pool, proxy, clock } = await createLab();
    const handle = pool.get(providerWith({}));
    await askTimes(handle, 8);
    await clock.advance(86_400_000);
    expect([proxy.open, proxy.most]).toEqual([1, 1]);
    pool.get(providerWith({ connectionPooling: { maxConnections: 2 } }));
    await until("closed", () => proxy.open === 0);
    await askTimes(handle, 8);
    expect(proxy.open).toBe(2);
    pool.remove("default/lab");
    await until("all closed", () => proxy.open === 0);
    await expect(ask(handle)).rejects.toThrow("the Provider was deleted");
  });

  it("are given up when they are not made in time", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await until("listening", () => silent.listening);
    onTestFinished(() => void silent.close());
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    using pool = createProviderPool({
      telemetry,
      tls: "insecure",
      providerEndpoint: () => address,
      slowCalls,
      clock: systemClock,
    });
    const handle = pool.get(providerWith({ connectionPooling: { connectionTimeout: "80ms" } }));
    await expect(ask(handle)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "ConnectionFailed",
      details: "no connection was made within 80 ms",
    });
  });

  it("need durations that can be read", () => {
    using pool = createProviderPool({ telemetry, tls: "insecure", slowCalls, clock: systemClock });
    const wrong = (connectionPooling: Spec["connectionPooling"]) => () =>
      void pool.get(providerWith({ connectionPooling: connectionPooling ?? {} }));
    expect(wrong({ idleTimeout: "soon" })).toThrow(
      'spec.connectionPooling of Provider default/lab: idleTimeout is "soon"; write a duration',
    );
    expect(wrong({ connectionTimeout: "-1s" })).toThrow('connectionTimeout is "-1s"');
  });
});

describe("the rate limit of a Provider", () => {
  it("says when to come back, and keeps a token for the same question of the same one", async () => {
    const { pool, clock } = await createLab();
    const handle = pool.get(providerWith({ rateLimit: { qps: 1, burst: 1 } }));
    // 0: it was sent, whatever was answered.
    const asks = (ticket: string, method: "listVMs" | "getCapabilities" | "describeVM") =>
      handle.call(method, {}, { signal, lend, ticket }).then(
        () => 0,
        (thrown: unknown) => (thrown instanceof Throttled ? thrown.afterMs : 0),
      );
    expect(await asks("a", "listVMs")).toBe(0);
    expect(await asks("a", "listVMs")).toBe(1_000);
    expect(await asks("a", "listVMs")).toBe(1_000);
    expect(await asks("a", "describeVM")).toBe(2_000);
    expect(await asks("b", "listVMs")).toBe(3_000);
    expect(await asks("b", "getCapabilities")).toBe(0);
    await clock.advance(2_000);
    // Two questions in a row of one who starts over: neither takes the token of the other.
    expect(await asks("a", "listVMs")).toBe(0);
    expect(await asks("a", "describeVM")).toBe(0);
    expect(await asks("b", "listVMs")).toBe(1_000);
  });
});
