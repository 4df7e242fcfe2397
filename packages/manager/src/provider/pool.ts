import { isDeepStrictEqual } from "node:util";
import { virtrigaud } from "@almanac/catalog";
import type { ProviderType } from "@almanac/catalog";
import type { ReconcileContext } from "@almanac/controller";
import { sleep } from "@almanac/core";
import type { Clock } from "@almanac/core";
import { createCircuitBreaker } from "@almanac/grpc";
import type { CircuitBreaker, CircuitState, ClientTls, TlsFiles } from "@almanac/grpc";
import { createTokenBucket, linkSignals } from "@almanac/kube";
import type { TokenBucket } from "@almanac/kube";
import { createProviderClient, ProviderError } from "@almanac/provider";
import type { ProviderFunction, RequestInit, ResponseOf } from "@almanac/provider";
import type { Telemetry } from "@almanac/telemetry";
import type { Provider } from "../api/provider.ts";
import { createCongestion } from "./congestion.ts";
import { connectionPooling } from "./connection-pooling.ts";
import { createConnections } from "./connections.ts";
import type { Connections } from "./connections.ts";
import { providerKey, serviceHost, servicePort } from "./names.ts";

/** When the circuit breaker of a provider opens and closes. */
export interface BreakerOptions {
  readonly failureThreshold?: number;
  readonly openMs?: number;
  readonly halfOpenCalls?: number;
}

interface ProviderPoolOptions {
  readonly telemetry: Telemetry;
  readonly tls: TlsFiles | "insecure";
  readonly providerEndpoint?: ((namespacedName: string) => string | undefined) | undefined;
  readonly breaker?: BreakerOptions | undefined;
  /** Requests to one Provider that may be without an answer for a second or longer, before others are put off. */
  readonly slowCalls: number;
  readonly clock: Clock;
}

interface RpcOptions {
  readonly signal: AbortSignal;
  readonly deadlineMs?: number;
  /** Who asks, e.g. an object's uid: a token is kept for it when there is none now. */
  readonly ticket: string;
  /** A reconcile's: what waits for an answer for long holds no worker. */
  readonly lend: ReconcileContext<never>["lend"];
  /** A reconcile's: called when the provider answers again, if this request was put off because it did not. */
  readonly wake?: ReconcileContext<never>["wake"];
}

/** It is too early for this request: the rate limit has no token soon, or too many wait for an answer. Nothing was sent. */
export class Throttled extends Error {
  readonly afterMs: number;

  constructor(afterMs: number, why: string) {
    super(`${why}; again in ${Math.ceil(afterMs)} ms`);
    this.afterMs = afterMs;
  }
}

/** The way to one Provider: connections, a circuit breaker and a rate limit that all its users in this process share. */
export interface ProviderHandle {
  readonly uid: string;
  /** `host:port` that is dialled. */
  readonly address: string;
  readonly breakerState: CircuitState;
  /** Milliseconds until an open circuit takes trial calls; 0 unless it is open. */
  readonly refusesForMs: number;
  /**
   * Calls when the rate limit allows it by now, or within 50 ms, and not too many wait for an answer. Validate and GetCapabilities always
   * may: they ask about the provider, not its hypervisor. Rejects with Throttled when it is too early, with ProviderError, with GrpcError
   * for unusable TLS files, or with the signal's reason.
   */
  call<F extends ProviderFunction>(method: F, request: RequestInit<F>, options: RpcOptions): Promise<ResponseOf<F>>;
  /** The next call opens a new connection. */
  redial(): void;
  /** What is under way rejects with DEADLINE_EXCEEDED, since `why`: whoever waits for a provider that hangs is of no use to any other. */
  giveUp(why: string): void;
  /** There is a new process at the other end: new connection, new breaker. */
  renew(): void;
}

/** Handles by Provider. One that is not removed keeps its connection open. */
export interface ProviderPool extends Disposable {
  /** Addresses come from a lookup, which tells nobody when its answer changes. */
  readonly looksUpAddresses: boolean;
  /**
   * The handle of a Provider, made at the first call and following its specification.
   *
   * @throws ManagerError `invalid_spec` for a `spec.connectionPooling` that cannot be read.
   */
  get(provider: Provider): ProviderHandle;
  /** Closes what belongs to the Provider `namespace/name`; its breaker is reported no more. */
  remove(key: string): void;
}

interface Target {
  readonly address: string;
  readonly tls: ClientTls | "insecure";
}

interface Entry extends ProviderHandle {
  readonly type: ProviderType;
  readonly name: string;
  update(provider: Provider): void;
  close(): void;
}

// The breaker's own default; named here since the next check is planned by it.
const defaultOpenMs = 60_000;

/** A worker may be held for so long by the rate limit. */
const shortWaitMs = 50;
/** Tickets kept for whoever does not come back, before they are looked through. */
const manyTickets = 1_000;

const severity = { closed: 0, "half-open": 1, open: 2 } as const;
const unlimited: ReadonlySet<ProviderFunction> = new Set(["validate", "getCapabilities"]);

export function createProviderPool(options: ProviderPoolOptions): ProviderPool {
  const { telemetry, clock } = options;
  const instruments = telemetry.instruments(virtrigaud);
  const entries = new Map<string, Entry>();

  const observed = instruments.virtrigaud_circuit_breaker_state.observe(
    (observe) => {
      const worst = new Map<string, { readonly entry: Entry; readonly value: number }>();
      for (const entry of entries.values()) {
        const value = severity[entry.breakerState];
        const key = JSON.stringify([entry.type, entry.name]);
        if (value >= (worst.get(key)?.value ?? 0)) worst.set(key, { entry, value });
      }
      for (const { entry, value } of worst.values())
        observe(value, { provider_type: entry.type, provider: entry.name });
    },
    { source: "circuit_breaker" },
  );

  function targetOf(provider: Provider): Target {
    const tls =
      options.tls === "insecure" || provider.spec.runtime.service?.tls?.enabled === false
        ? "insecure"
        : { ...options.tls, serverName: serviceHost(provider) };
    const address =
      options.providerEndpoint?.(providerKey(provider)) ??
      provider.status?.runtime?.endpoint ??
      `${serviceHost(provider)}:${servicePort(provider)}`;
    return { address, tls };
  }

  function open(provider: Provider): Entry {
    let pooling = connectionPooling(provider);
    const type = provider.spec.type as ProviderType;
    const { name, uid } = provider.metadata;
    const labels = { provider_type: type, provider: name };
    telemetry.retainSeries(labels);
    // Its type and name are known from now on, so its series can begin before anything happens.
    instruments.virtrigaud_circuit_breaker_failures_total.start(labels);
    instruments.virtrigaud_vm_operations_total.start(labels);
    const logger = telemetry.logger.child({ provider: providerKey(provider) });
    let current = provider;
    let target: Target | undefined;
    let connections: Connections | undefined;
    let limit: { readonly qps: number; readonly burst: number } | undefined;
    let bucket: TokenBucket | undefined;
    // When the token taken for each ticket is due, on the monotonic clock.
    const tickets = new Map<string, number>();
    const congestion = createCongestion({ limit: options.slowCalls, clock, logger });
    let hanging = new AbortController();
    let closed = false;
    let refusesUntilMs = 0;
    let breaker = newBreaker();

    function newBreaker(): CircuitBreaker {
      const openMs = options.breaker?.openMs ?? defaultOpenMs;
      return createCircuitBreaker({
        ...options.breaker,
        openMs,
        clock,
        logger,
        onStateChange(state, previous) {
          if (state === "open") refusesUntilMs = clock.monotonic() + openMs;
          logger.warn("The circuit breaker changed its state", { state, previous });
        },
        onFailure: () => instruments.virtrigaud_circuit_breaker_failures_total.add(1, labels),
      });
    }

    async function admit(method: ProviderFunction, { signal, ticket: holder }: RpcOptions): Promise<void> {
      if (bucket === undefined) return;
      // Whoever comes back may begin with another question: that must not use up the token for the one that was put off.
      const ticket = `${method} ${holder}`;
      const now = clock.monotonic();
      const dueMs = tickets.get(ticket) ?? now + bucket.reserve();
      if (dueMs - now > shortWaitMs) {
        tickets.set(ticket, dueMs);
        if (tickets.size > manyTickets) {
          for (const [key, at] of tickets) if (at < now - 60_000) tickets.delete(key);
        }
        throw new Throttled(dueMs - now, "the rate limit of the provider is used up");
      }
      tickets.delete(ticket);
      if (dueMs > now) await sleep(dueMs - now, { clock, signal });
    }

    function hangUp(): void {
      connections?.[Symbol.dispose]();
      connections = undefined;
    }

    /** Asked at every call: an address may change while nobody looks. */
    function dial(): Connections {
      // Whoever still holds the handle must not open a connection that nobody closes.
      if (closed) throw new ProviderError("CANCELLED", "the Provider was deleted");
      const wanted = targetOf(current);
      if (connections !== undefined && isDeepStrictEqual(wanted, target)) return connections;
      hangUp();
      target = wanted;
      const { connectTimeoutMs } = pooling;
      const options = {
        ...wanted,
        telemetry,
        breaker,
        ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      };
      connections = createConnections(() => createProviderClient(options), pooling, clock);
      return connections;
    }

    return {
      uid,
      type,
      name,
      get address() {
        return targetOf(current).address;
      },
      get breakerState() {
        return breaker.state;
      },
      get refusesForMs() {
        return breaker.state === "open" ? Math.max(0, refusesUntilMs - clock.monotonic()) : 0;
      },
      async call(method, request, options) {
        const { signal, deadlineMs } = options;
        if (!unlimited.has(method)) {
          const afterMs = congestion.delayMs(options.ticket, options.wake);
          if (afterMs > 0) throw new Throttled(afterMs, "the provider leaves too many requests without an answer");
          await admit(method, options);
        }
        const given = hanging.signal;
        using until = linkSignals(signal, given);
        try {
          const answer = dial().use<unknown>((client) => {
            const send = client[method] as (
              request: unknown,
              options: { readonly signal: AbortSignal; readonly deadlineMs?: number },
            ) => Promise<unknown>;
            return send(request, { signal: until.signal, ...(deadlineMs === undefined ? {} : { deadlineMs }) });
          });
          return (await options.lend(unlimited.has(method) ? answer : congestion.watch(answer))) as ResponseOf<
            typeof method
          >;
        } catch (thrown) {
          const isGivenUp = given.aborted && thrown instanceof ProviderError && thrown.code === "CANCELLED";
          throw isGivenUp && !signal.aborted ? (given.reason as ProviderError) : thrown;
        }
      },
      redial: hangUp,
      giveUp(why) {
        hanging.abort(new ProviderError("DEADLINE_EXCEEDED", why));
        hanging = new AbortController();
      },
      renew() {
        hangUp();
        breaker[Symbol.dispose]();
        breaker = newBreaker();
      },
      update(next) {
        const nextPooling = connectionPooling(next);
        current = next;
        if (!isDeepStrictEqual(nextPooling, pooling)) {
          pooling = nextPooling;
          hangUp();
        }
        const { qps = 10, burst = 20 } = next.spec.rateLimit ?? {};
        // Without the field there is no limit: its defaults belong to the object that a user writes.
        const wanted = next.spec.rateLimit === undefined ? undefined : { qps, burst };
        if (isDeepStrictEqual(wanted, limit)) return;
        limit = wanted;
        tickets.clear();
        bucket =
          wanted === undefined ? undefined : createTokenBucket({ perSecond: wanted.qps, burst: wanted.burst }, clock);
      },
      close() {
        closed = true;
        hangUp();
        breaker[Symbol.dispose]();
      },
    };
  }

  function remove(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entry.close();
    entries.delete(key);
    const { type, name } = entry;
    // Series name a Provider without its namespace, so they stay while another one has the same name.
    if (entries.values().some((other) => other.type === type && other.name === name)) return;
    telemetry.retireSeries({ provider_type: type, provider: name });
  }

  return {
    looksUpAddresses: options.providerEndpoint !== undefined,
    get(provider) {
      const key = providerKey(provider);
      let entry = entries.get(key);
      if (entry !== undefined && (entry.uid !== provider.metadata.uid || entry.type !== provider.spec.type)) {
        remove(key);
        entry = undefined;
      }
      if (entry === undefined) {
        entry = open(provider);
        entries.set(key, entry);
      }
      entry.update(provider);
      return entry;
    },
    remove,
    [Symbol.dispose]() {
      observed[Symbol.dispose]();
      for (const key of [...entries.keys()]) remove(key);
    },
  };
}
