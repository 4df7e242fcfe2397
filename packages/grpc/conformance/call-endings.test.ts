import * as grpc from "@grpc/grpc-js";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { describe, expect, it, vi } from "vitest";
import type { GrpcCode } from "@almanac/catalog";
import { unaryHandler } from "../src/unary-handler.ts";
import { echo, endOf, read, startLoopback, unary, write } from "./loopback.ts";
import type { Loopback, LoopbackOptions, Message } from "./loopback.ts";

const silent = (): void => {};

const chatBack: grpc.handleBidiStreamingCall<Message, Message> = (call) => {
  call.on("data", (message: Message) => call.write(message));
  call.on("end", () => call.end());
};

interface Ending extends Omit<LoopbackOptions, "client" | "server"> {
  readonly how: string;
  /** What the caller gets and the client records. */
  readonly atClient: GrpcCode;
  /** What the server records; undefined when the call never reached an interceptor there. */
  readonly atServer: GrpcCode | undefined;
  run(loopback: Loopback): Promise<grpc.status>;
}

const endings: readonly Ending[] = [
  { how: "an answer", handlers: { Unary: echo }, run: (l) => unary(l, "hello"), atClient: "OK", atServer: "OK" },
  {
    how: "a status of the handler",
    handlers: { Unary: (_call, callback) => callback({ code: grpc.status.NOT_FOUND, details: "no such VM" }) },
    run: (l) => unary(l, "hello"),
    atClient: "NOT_FOUND",
    atServer: "NOT_FOUND",
  },
  {
    how: "a handler that throws",
    handlers: {
      Unary() {
        throw new Error("broken");
      },
    },
    run: (l) => unary(l, "hello"),
    atClient: "UNKNOWN",
    atServer: "UNKNOWN",
  },
  {
    how: "an async handler that rejects",
    handlers: { Unary: unaryHandler(() => Promise.reject(new Error("broken"))) },
    run: (l) => unary(l, "hello"),
    atClient: "INTERNAL",
    atServer: "INTERNAL",
  },
  {
    how: "a cancel while the handler works",
    handlers: { Unary: silent },
    run: (l) => unary(l, "hello", {}, (call) => void l.reached.then(() => call.cancel())),
    atClient: "CANCELLED",
    atServer: "CANCELLED",
  },
  {
    how: "a cancel before anything was sent",
    handlers: { Unary: echo },
    run: (l) => unary(l, "hello", {}, (call) => call.cancel()),
    atClient: "CANCELLED",
    atServer: undefined,
  },
  {
    how: "a cancel by an interceptor that never let it start",
    handlers: { Unary: echo },
    above: [
      (options, nextCall) =>
        new grpc.InterceptingCall(nextCall(options), {
          start(_metadata, listener) {
            setImmediate(() =>
              listener.onReceiveStatus({
                code: grpc.status.CANCELLED,
                details: "held back",
                metadata: new grpc.Metadata(),
              }),
            );
          },
        }),
    ],
    run: (l) => unary(l, "hello", {}, (call) => call.cancel()),
    atClient: "CANCELLED",
    atServer: undefined,
  },
  {
    how: "a handler that answers after the cancel",
    handlers: {
      Unary: (call, callback) => {
        call.on("cancelled", () => callback(null, call.request));
      },
    },
    run: (l) => unary(l, "hello", {}, (call) => void l.reached.then(() => call.cancel())),
    atClient: "CANCELLED",
    atServer: "CANCELLED",
  },
  {
    how: "a deadline while the handler never answers",
    handlers: { Unary: silent },
    run: (l) => unary(l, "hello", { deadline: Date.now() + 400 }),
    atClient: "DEADLINE_EXCEEDED",
    atServer: "DEADLINE_EXCEEDED",
  },
  {
    how: "a deadline in the past",
    handlers: { Unary: echo },
    run: (l) => unary(l, "hello", { deadline: Date.now() - 1 }),
    atClient: "DEADLINE_EXCEEDED",
    atServer: undefined,
  },
  {
    how: "a lost connection",
    handlers: { Unary: silent },
    run: (l) => unary(l, "hello", {}, () => void l.reached.then(() => l.cut())),
    atClient: "UNAVAILABLE",
    atServer: "CANCELLED",
  },
  {
    how: "a server that is shut down",
    handlers: { Unary: silent },
    run: (l) => unary(l, "hello", {}, () => void l.reached.then(() => l.server.forceShutdown())),
    atClient: "CANCELLED",
    atServer: "CANCELLED",
  },
  {
    how: "nobody at the address",
    run: async (l) => {
      l.server.forceShutdown();
      return unary(l, "hello");
    },
    atClient: "UNAVAILABLE",
    atServer: undefined,
  },
  {
    how: "a client closed while it waits for a connection",
    run: async (l) => {
      l.server.forceShutdown();
      const metadata = new grpc.Metadata({ waitForReady: true });
      return unary({ ...l, metadata }, "hello", {}, () => setImmediate(() => l.client.close()));
    },
    atClient: "UNAVAILABLE",
    atServer: undefined,
  },
  {
    how: "a method nobody implements",
    run: (l) =>
      new Promise((resolve) => {
        l.client.makeUnaryRequest("/test.v1.Echo/Missing", write, read, { text: "" }, (error) =>
          resolve(error?.code ?? 0),
        );
      }),
    atClient: "UNIMPLEMENTED",
    atServer: undefined,
  },
  {
    how: "a request larger than the server takes",
    handlers: { Unary: echo },
    serverOptions: { "grpc.max_receive_message_length": 100 },
    run: (l) => unary(l, "x".repeat(200)),
    atClient: "RESOURCE_EXHAUSTED",
    atServer: "RESOURCE_EXHAUSTED",
  },
  {
    how: "a request larger than the client sends",
    handlers: { Unary: echo },
    channelOptions: { "grpc.max_send_message_length": 100 },
    run: (l) => unary(l, "x".repeat(200)),
    atClient: "RESOURCE_EXHAUSTED",
    atServer: undefined,
  },
  {
    how: "an answer larger than the server sends",
    handlers: { Unary: echo },
    serverOptions: { "grpc.max_send_message_length": 100 },
    run: (l) => unary(l, "x".repeat(200)),
    atClient: "RESOURCE_EXHAUSTED",
    atServer: "RESOURCE_EXHAUSTED",
  },
  {
    how: "an answer larger than the client takes",
    handlers: { Unary: echo },
    channelOptions: { "grpc.max_receive_message_length": 100 },
    run: (l) => unary(l, "x".repeat(200)),
    atClient: "RESOURCE_EXHAUSTED",
    atServer: "OK",
  },
  {
    how: "a request the server cannot read",
    handlers: { Unary: echo },
    run: (l) => unary(l, "unreadable"),
    atClient: "INTERNAL",
    atServer: "INTERNAL",
  },
  {
    how: "an answer the server cannot write",
    handlers: { Unary: (_call, callback) => callback(null, { text: "unwritable" }) },
    run: (l) => unary(l, "hello"),
    atClient: "INTERNAL",
    atServer: "INTERNAL",
  },
  {
    how: "an answer the client cannot read",
    handlers: { Unary: (_call, callback) => callback(null, { text: "unreadable" }) },
    run: (l) => unary(l, "hello"),
    atClient: "INTERNAL",
    atServer: "OK",
  },
  {
    how: "a stream of answers read to its end",
    handlers: {
      Download(call) {
        for (const text of ["a", "b", "c"]) call.write({ text });
        call.end();
      },
    },
    run: (l) => endOf(l.client.Download({ text: "" }, l.metadata, {})),
    atClient: "OK",
    atServer: "OK",
  },
  {
    how: "an error in a stream of answers",
    handlers: {
      Download(call) {
        call.write({ text: "a" });
        call.emit("error", { code: grpc.status.ABORTED, details: "try again" });
      },
    },
    run: (l) => endOf(l.client.Download({ text: "" }, l.metadata, {})),
    atClient: "ABORTED",
    atServer: "ABORTED",
  },
  {
    how: "a cancel in a stream of answers",
    handlers: { Download: (call) => void call.write({ text: "a" }) },
    run: (l) => {
      const call = l.client.Download({ text: "" }, l.metadata, {});
      call.once("data", () => call.cancel());
      return endOf(call);
    },
    atClient: "CANCELLED",
    atServer: "CANCELLED",
  },
  {
    how: "a message too large in a stream of answers",
    handlers: {
      Download(call) {
        call.write({ text: "a" });
        call.write({ text: "x".repeat(200) });
      },
    },
    serverOptions: { "grpc.max_send_message_length": 100 },
    run: (l) => endOf(l.client.Download({ text: "" }, l.metadata, {})),
    atClient: "RESOURCE_EXHAUSTED",
    atServer: "RESOURCE_EXHAUSTED",
  },
  {
    how: "an answer to a stream of requests",
    handlers: {
      Upload(call, callback) {
        let text = "";
        call.on("data", (message: Message) => (text += message.text));
        call.on("end", () => callback(null, { text }));
      },
    },
    run: (l) =>
      new Promise((resolve) => {
        const call = l.client.Upload(l.metadata, {}, (error) => resolve(error?.code ?? grpc.status.OK));
        call.write({ text: "a" });
        call.end({ text: "b" });
      }),
    atClient: "OK",
    atServer: "OK",
  },
  {
    how: "a cancel in a stream of requests",
    handlers: { Upload: (call) => void call.resume() },
    run: (l) =>
      new Promise((resolve) => {
        const call = l.client.Upload(l.metadata, {}, (error) => resolve(error?.code ?? grpc.status.OK));
        call.write({ text: "a" });
        void l.reached.then(() => call.cancel());
      }),
    atClient: "CANCELLED",
    atServer: "CANCELLED",
  },
  {
    how: "both directions closed",
    handlers: { Chat: chatBack },
    run: (l) => {
      const call = l.client.Chat(l.metadata, {});
      call.write({ text: "a" });
      call.end();
      return endOf(call);
    },
    atClient: "OK",
    atServer: "OK",
  },
  {
    how: "a deadline while both directions are open",
    handlers: { Chat: chatBack },
    run: (l) => {
      const call = l.client.Chat(l.metadata, { deadline: Date.now() + 400 });
      call.write({ text: "a" });
      return endOf(call);
    },
    atClient: "DEADLINE_EXCEEDED",
    atServer: "DEADLINE_EXCEEDED",
  },
  {
    how: "a lost connection while both directions are open",
    handlers: { Chat: chatBack },
    run: (l) => {
      const call = l.client.Chat(l.metadata, {});
      call.write({ text: "a" });
      call.once("data", () => l.cut());
      return endOf(call);
    },
    atClient: "UNAVAILABLE",
    atServer: "CANCELLED",
  },
];

const serverFaults = ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/** Every trace one end of the call left behind. */
async function left(end: Loopback["atClient"], family: string) {
  return {
    calls: end.calls.map(({ code }) => code),
    spans: end.spans().map((span) => ({
      kind: span.kind,
      code: span.attributes["rpc.response.status_code"],
      error: span.attributes["error.type"],
      status: span.status.code,
    })),
    samples: (await end.samples(family)).map(({ labels, count }) => ({
      code: labels["rpc_status_code"],
      error: labels["error_type"],
      system: labels["rpc_system_name"],
      count,
    })),
  };
}

function expected(kind: SpanKind, code: GrpcCode | undefined) {
  if (code === undefined) return { calls: [], spans: [], samples: [] };
  const failed = kind === SpanKind.CLIENT ? code !== "OK" : serverFaults.includes(code);
  const error = failed ? code : undefined;
  return {
    calls: [code],
    spans: [{ kind, code, error, status: failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET }],
    samples: [{ code, error, system: "grpc", count: 1 }],
  };
}

describe("a call leaves one span and one measurement at each end that saw it, whatever ends it:", () => {
  it.each(endings)("$how", async (ending) => {
    const { atClient, atServer } = ending;
    const loopback = await startLoopback(ending);
    try {
      expect(grpc.status[await ending.run(loopback)]).toBe(atClient);
      await vi.waitFor(() => expect(loopback.atServer.calls.length).toBe(atServer === undefined ? 0 : 1), 15_000);
    } finally {
      // A second record of the same call would come with the end of its connection.
      await loopback[Symbol.asyncDispose]();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect({
      client: await left(loopback.atClient, "rpc_client_call_duration_seconds"),
      server: await left(loopback.atServer, "rpc_server_call_duration_seconds"),
    }).toEqual({ client: expected(SpanKind.CLIENT, atClient), server: expected(SpanKind.SERVER, atServer) });
  });
});
