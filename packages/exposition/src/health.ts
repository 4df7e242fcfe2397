import { describeError, systemClock, type Clock } from "@almanac/core";
import { ExpositionError } from "./error.ts";

/** `true` when all is well, otherwise the reason in a few words. A check that throws fails with the error's message. */
export type HealthCheck = () => true | string | Promise<true | string>;

export interface HealthReport {
  readonly ok: boolean;
  /** By name: `true`, or why not. */
  readonly checks: Readonly<Record<string, true | string>>;
}

export interface HealthChecks {
  /**
   * Adds a check; disposing of the result removes it.
   *
   * @throws ExpositionError `duplicate_check` while another check has the name.
   */
  add(name: string, check: HealthCheck): Disposable;
  /** Runs all checks side by side. Never rejects. Without any check the report is ok. */
  run(): Promise<HealthReport>;
}

/** What `/healthz` and `/readyz` answer. */
export interface Health {
  /** Fails only when a restart would help. */
  readonly liveness: HealthChecks;
  /** Fails while the process should get no work. */
  readonly readiness: HealthChecks;
}

export interface HealthOptions {
  /** After this a check counts as failed. Default: 800, because a kubelet's probe waits one second unless told otherwise. */
  readonly checkTimeoutMs?: number;
  readonly clock?: Clock;
}

/** A check that hangs is not started again until it has ended, so that probes never pile up. */
export function createHealth(options: HealthOptions = {}): Health {
  const { checkTimeoutMs = 800, clock = systemClock } = options;
  if (!(checkTimeoutMs > 0)) {
    throw new ExpositionError(
      "invalid_options",
      `checkTimeoutMs must be a positive number of milliseconds, got ${checkTimeoutMs}`,
    );
  }
  return { liveness: createChecks(checkTimeoutMs, clock), readiness: createChecks(checkTimeoutMs, clock) };
}

interface Entry {
  readonly check: HealthCheck;
  running?: Promise<true | string> | undefined;
}

function createChecks(timeoutMs: number, clock: Clock): HealthChecks {
  const entries = new Map<string, Entry>();

  function start(entry: Entry): Promise<true | string> {
    const run = async (): Promise<true | string> => {
      try {
        const result: unknown = await entry.check();
        return result === true ? true : typeof result === "string" && result !== "" ? result : "failed";
      } catch (thrown) {
        return describeError(thrown) || "failed";
      } finally {
        entry.running = undefined;
      }
    };
    const running = run();
    entry.running = running;
    return running;
  }

  function result(entry: Entry): Promise<true | string> {
    return new Promise((resolve) => {
      const timer = clock.setTimeout(() => resolve(`no answer within ${timeoutMs} ms`), timeoutMs);
      void (entry.running ?? start(entry)).then((outcome) => {
        timer.cancel();
        resolve(outcome);
      });
    });
  }

  return {
    add(name, check) {
      if (entries.has(name))
        throw new ExpositionError(
          "duplicate_check",
          `a check named "${name}" exists already; remove it first or rename one`,
        );
      const entry: Entry = { check };
      entries.set(name, entry);
      return {
        [Symbol.dispose]() {
          if (entries.get(name) === entry) entries.delete(name);
        },
      };
    },
    async run() {
      const outcomes = await Promise.all(
        [...entries].map(async ([name, entry]) => [name, await result(entry)] as const),
      );
      return { ok: outcomes.every(([, outcome]) => outcome === true), checks: Object.fromEntries(outcomes) };
    },
  };
}
