import { describeError, silentLogger, systemClock } from "@almanac/core";
import type { Clock, Logger, Timer } from "@almanac/core";
import { GrpcError } from "./grpc-error.ts";

export type CircuitState = "closed" | "half-open" | "open";

export interface CircuitBreakerOptions {
  /** Consecutive failures that open the circuit. Default 10. */
  readonly failureThreshold?: number;
  /** How long an open circuit refuses calls, in milliseconds. Default 60 s. */
  readonly openMs?: number;
  /** Trial calls let through while half-open; that many successes close the circuit, one failure opens it again. Default 3. */
  readonly halfOpenCalls?: number;
  readonly clock?: Clock;
  /** Told what the hooks throw. Default: nobody. */
  readonly logger?: Logger;
  onStateChange?(state: CircuitState, previous: CircuitState): void;
  /** Called for every failure that counts, before the state changes over it. */
  onFailure?(error: unknown): void;
}

export interface CircuitBreaker extends Disposable {
  readonly state: CircuitState;
  /**
   * Makes the call, or throws a GrpcError `circuit_open` without making it; such a refusal is no failure. `isFailure` judges what the
   * call threw: true is a failure of the peer, false an answer like any other (the peer works), undefined says nothing about the peer
   * (the caller gave up). Calls that began before the circuit last changed count for nothing when they end.
   */
  run<T>(call: () => Promise<T>, isFailure: (error: unknown) => boolean | undefined): Promise<T>;
}

/** A circuit breaker for one peer. Holds one timer while open, which does not keep the process running; disposing cancels it. */
export function createCircuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const {
    failureThreshold = 10,
    openMs = 60_000,
    halfOpenCalls = 3,
    clock = systemClock,
    logger = silentLogger,
  } = options;
  for (const [name, value] of Object.entries({ failureThreshold, openMs, halfOpenCalls })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new GrpcError("invalid_options", `circuit breaker needs a whole ${name} of at least 1, got ${value}`);
    }
  }

  let state: CircuitState = "closed";
  // Counts state changes, so that a call can tell whether it still belongs to the state it began in.
  let era = 0;
  let failures = 0;
  let trials = 0;
  let successes = 0;
  let halfOpenAtMs = 0;
  let timer: Timer | undefined;

  function become(next: CircuitState): void {
    const previous = state;
    state = next;
    era++;
    failures = trials = successes = 0;
    timer?.cancel();
    timer = undefined;
    if (next === "open") {
      halfOpenAtMs = clock.monotonic() + openMs;
      timer = clock.setTimeout(() => become("half-open"), openMs, { keepAlive: false });
    }
    hook("onStateChange", () => options.onStateChange?.(next, previous));
  }

  function hook(name: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      logger.error("A hook of the circuit breaker threw", { hook: name, error: describeError(error) });
    }
  }

  function admit(): void {
    if (state === "open") {
      const waitMs = Math.max(0, Math.ceil(halfOpenAtMs - clock.monotonic()));
      throw new GrpcError("circuit_open", `the circuit is open after repeated failures, next try in ${waitMs} ms`);
    }
    if (state === "half-open") {
      if (trials === halfOpenCalls) {
        throw new GrpcError(
          "circuit_open",
          `the circuit is half-open and its ${halfOpenCalls} trial calls are under way`,
        );
      }
      trials++;
    }
  }

  function onAnswer(): void {
    failures = 0;
    if (state === "half-open" && ++successes === halfOpenCalls) become("closed");
  }

  function onFailure(error: unknown): void {
    const callEra = era;
    hook("onFailure", () => options.onFailure?.(error));
    if (callEra !== era) return;
    failures++;
    if (state === "half-open" || failures >= failureThreshold) become("open");
  }

  return {
    get state() {
      return state;
    },
    async run(call, isFailure) {
      admit();
      const callEra = era;
      let result;
      try {
        result = await call();
      } catch (error) {
        // A judge that throws has not cleared the peer.
        let verdict: boolean | undefined = true;
        hook("isFailure", () => (verdict = isFailure(error)));
        if (callEra === era) {
          if (verdict === true) onFailure(error);
          else if (verdict === false) onAnswer();
          else if (state === "half-open") trials--;
        }
        throw error;
      }
      if (callEra === era) onAnswer();
      return result;
    },
    [Symbol.dispose]() {
      timer?.cancel();
      timer = undefined;
    },
  };
}
