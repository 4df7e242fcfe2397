import type { Clock } from "@almanac/core";

export type CircuitState = "closed" | "half-open" | "open";

export interface CircuitBreakerOptions {
  /** Consecutive failures that open the circuit. Default 10. */
  readonly failureThreshold?: number;
  /** How long an open circuit refuses calls, in milliseconds. Default 60 s. */
  readonly openMs?: number;
  /** Calls let through while half-open; that many successes close the circuit. Default 3. */
  readonly halfOpenCalls?: number;
  readonly clock?: Clock;
  onStateChange?(state: CircuitState, previous: CircuitState): void;
  /** One failure that counts. */
  onFailure?(error: unknown): void;
}

export interface CircuitBreaker extends Disposable {
  readonly state: CircuitState;
  run<T>(call: () => Promise<T>, isFailure?: (error: unknown) => boolean): Promise<T>;
}

export declare function createCircuitBreaker(options?: CircuitBreakerOptions): CircuitBreaker;
