import { stack } from "@almanac/catalog";
import type { Family, ViolationReason } from "@almanac/catalog";
import { describeError } from "@almanac/core";
import type { Logger } from "@almanac/core";
import type { Counter, Meter, MeterProvider } from "@opentelemetry/api";
import { meterOf } from "./meter.ts";

/** Counts what went wrong while recording and says it once, so that a mistake in a hot path does not flood the log. */
export interface Reporter {
  /** A measurement was repaired or dropped. `topic` tells complaints with the same reason apart; it must come from a small set. */
  violation(family: Family, reason: ViolationReason, topic: string, describe: () => Record<string, unknown>): void;
  /** The provider itself threw; nothing is counted, since counting would go through it as well. */
  providerFailed(family: Family, error: unknown): void;
  /** From now on the source is read, so its failures start at 0. */
  sourceAdded(source: string): void;
  /** A source of measurements failed during a collection. */
  sourceFailed(source: string): void;
}

/** A reporter whose counters belong to the `stack` catalog, on the same provider as the instruments it serves. */
export function createReporter(meterProvider: MeterProvider, logger: Logger): Reporter {
  const warned = new Set<string>();
  const violations = lazyCounter(meterProvider, stack.families.almanac_catalog_violations_total);
  const collectionErrors = lazyCounter(meterProvider, stack.families.almanac_collection_errors_total);

  function warnOnce(key: string, message: string, fields: () => Record<string, unknown>): void {
    if (warned.has(key)) return;
    warned.add(key);
    logger.warn(message, fields());
  }

  return {
    violation(family, reason, topic, describe) {
      violations(1, { family: family.name, reason });
      warnOnce(
        `${family.name}\n${reason}\n${topic}`,
        "a measurement does not fit the catalog; further ones like it are only counted",
        () => ({
          family: family.name,
          reason,
          ...describe(),
        }),
      );
    },
    providerFailed,
    sourceAdded(source) {
      collectionErrors(0, { source });
    },
    sourceFailed(source) {
      collectionErrors(1, { source });
    },
  };

  function providerFailed(family: Family, error: unknown): void {
    warnOnce(`${family.name}\nprovider`, "the meter provider failed; the measurement is lost", () => ({
      family: family.name,
      error: describeError(error),
    }));
  }

  function lazyCounter(provider: MeterProvider, own: Family) {
    let meter: Meter | undefined;
    let counter: Counter | undefined;
    // A meter that is first asked for during a collection is left out of that collection, and with it the failure it is to count.
    try {
      meter = meterOf(provider, own);
    } catch (error) {
      providerFailed(own, error);
    }
    return (value: number, labels: Record<string, string>): void => {
      try {
        counter ??= meter?.createCounter(own.name, { description: own.help });
        counter?.add(value, labels);
      } catch (error) {
        providerFailed(own, error);
      }
    };
  }
}
