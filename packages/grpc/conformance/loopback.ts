import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { AggregationTemporality, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import type { DataPoint, Histogram } from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { catalogViews, stack } from "@almanac/catalog";
import { createInstruments } from "@almanac/metrics";
import type { CallRecord, GrpcTelemetry } from "../src/call-telemetry.ts";
import { createClientInterceptor } from "../src/client-interceptor.ts";
import type { ClientInterceptorOptions } from "../src/client-interceptor.ts";
import { createServerInterceptor } from "../src/server-interceptor.ts";
import type { ServerInterceptorOptions } from "../src/server-interceptor.ts";

const json = {
  requestStream: false,
  responseStream: false,
  requestSerialize: write,
  requestDeserialize: read,
  responseSerialize: write,
  responseDeserialize: read,
};

export interface Message {
  readonly text: string;
}

export function write(message: Message): Buffer {
  if (message.text === "unwritable") throw new Error("cannot be written");
  return Buffer.from(JSON.stringify(message));
}

export function read(bytes: Buffer): Message {
  const message = JSON.parse(bytes.toString()) as Message;
  if (message.text === "unreadable") throw new Error("cannot be read");
  return message;
}

const definition = {
  Unary: { ...json, path: "/test.v1.Echo/Unary" },
  Upload: { ...json, path: "/test.v1.Echo/Upload", requestStream: true },
  Download: { ...json, path: "/test.v1.Echo/Download", responseStream: true },
  Chat: { ...json, path: "/test.v1.Echo/Chat", requestStream: true, responseStream: true },
} satisfies grpc.ServiceDefinition;

interface Handlers {
  Unary?: grpc.handleUnaryCall<Message, Message>;
  Upload?: grpc.handleClientStreamingCall<Message, Message>;
  Download?: grpc.handleServerStreamingCall<Message, Message>;
  Chat?: grpc.handleBidiStreamingCall<Message, Message>;
}

interface EchoClient extends grpc.Client {
  Unary(
    request: Message,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: grpc.requestCallback<Message>,
  ): grpc.ClientUnaryCall;
  Upload(
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: grpc.requestCallback<Message>,
  ): grpc.ClientWritableStream<Message>;
  Download(request: Message, metadata: grpc.Metadata, options: grpc.CallOptions): grpc.ClientReadableStream<Message>;
  Chat(metadata: grpc.Metadata, options: grpc.CallOptions): grpc.ClientDuplexStream<Message, Message>;
}

class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
  override selectAggregationTemporality(): AggregationTemporality {
    return AggregationTemporality.CUMULATIVE;
  }
}

interface Sample {
  readonly labels: Record<string, unknown>;
  readonly count: number;
  readonly sum: number;
}

/** A process' telemetry on the official SDKs, with everything it recorded readable. */
export function createTestTelemetry(overrides: Partial<GrpcTelemetry> = {}) {
  const exporter = new InMemorySpanExporter();
  const reader = new PullReader();
  const meterProvider = new MeterProvider({ readers: [reader], views: catalogViews(stack) });
  const telemetry: GrpcTelemetry = {
    tracerProvider: new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
    propagator: new W3CTraceContextPropagator(),
    stack: createInstruments(stack, meterProvider),
    ...overrides,
  };
  return {
    ...telemetry,
    calls: [] as CallRecord[],
    spans: () => exporter.getFinishedSpans(),
    async samples(family: string): Promise<Sample[]> {
      const { resourceMetrics } = await reader.collect();
      const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
      const points = metrics
        .filter((metric) => metric.descriptor.name === family)
        .flatMap((metric): readonly DataPoint<unknown>[] => metric.dataPoints);
      return points.map((point) => {
        const value = point.value as Histogram;
        return { labels: point.attributes, count: value.count, sum: value.sum ?? 0 };
      });
    },
  };
}

export interface LoopbackOptions extends Partial<Pick<GrpcTelemetry, "propagator" | "logger">> {
  readonly handlers?: Handlers;
  readonly client?: ClientInterceptorOptions;
  readonly server?: ServerInterceptorOptions;
  readonly serverOptions?: grpc.ServerOptions;
  readonly channelOptions?: grpc.ChannelOptions;
  /** Instead of ours. */
  readonly serverInterceptors?: grpc.ServerInterceptor[];
  /** Interceptors between the caller and ours. */
  readonly above?: readonly grpc.Interceptor[];
}

/** A server and a client of it, each with telemetry of its own, and a wire between them that can be cut. */
export async function startLoopback(options: LoopbackOptions = {}) {
  const { propagator, logger } = options;
  const overrides = { ...(propagator && { propagator }), ...(logger && { logger }) };
  const atServer = createTestTelemetry(overrides);
  const atClient = createTestTelemetry(overrides);
  const server = new grpc.Server({
    ...options.serverOptions,
    interceptors: options.serverInterceptors ?? [
      createServerInterceptor(atServer, { onCall: (call) => atServer.calls.push(call), ...options.server }),
    ],
  });
  const reached = Promise.withResolvers<void>();
  const handlers = Object.entries(options.handlers ?? {}).map(([name, handler]) => [
    name,
    (...args: unknown[]) => {
      reached.resolve();
      (handler as (...args: unknown[]) => void)(...args);
    },
  ]);
  server.addService(definition, Object.fromEntries(handlers) as grpc.UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });

  const sockets = new Set<Socket>();
  const wire = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => other.destroy());
      socket.pipe(other);
    }
  });
  wire.listen(0, "127.0.0.1");
  await once(wire, "listening");
  const address = `127.0.0.1:${(wire.address() as AddressInfo).port}`;

  const Client = grpc.makeClientConstructor(definition, "Echo");
  const client = new Client(address, grpc.credentials.createInsecure(), {
    ...options.channelOptions,
    interceptors: [
      ...(options.above ?? []),
      createClientInterceptor(atClient, { onCall: (call) => atClient.calls.push(call), ...options.client }),
    ],
  }) as unknown as EchoClient;

  return {
    atServer,
    atClient,
    server,
    client,
    address,
    metadata: new grpc.Metadata(),
    /** Resolves when a handler was called. */
    reached: reached.promise,
    cut(): void {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      client.close();
      server.forceShutdown();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => wire.close(resolve));
    },
  };
}

export type Loopback = Awaited<ReturnType<typeof startLoopback>>;

/** Makes a unary call and gives its end: the code it ended with. `begun` gets the call object. */
export function unary(
  loopback: Loopback,
  text: string,
  options: grpc.CallOptions = {},
  begun?: (call: grpc.ClientUnaryCall) => void,
): Promise<grpc.status> {
  return new Promise((resolve) => {
    const call = loopback.client.Unary({ text }, loopback.metadata, options, (error) => {
      resolve(error === null ? grpc.status.OK : error.code);
    });
    begun?.(call);
  });
}

/** The end of a call with a stream of answers. */
export function endOf(
  call: grpc.ClientReadableStream<Message> | grpc.ClientDuplexStream<Message, Message>,
): Promise<grpc.status> {
  return new Promise((resolve) => {
    call.on("error", () => {});
    call.on("data", () => {});
    call.on("status", (status: grpc.StatusObject) => resolve(status.code));
  });
}

export const echo: grpc.handleUnaryCall<Message, Message> = (call, callback) => callback(null, call.request);
