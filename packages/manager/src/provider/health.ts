/** How many checks in a row change the verdict. */
interface HealthThresholds {
  readonly failures: number;
  readonly successes: number;
}

/** The verdict on a provider and the checks in a row that speak against it. */
export interface HealthState {
  /** Undefined before the first check. */
  readonly healthy: boolean | undefined;
  readonly failures: number;
  readonly successes: number;
}

/** The state after one more check. A provider never seen healthy is unhealthy at its first failure. Pure. */
export function afterCheck(state: HealthState, ok: boolean, thresholds: HealthThresholds): HealthState {
  const successes = ok ? state.successes + 1 : 0;
  const failures = ok ? 0 : state.failures + 1;
  const healthy = ok
    ? state.healthy === true || successes >= thresholds.successes
    : state.healthy === true && failures < thresholds.failures;
  return { healthy, failures, successes };
}
