import { create, type Message } from "@bufbuild/protobuf";
import { Client, connectivityState, type ServiceError } from "@grpc/grpc-js";
import {
  channelOptions,
  clientCredentials,
  createClientInterceptor,
  GrpcError,
  type CallRecord,
  type CircuitBreaker,
  type ClientTls,
  type GrpcTelemetry,
} from "@almanac/grpc";
import { errorReasons, type ErrorReason, type ProviderMethod } from "@almanac/catalog";
import {
  methodOfPath,
  methods,
  type MethodDescription,
  type ProviderFunction,
  type RequestInit,
  type ResponseOf,
  type ServiceName,
} from "./contract.ts";
import { ProviderError, type ProviderErrorCode } from "./error.ts";
import { methodDefinition } from "./service-definition.ts";
import { errorDomain } from "./server.ts";

/** What one call may be told. */
export interface CallOptions {
  /** Cancels the call; it rejects with CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now. Default: the method's own, see `deadlinesMs`. */
  readonly deadlineMs?: number;
}

export interface ProviderClientOptions {
  /** `host:port`. */
  readonly address: string;
  readonly tls: ClientTls | "insecure";
  readonly telemetry: GrpcTelemetry;
  /** Under which name the provider is called. Default `native`; a VirtRigaud provider knows `compatible` only. */
  readonly service?: ServiceName;
  /** Deadlines that differ from the contract's (TaskStatus 10 s … ExportDisk 30 min), milliseconds. */
  readonly deadlinesMs?: Partial<Record<ProviderMethod, number>>;
  /** Guards every call. UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL, UNKNOWN and `ok=false` of Validate are failures to it. */
  readonly breaker?: CircuitBreaker;
  /** How long a call waits for a connection that is being made, milliseconds; then it rejects with UNAVAILABLE. Default: its deadline. */
  readonly connectTimeoutMs?: number;
  /** Largest response in bytes. Default 64 MiB, room for a list of a hundred thousand VMs. */
  readonly maxMessageBytes?: number;
  /** Called once per call that reached the wire, under its native name. */
  onCall?(record: CallRecord): void;
}

/**
 * One promise function per RPC. Each rejects with a ProviderError only: the peer's code and reason; CANCELLED after an abort; UNAVAILABLE
 * with reason CircuitOpen when the breaker let nothing through. `counted` says whether the peer counted the error already.
 */
export type ProviderClient = {
  readonly [F in ProviderFunction]: (request: RequestInit<F>, options?: CallOptions) => Promise<ResponseOf<F>>;
} & Disposable;

const breakerFailures: ReadonlySet<ProviderErrorCode> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "INTERNAL",
  "UNKNOWN",
]);

/**
 * A client of one provider, on a connection of its own. It connects at the first call and reconnects by itself; dispose it to close the connection and to stop
 * watching the certificate files. Throws GrpcError for options or TLS files that cannot be used.
 */
export function createProviderClient(options: ProviderClientOptions): ProviderClient {
  const { service = "native", breaker, deadlinesMs = {}, maxMessageBytes = 64 * 1024 * 1024 } = options;
  const { connectTimeoutMs } = options;
  if (connectTimeoutMs !== undefined && !(connectTimeoutMs > 0)) {
    throw new GrpcError("invalid_options", `connectTimeoutMs must be greater than 0, got ${connectTimeoutMs}`);
  }
  const { logger } = options.telemetry;
  const credentials = clientCredentials(options.tls, logger === undefined ? {} : { logger });
  const interceptor = createClientInterceptor(options.telemetry, {
    methodName: (path) => methodOfPath(path)?.paths.native.slice(1) ?? path.slice(1),
    // Entering the span's context for nobody costs as much as the measurement.
    ...(options.onCall === undefined ? {} : { onCall: (record) => options.onCall?.(record) }),
  });
  const client = new Client(options.address, credentials, {
    ...channelOptions({ maxMessageBytes }),
    // Without it plaintext clients of one address share a connection, and disposing one closes nothing.
    "grpc.use_local_subchannel_pool": 1,
    interceptors: [interceptor],
  });

  const definitions = new Map(methods.map((entry) => [entry, methodDefinition(entry, service)]));

  let closed = false;
  const callOnce = async (entry: MethodDescription, request: object, call: CallOptions): Promise<Message> => {
    if (closed) throw new ProviderError("CANCELLED", `${entry.method} was not sent: the client is closed`);
    const deadlineMs = call.deadlineMs ?? deadlinesMs[entry.method] ?? entry.deadlineMs;
    const run = async (): Promise<Message> => {
      const response = await unary(
        client,
        entry,
        definitions.get(entry) as Definition,
        create(entry.input, request as Record<string, unknown>),
        { deadlineMs, connectTimeoutMs, signal: call.signal },
      );
      // The breaker looks at rejections, and a provider that says it is not well has failed as much as one that says nothing.
      if (breaker !== undefined && entry.method === "Validate" && !(response as ResponseOf<"validate">).ok) {
        throw new NotWell(response);
      }
      return response;
    };
    try {
      return await (breaker === undefined ? run() : breaker.run(run, countsForBreaker));
    } catch (thrown) {
      if (thrown instanceof NotWell) return thrown.response;
      throw fromWire(thrown, entry.method);
    }
  };

  const functions = Object.fromEntries(
    methods.map((entry) => [
      entry.function,
      (request: object, call: CallOptions = {}) => callOnce(entry, request, call),
    ]),
  );
  return {
    ...functions,
    [Symbol.dispose]() {
      closed = true;
      client.close();
      credentials[Symbol.dispose]();
    },
  } as unknown as ProviderClient;
}

type Definition = ReturnType<typeof methodDefinition>;

/** Carries an `ok=false` past the breaker. */
class NotWell extends Error {
  readonly response: Message;

  constructor(response: Message) {
    super("the provider answered ok=false");
    this.response = response;
  }
}

function countsForBreaker(thrown: unknown): boolean {
  if (thrown instanceof NotWell) return true;
  return breakerFailures.has(fromWire(thrown, "call").code);
}

function unary(
  client: Client,
  entry: MethodDescription,
  definition: Definition,
  request: Message,
  {
    deadlineMs,
    connectTimeoutMs,
    signal,
  }: {
    readonly deadlineMs: number;
    readonly connectTimeoutMs: number | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Message> {
  const { path, requestSerialize, responseDeserialize } = definition;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(
        new ProviderError("CANCELLED", `${entry.method} was cancelled before it was sent`, { cause: signal.reason }),
      );
      return;
    }
    // The callback below runs after this function has returned, so `call` is there whenever it is needed.
    const onAbort = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      { deadline: Date.now() + deadlineMs },
      (error: ServiceError | null, response?: Message) => {
        signal?.removeEventListener("abort", onAbort);
        clearTimeout(connecting);
        if (error !== null) reject(unconnected ?? error);
        else if (response === undefined)
          reject(new ProviderError("INTERNAL", `${entry.method} ended without a response`));
        else resolve(response);
      },
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    // grpc-js has no limit of its own: an address that swallows packets would hold every call to its deadline.
    let unconnected: ProviderError | undefined;
    const isConnected = (): boolean => client.getChannel().getConnectivityState(false) === connectivityState.READY;
    const onUnconnected = (): void => {
      if (isConnected()) return;
      unconnected = new ProviderError("UNAVAILABLE", `no connection was made within ${connectTimeoutMs} ms`);
      call.cancel();
    };
    const isLimited = connectTimeoutMs !== undefined && connectTimeoutMs < deadlineMs && !isConnected();
    const connecting = isLimited ? setTimeout(onUnconnected, connectTimeoutMs) : undefined;
  });
}

const knownReasons: ReadonlySet<string> = new Set(errorReasons.values);

/** The one place where what grpc-js rejects with becomes a ProviderError. */
function fromWire(thrown: unknown, method: string): ProviderError {
  if (thrown instanceof ProviderError) return thrown;
  const error = GrpcError.from(thrown);
  if (error.code === "circuit_open") {
    return new ProviderError("UNAVAILABLE", `${method} was not sent: ${error.details}`, {
      reason: "CircuitOpen",
      // No cause: the breaker's error says the same, and whoever prints both says it twice.
    });
  }
  const code = error.grpcCode ?? "UNKNOWN";
  const info = error.errorInfo?.domain === errorDomain ? error.errorInfo : undefined;
  const reason = info !== undefined && knownReasons.has(info.reason) ? (info.reason as ErrorReason) : undefined;
  return new ProviderError(code === "OK" ? "UNKNOWN" : code, error.details, {
    ...(reason === undefined ? {} : { reason }),
    counted: info !== undefined,
    cause: thrown,
  });
}
