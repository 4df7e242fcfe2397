import { Writable } from "node:stream";
import { Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { virtrigaud } from "@almanac/catalog";
import { describeError } from "@almanac/core";
import { clientCredentials, createCircuitBreaker } from "@almanac/grpc";
import { createNoopTelemetry, startTelemetry, type Telemetry } from "@almanac/telemetry";
import { createProviderClient, type ProviderClient, type ProviderClientOptions } from "./client.ts";
import { createStandardProbes } from "./conformance/standard-probes.ts";
import type { ProviderFunction } from "./contract.ts";
import { methods } from "./contract.ts";
import { ProviderError } from "./error.ts";
import type { ProviderHandlers } from "./handlers.ts";
import { startProviderServer, type ProviderServer, type ProviderServerOptions, type RpcRecord } from "./server.ts";

let telemetry: Telemetry;
let logLines: string[];
const opened: (Disposable | AsyncDisposable)[] = [];

beforeEach(async () => {
  logLines = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      logLines.push(chunk.toString());
      done();
    },
  });
  telemetry = await startTelemetry({
    serviceName: "virtrigaud-provider",
    owner: "provider",
    catalogs: [virtrigaud],
    metrics: {},
    logs: { destination },
    known: { provider_type: ["mock"], provider: ["lab"] },
    env: {},
  });
});
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) {
    if (Symbol.asyncDispose in thing) await thing[Symbol.asyncDispose]();
    else thing[Symbol.dispose]();
  }
  await telemetry.shutdown();
});

/** Handlers that refuse everything except what the test gives. */
function handlers(given: Partial<ProviderHandlers>): ProviderHandlers {
  const refuse = () => Promise.reject(new ProviderError("UNIMPLEMENTED", "not offered"));
  const all = Object.fromEntries(methods.map((entry) => [entry.function, refuse]));
  return { ...all, ...given } as unknown as Record<ProviderFunction, never>;
}

async function serve(
  given: Partial<ProviderHandlers>,
  options: Partial<ProviderServerOptions> = {},
): Promise<{ server: ProviderServer; connect: (options?: Partial<ProviderClientOptions>) => ProviderClient }> {
  const server = await startProviderServer({
    handlers: handlers(given),
    telemetry,
    providerType: "mock",
    providerName: "lab",
    port: 0,
    tls: "insecure",
    ...options,
  });
  opened.push(server);
  const connect = (clientOptions: Partial<ProviderClientOptions> = {}): ProviderClient => {
    const client = createProviderClient({
      address: server.address,
      tls: "insecure",
      telemetry: createNoopTelemetry(),
      ...clientOptions,
    });
    opened.push(client);
    return client;
  };
  return { server, connect };
}

/** Non-zero samples of a family, labels without provider_type. */
async function samples(family: string): Promise<Record<string, number>> {
  const page = await (await fetch(`${telemetry.metricsUrl}/metrics`)).text();
  const found: Record<string, number> = {};
  for (const [, labels = "", value] of page.matchAll(new RegExp(`^${family}\\{(.*)\\} (\\S+)$`, "gm"))) {
    if (Number(value) !== 0)
      found[labels.replaceAll(/provider_type="mock",?|component="provider",?|"/g, "").replace(/,$/, "")] =
        Number(value);
  }
  return found;
}

/** Resolves when as many RPCs have ended as asked for. */
function recorder(): {
  records: RpcRecord[];
  onRpc: (record: RpcRecord) => void;
  ended: (count: number) => Promise<void>;
} {
  const records: RpcRecord[] = [];
  let wake = (): void => undefined;
  return {
    records,
    onRpc: (record) => {
      records.push(record);
      wake();
    },
    async ended(count) {
      while (records.length < count) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

describe("startProviderServer", () => {
  it("counts RPCs of both services under native names, and health and reflection not at all", async () => {
    const { server, connect } = await serve({ validate: () => Promise.resolve({ ok: true }) });
    await connect().validate({});
    await connect({ service: "compatible" }).validate({});
    await connect({ service: "compatible" })
      .createVM({ name: "a" })
      .catch(() => undefined);
    const probes = createStandardProbes(server.address, "insecure");
    opened.push(probes);
    expect(await probes.health("")).toBe("SERVING");
    expect(await probes.reflectedServices()).toEqual(
      expect.arrayContaining(["provider.v1.Provider", "almanac.provider.v1.Provider", "grpc.health.v1.Health"]),
    );
    expect(await samples("virtrigaud_provider_rpc_requests_total")).toEqual({
      "method=Validate,code=OK": 2,
      "method=CreateVM,code=UNIMPLEMENTED": 1,
    });
    expect(await samples("virtrigaud_provider_rpc_latency_seconds_count")).toEqual({
      "method=Validate": 2,
      "method=CreateVM": 1,
    });
    expect(await samples("virtrigaud_build_info")).toEqual({
      [`version=0.1.0,git_sha=unknown,go_version=node${process.versions.node}`]: 1,
    });
  });

  it("counts an error once and sends it on as ErrorInfo", async () => {
    const { connect } = await serve({
      describeVM: () =>
        Promise.reject(new ProviderError("UNAVAILABLE", "no route to the host", { reason: "TLSError" })),
    });
    await expect(connect().describeVM({ id: "a" })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      details: "no route to the host",
      reason: "TLSError",
      counted: true,
    });
    await expect(connect().describeVM({ id: "" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT", counted: true });
    expect(await samples("virtrigaud_errors_total")).toEqual({ "reason=TLSError": 1, "reason=InvalidSpec": 1 });
  });

  it.each([
    ["rejects", () => Promise.reject(new TypeError("secret is undefined"))],
    [
      "throws",
      () => {
        throw new TypeError("secret is undefined");
      },
    ],
  ])(
    "answers INTERNAL without its text when a handler %s with a foreign error, and logs it with the trace id",
    async (_how, describeVM) => {
      const { connect } = await serve({ describeVM });
      const error: unknown = await connect()
        .describeVM({ id: "a" })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "INTERNAL", reason: "Internal", counted: true });
      expect((error as ProviderError).details).not.toContain("secret");
      const line = logLines
        .map((text) => JSON.parse(text) as Record<string, unknown>)
        .find(({ method }) => method === "DescribeVM");
      expect(line).toMatchObject({ error: "secret is undefined" });
      expect(line?.["traceId"]).toMatch(/^[0-9a-f]{32}$/);
      expect(await samples("virtrigaud_errors_total")).toEqual({ "reason=Internal": 1 });
    },
  );

  it("hands a handler the parsed documents, the deadline and the service it was called under", async () => {
    const seen: unknown[] = [];
    const { connect } = await serve({
      createVM: (request, call) => {
        seen.push([
          request.name,
          call.documents.class.CPU,
          call.service,
          call.method,
          (call.deadline?.getTime() ?? 0) > Date.now(),
        ]);
        return Promise.resolve({ id: "vm-1" });
      },
    });
    await connect({ service: "compatible" }).createVM({ name: "a", classJson: '{"CPU":3}' });
    expect(seen).toEqual([["a", 3, "compatible", "CreateVM", true]]);
  });

  it("aborts the handler's signal when the client cancels, counts the RPC as CANCELLED and no error", async () => {
    const { onRpc, ended, records } = recorder();
    let started = (): void => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const { connect } = await serve(
      {
        describeVM: (_request, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason as Error));
            started();
          }),
      },
      { onRpc },
    );
    const controller = new AbortController();
    const call = connect().describeVM({ id: "a" }, { signal: controller.signal });
    await running;
    controller.abort(new Error("enough"));
    await expect(call).rejects.toMatchObject({ code: "CANCELLED", counted: false });
    await ended(1);
    expect(records).toMatchObject([{ method: "DescribeVM", code: "CANCELLED" }]);
    expect(await samples("virtrigaud_errors_total")).toEqual({});
    expect(await samples("virtrigaud_provider_rpc_requests_total")).toEqual({ "method=DescribeVM,code=CANCELLED": 1 });
  });

  it("ends an RPC at its deadline, and the handler's signal with it", async () => {
    const { onRpc, ended, records } = recorder();
    let aborted: unknown;
    const { connect } = await serve(
      {
        listVMs: (_request, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              aborted = signal.reason;
              reject(signal.reason as Error);
            });
          }),
      },
      { onRpc },
    );
    await expect(connect().listVMs({}, { deadlineMs: 50 })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      counted: false,
    });
    await ended(1);
    expect(records[0]?.code).toBe("DEADLINE_EXCEEDED");
    expect(aborted).toBeInstanceOf(Error);
  });

  it("refuses messages beyond its bound", async () => {
    const { connect } = await serve(
      { createVM: () => Promise.resolve({ id: "x".repeat(20_000) }) },
      { maxMessageBytes: 10_000 },
    );
    const large = connect().createVM({ name: "a", userData: new Uint8Array(20_000) });
    await expect(large).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    await expect(connect().createVM({ name: "a" })).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });

  it("answers a request that is no such message with an error and goes on", async () => {
    const { server, connect } = await serve({ validate: () => Promise.resolve({ ok: true }) });
    const client = new Client(server.address, clientCredentials("insecure"));
    opened.push({ [Symbol.dispose]: () => client.close() });
    const error = await new Promise<ServiceError | null>((resolve) => {
      const bytes = (value: Buffer): Buffer => value;
      const path = "/provider.v1.Provider/Describe";
      client.makeUnaryRequest(path, bytes, bytes, Buffer.from([0x0a, 0xff]), new Metadata(), (thrown) =>
        resolve(thrown),
      );
    });
    expect(error?.code).not.toBe(2);
    expect((await connect().validate({})).ok).toBe(true);
  });

  it("continues the trace of the caller", async () => {
    const exporter = new InMemorySpanExporter();
    const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    const traced: Telemetry = { ...telemetry, tracerProvider };
    const { connect } = await serve({ validate: () => Promise.resolve({ ok: true }) }, { telemetry: traced });
    await connect({ telemetry: traced, service: "compatible" }).validate({});
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name }) => name)).toEqual(Array(2).fill("almanac.provider.v1.Provider/Validate"));
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
  });

  it("says at once that a port is taken", async () => {
    const { server } = await serve({});
    await expect(serve({}, { port: server.port })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      details: expect.stringContaining(`127.0.0.1:${server.port}`),
    });
  });
});

describe("shutdown", () => {
  it("lets RPCs in flight end, even while a client watches its health", async () => {
    let finish = (): void => undefined;
    let started = (): void => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const { server, connect } = await serve({
      describeVM: () =>
        new Promise((resolve) => {
          finish = () => resolve({ exists: true });
          started();
        }),
    });
    const watcher = new Client(server.address, clientCredentials("insecure"));
    opened.push({ [Symbol.dispose]: () => watcher.close() });
    const bytes = (value: Buffer): Buffer => value;
    const watch = watcher.makeServerStreamRequest("/grpc.health.v1.Health/Watch", bytes, bytes, Buffer.alloc(0));
    const statuses: string[] = [];
    watch.on("data", (reply: Buffer) => statuses.push(reply.toString("hex")));
    const watchEnded = new Promise<void>((resolve) => watch.on("close", resolve));
    watch.on("error", () => undefined);
    const call = connect().describeVM({ id: "a" });
    await running;
    expect(await telemetry.health.readiness.run()).toMatchObject({ ok: true });
    const down = server.shutdown();
    expect(await telemetry.health.readiness.run()).toMatchObject({ ok: false });
    finish();
    expect((await call).exists).toBe(true);
    await down;
    await watchEnded;
    // HealthCheckResponse.status: SERVING, then NOT_SERVING.
    expect(statuses).toEqual(["0801", "0802"]);
  });

  it("cuts off what has not ended when the drain is over", async () => {
    const { onRpc, ended, records } = recorder();
    let started = (): void => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const { server, connect } = await serve(
      {
        describeVM: (_request, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason as Error));
            started();
          }),
      },
      { drainMs: 20, onRpc },
    );
    const call = connect().describeVM({ id: "a" });
    const failed = expect(call).rejects.toMatchObject({ name: "ProviderError" });
    await running;
    await server.shutdown();
    await failed;
    await ended(1);
    expect(records[0]?.code).toBe("CANCELLED");
  });
});

describe("createProviderClient", () => {
  it("feeds a breaker: ok=false and UNAVAILABLE are failures, NOT_FOUND is none", async () => {
    const failures: unknown[] = [];
    const breaker = createCircuitBreaker({ failureThreshold: 3, onFailure: (error) => failures.push(error) });
    opened.push(breaker);
    let ok = false;
    const { connect } = await serve({
      validate: () => Promise.resolve({ ok, message: "no licence" }),
      describeVM: () => Promise.reject(new ProviderError("UNAVAILABLE", "gone")),
      deleteVM: () => Promise.reject(new ProviderError("NOT_FOUND", "no VM")),
    });
    const client = connect({ breaker });
    expect(await client.validate({})).toMatchObject({ ok: false, message: "no licence" });
    await expect(client.describeVM({ id: "a" })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(client.deleteVM({ id: "a" })).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(failures).toHaveLength(2);
    for (let count = 0; count < 3; count++) await client.validate({}).catch(() => undefined);
    expect(breaker.state).toBe("open");
    ok = true;
    await expect(client.validate({})).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "CircuitOpen",
      counted: false,
    });
    const said = describeError(await client.validate({}).catch((thrown: unknown) => thrown));
    expect(said.match(/circuit is open/g), said).toHaveLength(1);
  });

  it("uses the contract's deadlines, or those it is given", async () => {
    const left: number[] = [];
    const { connect } = await serve({
      taskStatus: (_request, { deadline }) => {
        left.push(Math.round(((deadline?.getTime() ?? 0) - Date.now()) / 1000));
        return Promise.resolve({ done: true });
      },
    });
    const task = { id: "t" };
    await connect().taskStatus({ task });
    await connect({ deadlinesMs: { TaskStatus: 40_000 } }).taskStatus({ task });
    await connect().taskStatus({ task }, { deadlineMs: 70_000 });
    expect(left).toEqual([10, 40, 70]);
  });

  it("does not send what was cancelled before, and says when nobody is there", async () => {
    const { server, connect } = await serve({ validate: () => Promise.resolve({ ok: true }) });
    const client = connect();
    await expect(client.validate({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELLED" });
    const closed = connect();
    closed[Symbol.dispose]();
    await expect(closed.validate({})).rejects.toMatchObject({ code: "CANCELLED" });
    await server.shutdown();
    await expect(client.validate({})).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "ConnectionFailed",
      counted: false,
    });
  });
});
