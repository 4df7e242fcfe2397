import * as grpc from "@grpc/grpc-js";
import { context, createContextKey, propagation, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import type { Context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { silentLogger } from "@almanac/core";
import type { LogFields } from "@almanac/core";
import { callSignal, remainingMs } from "../src/call-signal.ts";
import { createServerInterceptor } from "../src/server-interceptor.ts";
import { GrpcError } from "../src/grpc-error.ts";
import { readErrorInfo, withErrorInfo } from "../src/error-info.ts";
import { unaryHandler } from "../src/unary-handler.ts";
import { createTestTelemetry, echo, endOf, startLoopback, unary } from "./loopback.ts";
import type { Message } from "./loopback.ts";

/** On a machine that has other things to do. */
const patience = { timeout: 15_000 };

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterAll(() => context.disable());

const activeSpanId = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId;

/** The shown name of the compatible service's methods. */
const methodName = (path: string): string => path.replace("/test.v1.Echo/Unary", "native.v1.Echo/SayBack");

describe("createClientInterceptor and createServerInterceptor", () => {
  it("make one trace of both ends, under the caller's span, with the conventions' names and attributes", async () => {
    await using loopback = await startLoopback({
      handlers: { Unary: echo },
      client: { methodName },
      server: { methodName },
    });
    const parent = loopback.atClient.tracerProvider.getTracer("test").startSpan("reconcile");
    await context.with(trace.setSpan(ROOT_CONTEXT, parent), () => unary(loopback, "hello"));
    await vi.waitFor(() => expect(loopback.atServer.spans()).toHaveLength(1), patience);
    const [client] = loopback.atClient.spans();
    const [server] = loopback.atServer.spans();
    const port = Number(loopback.address.split(":")[1]);
    expect(client).toMatchObject({
      name: "native.v1.Echo/SayBack",
      kind: SpanKind.CLIENT,
      attributes: {
        "rpc.system.name": "grpc",
        "rpc.method": "native.v1.Echo/SayBack",
        "rpc.response.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": port,
      },
    });
    expect(client?.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
    expect(server).toMatchObject({
      name: "native.v1.Echo/SayBack",
      kind: SpanKind.SERVER,
      attributes: { "server.address": "127.0.0.1", "server.port": port, "client.address": "127.0.0.1" },
    });
    expect(server?.parentSpanContext).toMatchObject({ spanId: client?.spanContext().spanId, isRemote: true });
    expect(server?.spanContext().traceId).toBe(parent.spanContext().traceId);
    expect(loopback.atServer.calls).toEqual([
      { service: "native.v1.Echo", method: "SayBack", code: "OK", durationSeconds: expect.any(Number) as number },
    ]);
    const [sample] = await loopback.atServer.samples("rpc_server_call_duration_seconds");
    expect(sample?.labels).toEqual({
      rpc_method: "native.v1.Echo/SayBack",
      rpc_system_name: "grpc",
      rpc_status_code: "OK",
    });
    expect(sample?.sum).toBeGreaterThan(0);
  });

  it("start a new trace for a caller that sends none", async () => {
    await using loopback = await startLoopback({ handlers: { Unary: echo } });
    const plain = new grpc.Client(loopback.address, grpc.credentials.createInsecure());
    const bytes = (value: Buffer): Buffer => value;
    await new Promise((resolve) =>
      plain.makeUnaryRequest("/test.v1.Echo/Unary", bytes, bytes, Buffer.from('{"text":""}'), resolve),
    );
    plain.close();
    await vi.waitFor(() => expect(loopback.atServer.spans()).toHaveLength(1), patience);
    expect(loopback.atServer.spans()[0]?.parentSpanContext).toBeUndefined();
  });

  it("leave the caller's metadata as it was and send its entries along", async () => {
    let received: grpc.MetadataValue[] = [];
    await using loopback = await startLoopback({
      handlers: {
        Unary(call, callback) {
          received = [...call.metadata.get("tenant"), ...call.metadata.get("traceparent")];
          callback(null, call.request);
        },
      },
    });
    loopback.metadata.set("tenant", "a");
    await unary(loopback, "hello");
    expect(loopback.metadata.getMap()).toEqual({ tenant: "a" });
    expect(received).toEqual(["a", expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)]);
  });

  it("carry whatever the propagator carries", async () => {
    let baggage: string | undefined;
    const propagator = new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    });
    await using loopback = await startLoopback({
      propagator,
      handlers: {
        Unary(call, callback) {
          baggage = propagation.getBaggage(context.active())?.getEntry("vm")?.value;
          callback(null, call.request);
        },
      },
    });
    const carried = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ vm: { value: "web 1" } }));
    await context.with(carried, () => unary(loopback, "hello"));
    expect(baggage).toBe("web 1");
  });

  it("run handlers in the span's context, also after awaits, in stream events and in cancel listeners", async () => {
    const active: Record<string, string | undefined> = {};
    await using loopback = await startLoopback({
      handlers: {
        Unary: unaryHandler(async (request: Message) => {
          active["unary"] = activeSpanId();
          await new Promise((resolve) => setImmediate(resolve));
          active["after an await"] = activeSpanId();
          return request;
        }),
        Chat(call) {
          call.on("data", (message: Message) => {
            active["data"] = activeSpanId();
            call.write(message, () => (active["written"] = activeSpanId()));
          });
          call.on("cancelled", () => (active["cancelled"] = activeSpanId()));
        },
      },
    });
    await unary(loopback, "hello");
    await vi.waitFor(() => expect(loopback.atServer.spans()).toHaveLength(1), patience);
    const first = loopback.atServer.spans()[0]?.spanContext().spanId;
    const chat = loopback.client.Chat(loopback.metadata, {});
    chat.write({ text: "a" });
    chat.once("data", () => chat.cancel());
    await endOf(chat);
    await vi.waitFor(() => expect(loopback.atServer.spans()).toHaveLength(2), patience);
    const second = loopback.atServer.spans()[1]?.spanContext().spanId;
    await vi.waitFor(() => expect(active["cancelled"]).toBeDefined(), patience);
    expect(active).toEqual({
      unary: first,
      "after an await": first,
      data: second,
      written: second,
      cancelled: second,
    });
  });

  it("run the caller's callbacks in the context the call was made in", async () => {
    await using loopback = await startLoopback({ handlers: { Unary: echo, Download: (call) => void call.end() } });
    const key = createContextKey("caller");
    const seen: unknown[] = [];
    await context.with(ROOT_CONTEXT.setValue(key, "me"), async () => {
      await new Promise<void>((resolve) => {
        loopback.client.Unary({ text: "a" }, loopback.metadata, {}, () => {
          seen.push(context.active().getValue(key));
          resolve();
        });
      });
      const call = loopback.client.Download({ text: "a" }, loopback.metadata, {});
      call.on("status", () => seen.push(context.active().getValue(key)));
      await endOf(call);
    });
    expect(seen).toEqual(["me", "me"]);
  });

  it("record while the span is still open and in its context, where an exemplar finds it", async () => {
    const found: (string | undefined)[] = [];
    let open: boolean | undefined;
    const telemetry = createTestTelemetry();
    const record = (_seconds: number, at?: Context): void => {
      const span = at && trace.getSpan(at);
      found.push(span?.spanContext().spanId);
      open = span?.isRecording();
    };
    const recorder = {
      record: (seconds: number, _labels: unknown, at?: Context) => record(seconds, at),
      start: () => {},
      remove: () => 0,
      bind: () => ({ record }),
    };
    const server = createServerInterceptor({
      ...telemetry,
      stack: { rpc_client_call_duration_seconds: recorder, rpc_server_call_duration_seconds: recorder },
    });
    await using loopback = await startLoopback({ handlers: { Unary: echo }, serverInterceptors: [server] });
    await unary(loopback, "hello");
    await vi.waitFor(() => expect(telemetry.spans()).toHaveLength(1), patience);
    expect(found).toEqual([telemetry.spans()[0]?.spanContext().spanId]);
    expect(open).toBe(true);
  });

  it("leave ignored paths alone", async () => {
    await using loopback = await startLoopback({
      handlers: { Unary: echo },
      server: { ignore: (path) => path === "/test.v1.Echo/Unary" },
    });
    await unary(loopback, "hello");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(loopback.atServer.spans()).toEqual([]);
    expect(await loopback.atServer.samples("rpc_server_call_duration_seconds")).toEqual([]);
  });

  it("carry the call on when a hook throws, and say which", async () => {
    const lines: (LogFields | undefined)[] = [];
    const broken = (): never => {
      throw new Error("broken hook");
    };
    await using loopback = await startLoopback({
      handlers: { Unary: echo },
      logger: { ...silentLogger, error: (_message, fields) => void lines.push(fields) },
      client: { methodName: broken, deadlineMs: broken, onCall: broken },
      server: { methodName: broken, ignore: broken, onCall: broken },
    });
    expect(await unary(loopback, "hello")).toBe(grpc.status.OK);
    await vi.waitFor(() => expect(loopback.atServer.spans()).toHaveLength(1), patience);
    expect(loopback.atServer.spans()[0]?.name).toBe("test.v1.Echo/Unary");
    expect(lines.map((fields) => fields?.["hook"]).sort()).toEqual(
      ["deadlineMs", "ignore", "methodName", "methodName", "onCall", "onCall"].sort(),
    );
  });
});

describe("deadlineMs", () => {
  it("applies when the caller set no deadline, and only then", async () => {
    const remaining: number[] = [];
    await using loopback = await startLoopback({
      handlers: {
        Unary(call, callback) {
          remaining.push(remainingMs(call));
          callback(null, call.request);
        },
      },
      client: {
        methodName,
        deadlineMs: (method, service) => (service === "native.v1.Echo" && method === "SayBack" ? 30_000 : undefined),
      },
    });
    await unary(loopback, "hello");
    await unary(loopback, "hello", { deadline: Date.now() + 600_000 });
    await unary(loopback, "hello", { deadline: Infinity });
    expect(remaining[0]).toBeGreaterThan(10_000);
    expect(remaining[0]).toBeLessThanOrEqual(30_000);
    expect(remaining[1]).toBeGreaterThan(500_000);
    expect(remaining[2]).toBe(Infinity);
  });
});

describe("callSignal", () => {
  async function reasonOf(
    act: (loopback: Awaited<ReturnType<typeof startLoopback>>) => Promise<unknown>,
  ): Promise<unknown> {
    const aborted = Promise.withResolvers<unknown>();
    await using loopback = await startLoopback({
      handlers: {
        Unary(call) {
          const signal = callSignal(call);
          signal.addEventListener("abort", () => aborted.resolve(signal.reason));
        },
      },
    });
    await act(loopback);
    return await aborted.promise;
  }

  it("aborts when the client cancels", async () => {
    expect(await reasonOf((l) => unary(l, "a", {}, (call) => void l.reached.then(() => call.cancel())))).toMatchObject({
      code: "cancelled",
    });
  });

  it("aborts when the connection is lost", async () => {
    expect(await reasonOf((l) => unary(l, "a", {}, () => void l.reached.then(() => l.cut())))).toMatchObject({
      code: "cancelled",
    });
  });

  it("aborts at the deadline", async () => {
    expect(await reasonOf((l) => unary(l, "a", { deadline: Date.now() + 300 }))).toMatchObject({
      code: "deadline_exceeded",
    });
  });

  it("does not abort once the handler has answered", async () => {
    const signals: AbortSignal[] = [];
    await using loopback = await startLoopback({
      handlers: {
        Unary(call, callback) {
          signals.push(callSignal(call));
          call.on("cancelled", () => signals.push(callSignal(call)));
          callback(null, call.request);
        },
      },
    });
    await unary(loopback, "a");
    // grpc-js reports even an answered call as cancelled in the end.
    await vi.waitFor(() => expect(signals).toHaveLength(2), patience);
    expect(signals.map((signal) => signal.aborted)).toEqual([false, false]);
  });
});

describe("unaryHandler", () => {
  async function statusOf(handle: () => Promise<Message>): Promise<grpc.ServiceError> {
    await using loopback = await startLoopback({ handlers: { Unary: unaryHandler(handle) } });
    const failed = Promise.withResolvers<grpc.ServiceError>();
    loopback.client.Unary({ text: "a" }, loopback.metadata, {}, (error) => failed.resolve(error as grpc.ServiceError));
    return await failed.promise;
  }

  it.each([
    ["a GrpcError", new GrpcError("not_found", "no such VM", { grpcCode: "NOT_FOUND" }), "NOT_FOUND", "no such VM"],
    [
      "a status with error info",
      Object.assign(
        new Error("x"),
        withErrorInfo({ code: 8, details: "disk full" }, { reason: "QuotaExceeded", domain: "a.dev" }),
      ),
      "RESOURCE_EXHAUSTED",
      "disk full",
    ],
    ["any error", new Error("broken", { cause: new Error("pipe") }), "INTERNAL", "broken: pipe"],
    ["text that is no valid Unicode", new Error("half \ud800 pair"), "INTERNAL", "half \ufffd pair"],
    ["text longer than header fields may be", new Error("x".repeat(100_000)), "INTERNAL", "x".repeat(4096)],
  ])("ends the call with the status of %s", async (_name, thrown, code, details) => {
    const error = await statusOf(() => Promise.reject(thrown));
    expect({ code: grpc.status[error.code], details: error.details }).toEqual({ code, details });
    expect(readErrorInfo(error)).toEqual(readErrorInfo(thrown));
  });

  it("turns a handler that throws before its first await into a status too", async () => {
    const error = await statusOf(() => {
      throw new Error("at once");
    });
    expect(error.details).toBe("at once");
  });

  it("hands over deadline, peer, metadata and a signal, and ends with what toStatus says", async () => {
    const calls: unknown[] = [];
    await using loopback = await startLoopback({
      handlers: {
        Unary: unaryHandler(
          (request: Message, call): Promise<Message> => {
            calls.push([
              request.text,
              call.deadline,
              call.peer.split(":")[0],
              call.metadata.get("tenant"),
              call.signal.aborted,
            ]);
            return Promise.reject(new Error("x"));
          },
          { toStatus: () => ({ code: grpc.status.FAILED_PRECONDITION, details: "powered on" }) },
        ),
      },
    });
    loopback.metadata.set("tenant", "a");
    const deadline = Date.now() + 60_000;
    expect(await unary(loopback, "hello", { deadline })).toBe(grpc.status.FAILED_PRECONDITION);
    expect(await unary(loopback, "again")).toBe(grpc.status.FAILED_PRECONDITION);
    expect(calls).toEqual([
      ["hello", expect.any(Date), "127.0.0.1", ["a"], false],
      ["again", undefined, "127.0.0.1", ["a"], false],
    ]);
  });
});
