import type { Family } from "@almanac/catalog";
import { describeError } from "@almanac/core";
import type { Clock, Logger } from "@almanac/core";
import type { Attributes, MeterProvider, Observable, ObservableResult } from "@opentelemetry/api";
import { onOverflow } from "./engine/declared.ts";
import { createLabelCheck } from "./labels.ts";
import { meterOf } from "./meter.ts";
import { reportOverflow, reportValue, reportViolation } from "./synchronous.ts";
import type { InstrumentContext } from "./synchronous.ts";
import type { Observe, ObserveOptions, TypedObserved } from "./types.ts";

const defaultTimeoutMs = 5000;

type Callback = (observe: Observe<Attributes>, signal: AbortSignal) => void | Promise<void>;

/** The instrument of a family that is read at collection time. */
export function createTypedObserved(
  family: Family,
  context: InstrumentContext & { readonly logger: Logger; readonly clock: Clock },
): TypedObserved<Attributes> {
  const { reporter } = context;
  const check = createLabelCheck(family);
  const lowest = family.instrument === "counter" ? 0 : -Infinity;
  let observable: Observable | undefined;

  function report(result: ObservableResult, value: number, labels: Attributes = {}): void {
    if (!Number.isFinite(value) || value < lowest) {
      reportValue(reporter, family, value);
      return;
    }
    if (check.fits(labels)) {
      result.observe(value, labels);
      return;
    }
    const { labels: repaired, violation } = check.repair(labels);
    if (violation !== undefined) reportViolation(reporter, family, violation);
    if (repaired !== undefined) result.observe(value, repaired);
  }

  return {
    observe(callback, options = {}) {
      const reading = createReading(callback, report, { ...context, ...options, family });
      try {
        observable ??= openObservable(family, context);
        observable.addCallback(reading.run);
      } catch (error) {
        reporter.providerFailed(family, error);
      }
      return {
        [Symbol.dispose]() {
          observable?.removeCallback(reading.run);
          reading.stop();
        },
      };
    },
  };
}

interface ReadingContext extends InstrumentContext, ObserveOptions {
  readonly family: Family;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** One callback with everything that keeps its failures and delays to itself. */
function createReading(
  callback: Callback,
  report: (result: ObservableResult, value: number, labels?: Attributes) => void,
  { family, reporter, logger, clock, source = family.name, timeoutMs = defaultTimeoutMs }: ReadingContext,
) {
  reporter.sourceAdded(source);
  let failing = false;
  // Readings that ran out of time and still have not ended: starting another beside each would pile them up.
  let overdue = 0;
  const running = new Set<AbortController>();

  function failed(error: unknown): void {
    reporter.sourceFailed(source);
    if (!failing)
      logger.warn("a source of measurements fails; the rest is served", {
        family: family.name,
        source,
        error: describeError(error),
      });
    failing = true;
  }

  function succeeded(): void {
    if (failing) logger.info("a source of measurements works again", { family: family.name, source });
    failing = false;
  }

  function withinTime(pending: Promise<void>, controller: AbortController): Promise<void> {
    return new Promise((resolve) => {
      let late = false;
      const timer = clock.setTimeout(() => {
        late = true;
        overdue++;
        const error = new Error(`no answer after ${timeoutMs} ms`);
        controller.abort(error);
        failed(error);
        resolve();
      }, timeoutMs);
      const ended = (then: () => void): void => {
        timer.cancel();
        if (late) overdue--;
        else then();
        resolve();
      };
      pending.then(
        () => ended(succeeded),
        (error: unknown) => ended(() => failed(error)),
      );
    });
  }

  return {
    run: (result: ObservableResult): void | Promise<void> => {
      if (overdue > 0) {
        failed(new Error("the reading before has not ended yet"));
        return;
      }
      const controller = new AbortController();
      running.add(controller);
      let open = true;
      const close = (): void => {
        open = false;
        running.delete(controller);
      };
      try {
        const pending = callback((value, labels) => {
          if (open) report(result, value, labels);
        }, controller.signal);
        if (pending instanceof Promise) return withinTime(pending, controller).finally(close);
        succeeded();
      } catch (error) {
        failed(error);
      }
      close();
    },
    stop: (): void => {
      for (const controller of running) controller.abort(new Error("the observation was disposed"));
    },
  };
}

function openObservable(family: Family, { meterProvider, reporter }: InstrumentContext): Observable {
  const observable = createObservable(family, meterProvider);
  onOverflow(observable, () => reportOverflow(reporter, family));
  return observable;
}

function createObservable(family: Family, meterProvider: MeterProvider): Observable {
  const { name, help: description } = family;
  const meter = meterOf(meterProvider, family);
  switch (family.instrument) {
    case "counter":
      return meter.createObservableCounter(name, { description });
    case "upDownCounter":
      return meter.createObservableUpDownCounter(name, { description });
    case "gauge":
    case "histogram":
      return meter.createObservableGauge(name, { description });
  }
}
