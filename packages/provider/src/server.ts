import { readFile } from "node:fs/promises";
import { Server, type UntypedHandleCall, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { context, trace } from "@opentelemetry/api";
import { create, type Message } from "@bufbuild/protobuf";
import { virtrigaud, type ProviderMethod, type ProviderType } from "@almanac/catalog";
import { describeError, systemClock, type Clock } from "@almanac/core";
import {
  createServerInterceptor,
  grpcCodeNumber,
  serverCredentials,
  serverOptions,
  unaryHandler,
  withErrorInfo,
  type CallRecord,
  type ServerTls,
} from "@almanac/grpc";
import type { Telemetry } from "@almanac/telemetry";
import { methodOfPath, methods, serviceNames, type MethodDescription, type ServiceName } from "./contract.ts";
import { decodeDocuments } from "./documents.ts";
import { ProviderError } from "./error.ts";
import type { DescribeResponse, ListVMsResponse } from "./gen/provider/v1/provider_pb.ts";
import type { ProviderCall, ProviderHandlers } from "./handlers.ts";
import { checkRequest } from "./request-check.ts";
import { serviceDefinition } from "./service-definition.ts";
import { addStandardServices, isStandardPath } from "./standard-services.ts";

/** Domain of the google.rpc.ErrorInfo on errors this side has counted. */
export const errorDomain = "almanac.dev";

/** One RPC that ended, under its native method name. */
export interface RpcRecord extends CallRecord {
  readonly method: ProviderMethod;
}

export interface ProviderServerOptions {
  readonly handlers: ProviderHandlers;
  readonly telemetry: Telemetry;
  /** Label `provider_type` of everything recorded here. */
  readonly providerType: ProviderType;
  /** Label `provider`. */
  readonly providerName: string;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Default 9443; 0 takes a free one. */
  readonly port?: number;
  /** PEM files for mutual TLS 1.3, or plaintext when asked for in so many words. */
  readonly tls: ServerTls | "insecure";
  /** Labels of `virtrigaud_build_info`. Default: this package's version, and `unknown`. */
  readonly build?: { readonly version?: string; readonly gitSha?: string };
  /** Largest request or response in bytes; a larger one ends as RESOURCE_EXHAUSTED. Default 16 MiB. */
  readonly maxMessageBytes?: number;
  /** How long RPCs in flight may take to end at a shutdown, milliseconds. Default 20 s. */
  readonly drainMs?: number;
  /** Called once per ended RPC with what the metrics say about it, before the peer learns its end. Must not throw. */
  onRpc?(record: RpcRecord): void;
  readonly clock?: Clock;
}

/** A running provider server. */
export interface ProviderServer extends AsyncDisposable {
  readonly port: number;
  /** `host:port`, for a client. */
  readonly address: string;
  /** Health turns NOT_SERVING, no new connections, RPCs in flight get `drainMs`, the rest is cut off. Idempotent. */
  shutdown(): Promise<void>;
}

/** They change nothing and come again and again, so their success is worth a line to nobody but a debugger. */
const readingMethods: ReadonlySet<string> = new Set([
  "Validate",
  "GetCapabilities",
  "DescribeVM",
  "TaskStatus",
  "GetDiskInfo",
  "ListVMs",
]);

/**
 * Serves the contract under both service names on one port, with health and reflection beside it. Counts every provider RPC whatever
 * ended it, every error once, and sends counted errors on as ErrorInfo.
 *
 * @throws ProviderError UNAVAILABLE when the address cannot be bound; GrpcError for unusable TLS files.
 */
export async function startProviderServer(options: ProviderServerOptions): Promise<ProviderServer> {
  const { telemetry, providerType, host = "127.0.0.1", port = 9443, drainMs = 20_000, clock = systemClock } = options;
  const instruments = telemetry.instruments(virtrigaud);
  const logger = telemetry.logger.child({ component: "grpc" });

  const interceptor = createServerInterceptor(telemetry, {
    methodName: (path) => methodOfPath(path)?.paths.native.slice(1) ?? path.slice(1),
    ignore: isStandardPath,
    onCall(call) {
      const record = call as RpcRecord;
      instruments.virtrigaud_provider_rpc_requests_total.add(1, {
        provider_type: providerType,
        method: record.method,
        code: record.code,
      });
      instruments.virtrigaud_provider_rpc_latency_seconds.record(record.durationSeconds, {
        provider_type: providerType,
        method: record.method,
      });
      const level = record.code === "OK" && readingMethods.has(record.method) ? "debug" : "info";
      logger[level]("an RPC ended", {
        method: record.method,
        code: record.code,
        durationSeconds: record.durationSeconds,
      });
      options.onRpc?.(record);
    },
  });

  const { maxMessageBytes } = options;
  const server = new Server({
    ...serverOptions(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
    interceptors: [interceptor],
  });
  const countError = (error: ProviderError): void =>
    instruments.virtrigaud_errors_total.add(1, { reason: error.reason, component: "provider" });
  for (const service of Object.keys(serviceNames) as ServiceName[]) {
    const implementation: UntypedServiceImplementation = {};
    for (const entry of methods)
      implementation[entry.function] = serve(entry, service, options.handlers, logger, countError);
    server.addService(serviceDefinition(service), implementation);
  }
  const standard = addStandardServices(server);

  const credentials = serverCredentials(options.tls, { logger });
  let bound: number;
  try {
    bound = await bind(server, host, port, credentials);
  } catch (thrown) {
    credentials[Symbol.dispose]();
    throw thrown;
  }
  let serving = true;
  // By port, since one process may serve several providers.
  const readiness = telemetry.health.readiness.add(
    `grpc-${bound}`,
    () => serving || "the gRPC server is shutting down",
  );
  instruments.virtrigaud_build_info.record(1, {
    version: options.build?.version ?? (await packageVersion()),
    git_sha: options.build?.gitSha ?? "unknown",
    go_version: `node${process.versions.node}`,
    component: "provider",
  });
  logger.info("provider is serving", { host, port: bound, tls: options.tls !== "insecure" });

  let ended: Promise<void> | undefined;
  const shutdown = async (): Promise<void> => {
    serving = false;
    standard.setServing(false);
    standard.endStreams();
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(() => {
        logger.warn("RPCs were cut off at the end of the drain", { drainMs });
        server.forceShutdown();
        resolve();
      }, drainMs);
      server.tryShutdown(() => {
        timer.cancel();
        resolve();
      });
    });
    readiness[Symbol.dispose]();
    credentials[Symbol.dispose]();
  };
  const close = (): Promise<void> => (ended ??= shutdown());
  return {
    port: bound,
    address: `${host.includes(":") ? `[${host}]` : host}:${bound}`,
    shutdown: close,
    [Symbol.asyncDispose]: close,
  };
}

type AnyHandler = (request: Message, call: ProviderCall) => Promise<Record<string, unknown>>;

function serve(
  entry: MethodDescription,
  service: ServiceName,
  handlers: ProviderHandlers,
  logger: Telemetry["logger"],
  countError: (error: ProviderError) => void,
): UntypedHandleCall {
  const { method } = entry;
  const handle = handlers[entry.function] as unknown as AnyHandler;
  return unaryHandler<Message, Message>(async (request, { signal, deadline, peer }) => {
    try {
      checkRequest(method, request);
      const documents = decodeDocuments(method, request);
      const call = { method, service, documents, signal, deadline, peer } as ProviderCall;
      const response = create(entry.output, await handle(request, call));
      if (service === "compatible") hideSuspended(method, response);
      return response;
    } catch (thrown) {
      const error = ProviderError.from(thrown);
      // Nobody will read the reply: the peer counts its own cancellation or timeout, and counting here too would double it.
      if (signal.aborted) throw asStatus(error);
      if (error.code === "INTERNAL") {
        const traceId = trace.getSpanContext(context.active())?.traceId;
        logger.error("an RPC failed unexpectedly", { method, traceId, error: describeError(thrown) });
      }
      if (!error.counted) countError(error);
      throw asStatus(error, true);
    }
  }) as UntypedHandleCall;
}

/** An error grpc-js turns into the call's status, with ErrorInfo when it has been counted. */
function asStatus(error: ProviderError, counted = false): Error {
  const status = { code: grpcCodeNumber(error.code), details: error.details };
  return Object.assign(
    new Error(error.details, { cause: error }),
    counted ? withErrorInfo(status, { reason: error.reason, domain: errorDomain }) : status,
  );
}

// VirtRigaud's status enum knows On and Off only.
function hideSuspended(method: ProviderMethod, response: Message): void {
  if (method === "DescribeVM") {
    const described = response as DescribeResponse;
    if (described.powerState === "Suspended") described.powerState = "Off";
  } else if (method === "ListVMs") {
    for (const vm of (response as ListVMsResponse).vms) if (vm.powerState === "Suspended") vm.powerState = "Off";
  }
}

function bind(
  server: Server,
  host: string,
  port: number,
  credentials: Parameters<Server["bindAsync"]>[1],
): Promise<number> {
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(authority, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else {
        reject(
          new ProviderError(
            "UNAVAILABLE",
            `cannot listen on ${authority}: ${error.message}; choose another host or port`,
            {
              cause: error,
            },
          ),
        );
      }
    });
  });
}

async function packageVersion(): Promise<string> {
  // Beside src/ and dist/ alike.
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
