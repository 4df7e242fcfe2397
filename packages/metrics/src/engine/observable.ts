import { diag } from "@opentelemetry/api";
import type {
  Attributes,
  BatchObservableCallback,
  BatchObservableResult,
  Observable,
  ObservableCallback,
  ObservableResult,
} from "@opentelemetry/api";
import { TimeoutError } from "@opentelemetry/sdk-metrics";
import type { Clock } from "@almanac/core";
import { settleAttributes } from "./attributes.ts";
import { settleValue } from "./bound.ts";
import { createValueRule } from "./instrument.ts";
import { ObservedStore } from "./observed-store.ts";
import type { Observation } from "./observed-store.ts";
import type { StreamDescriptor } from "./snapshot.ts";
import type { Store, ValueRule } from "./store.ts";

/** An instrument whose values callbacks report. Every reader has stores of its own, since it has its own collections. */
export class ObservableInstrument implements Observable {
  readonly descriptor: StreamDescriptor;
  readonly rule: ValueRule;
  readonly stores: readonly Store[];
  readonly #callbacks: CallbackRegistry;

  constructor(descriptor: StreamDescriptor, stores: readonly Store[], callbacks: CallbackRegistry) {
    this.descriptor = descriptor;
    this.rule = createValueRule(descriptor);
    this.stores = stores;
    this.#callbacks = callbacks;
  }

  addCallback(callback: ObservableCallback): void {
    this.#callbacks.add(callback, this);
  }

  removeCallback(callback: ObservableCallback): void {
    this.#callbacks.remove(callback, this);
  }
}

type Reported = Map<ObservableInstrument, Observation[]>;

interface Registration {
  readonly callback: unknown;
  readonly instruments: ReadonlySet<ObservableInstrument>;
  /** Runs the callback. Each instrument has an entry in what is reported, also when nothing was. */
  run(report: (instrument: ObservableInstrument, value: number, attributes: Attributes | undefined) => void): unknown;
}

/** The callbacks of one meter. The same callback for the same instruments counts once. */
export class CallbackRegistry {
  readonly #registrations: Registration[] = [];

  add(callback: ObservableCallback, instrument: ObservableInstrument): void {
    this.#register({
      callback,
      instruments: new Set([instrument]),
      run: (report) => {
        const result: ObservableResult = { observe: (value, attributes) => report(instrument, value, attributes) };
        return callback(result);
      },
    });
  }

  remove(callback: ObservableCallback, instrument: ObservableInstrument): void {
    this.#unregister(callback, new Set([instrument]));
  }

  addBatch(callback: BatchObservableCallback, observables: readonly Observable[]): void {
    const instruments = ownInstruments(observables);
    if (instruments.size === 0) {
      diag.error("a batch callback was given no observable instrument of this meter provider; it is never called");
      return;
    }
    this.#register({
      callback,
      instruments,
      run: (report) => {
        const result: BatchObservableResult = {
          observe(observable, value, attributes) {
            // An instrument it was not registered for is not observed (metrics API specification, multiple-instrument callbacks).
            const instrument = observable as ObservableInstrument;
            if (instruments.has(instrument)) report(instrument, value, attributes);
          },
        };
        return callback(result);
      },
    });
  }

  removeBatch(callback: BatchObservableCallback, observables: readonly Observable[]): void {
    this.#unregister(callback, ownInstruments(observables));
  }

  /**
   * Runs every callback once and gives what those reported that ended well and in time to the stores that `mine` accepts. Returns what
   * the others threw. Never rejects.
   */
  async observe(
    mine: (store: Store) => boolean,
    { timeoutMs, clock }: { readonly timeoutMs: number | undefined; readonly clock: Clock },
  ): Promise<unknown[]> {
    const errors: unknown[] = [];
    const outcomes = [...this.#registrations].map(async (registration) => {
      const reported: Reported = new Map();
      let open = true;
      const report = (instrument: ObservableInstrument, value: number, attributes: Attributes | undefined): void => {
        if (!open) return;
        const settled = settleValue(instrument.rule, value);
        if (settled === undefined) return;
        const observations = reported.get(instrument) ?? [];
        reported.set(instrument, observations);
        observations.push({ value: settled, attributes: settleAttributes(attributes, undefined).attributes });
      };
      try {
        const pending = registration.run(report);
        if (isThenable(pending)) await withinTime(pending, timeoutMs, clock);
        return reported;
      } finally {
        open = false;
      }
    });
    // In the order of registration, so that where two callbacks observe the same series the outcome does not depend on their speed.
    for (const outcome of await Promise.allSettled(outcomes)) {
      if (outcome.status === "rejected") errors.push(outcome.reason);
      else for (const [instrument, observations] of outcome.value) deliver(instrument, observations, mine);
    }
    return errors;
  }

  #register(registration: Registration): void {
    if (this.#find(registration.callback, registration.instruments) < 0) this.#registrations.push(registration);
  }

  #unregister(callback: unknown, instruments: ReadonlySet<ObservableInstrument>): void {
    const index = this.#find(callback, instruments);
    if (index >= 0) this.#registrations.splice(index, 1);
  }

  #find(callback: unknown, instruments: ReadonlySet<ObservableInstrument>): number {
    return this.#registrations.findIndex(
      (known) =>
        known.callback === callback &&
        known.instruments.size === instruments.size &&
        [...instruments].every((instrument) => known.instruments.has(instrument)),
    );
  }
}

function ownInstruments(observables: readonly Observable[]): ReadonlySet<ObservableInstrument> {
  return new Set(observables.filter((observable) => observable instanceof ObservableInstrument));
}

function deliver(
  instrument: ObservableInstrument,
  observations: readonly Observation[],
  mine: (store: Store) => boolean,
): void {
  for (const store of instrument.stores) {
    if (!mine(store)) continue;
    if (store instanceof ObservedStore) store.observeAll(observations);
    else for (const { value, attributes } of observations) store.record(value, attributes, undefined);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function withinTime(pending: PromiseLike<unknown>, timeoutMs: number | undefined, clock: Clock): Promise<unknown> {
  if (timeoutMs === undefined) return Promise.resolve(pending);
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(
      () => reject(new TimeoutError(`an observable callback did not end within ${timeoutMs} ms`)),
      timeoutMs,
      { keepAlive: false },
    );
    Promise.resolve(pending)
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
