import { diag } from "@opentelemetry/api";
import type {
  Attributes,
  BatchObservableCallback,
  BatchObservableResult,
  Observable,
  ObservableCallback,
  ObservableResult,
} from "@opentelemetry/api";
import { describeError } from "@almanac/core";
import type { Clock } from "@almanac/core";
import { settleAttributes } from "./attributes.ts";
import { settleValue } from "./bound.ts";
import { createValueRule } from "./instrument.ts";
import { MetricsError } from "./error.ts";
import { ObservedStore } from "./observed-store.ts";
import type { Observation } from "./observed-store.ts";
import type { StreamDescriptor } from "./snapshot.ts";
import type { Store, ValueRule } from "./store.ts";
import { withinTime } from "./within-time.ts";

/** Where a reader sets no time: a callback that never ends must not hold up every later collection (metrics SDK specification, callbacks). */
const defaultTimeoutMs = 30_000;

/** An instrument whose values callbacks report. Every reader has stores of its own, since it has its own collections. */
export class ObservableInstrument implements Observable {
  readonly descriptor: StreamDescriptor;
  readonly rule: ValueRule;
  readonly stores: readonly Store[];
  readonly callbacks: CallbackRegistry;

  constructor(descriptor: StreamDescriptor, stores: readonly Store[], callbacks: CallbackRegistry) {
    this.descriptor = descriptor;
    this.rule = createValueRule(descriptor);
    this.stores = stores;
    this.callbacks = callbacks;
  }

  addCallback(callback: ObservableCallback): void {
    if (typeof callback !== "function") {
      diag.warn(`${this.descriptor.name} got ${typeof callback} as a callback; give it a function. It is left out`);
      return;
    }
    this.callbacks.add(callback, this);
  }

  removeCallback(callback: ObservableCallback): void {
    this.callbacks.remove(callback, this);
  }
}

type Reported = Map<ObservableInstrument, Observation[]>;

interface Registration {
  readonly callback: unknown;
  readonly instruments: ReadonlySet<ObservableInstrument>;
  /** Calls that ran out of time and have not ended: others beside them would pile up. */
  overdue: number;
  /** Runs the callback. Each instrument has an entry in what is reported, also when nothing was. */
  run(report: (instrument: ObservableInstrument, value: number, attributes: Attributes | undefined) => void): unknown;
}

/** The callbacks of one meter. The same callback for the same instruments counts once. */
export class CallbackRegistry {
  /** The same for all meters of a provider, whose instruments a callback may observe together. */
  readonly provider: object;
  readonly #registrations: Registration[] = [];

  constructor(provider: object) {
    this.provider = provider;
  }

  add(callback: ObservableCallback, instrument: ObservableInstrument): void {
    this.#register({
      callback,
      instruments: new Set([instrument]),
      overdue: 0,
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
    const instruments = this.#own(observables);
    if (instruments.size === 0 || instruments.size < new Set(observables).size) {
      diag.error(
        instruments.size === 0
          ? "a batch callback was given no observable instrument of this meter provider; it is never called"
          : "a batch callback was given instruments that are no observable ones of this meter provider; they are left out",
      );
    }
    if (instruments.size === 0) return;
    this.#register({
      callback,
      instruments,
      overdue: 0,
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
    this.#unregister(callback, this.#own(observables));
  }

  /**
   * Runs every callback once and gives what those reported that ended well and in time to the stores that `mine` accepts. Returns what
   * the others threw. Never rejects.
   */
  async observe(
    mine: (store: Store) => boolean,
    { timeoutMs = defaultTimeoutMs, clock }: { readonly timeoutMs: number | undefined; readonly clock: Clock },
  ): Promise<unknown[]> {
    const errors: unknown[] = [];
    const outcomes = this.#registrations.map((registration) => run(registration, { timeoutMs, clock }));
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

  #own(observables: readonly Observable[]): ReadonlySet<ObservableInstrument> {
    return new Set(
      observables
        .filter((observable) => observable instanceof ObservableInstrument)
        .filter(({ callbacks }) => callbacks.provider === this.provider),
    );
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

/** Calls a callback once. Rejects with what it threw, or when it is late. */
async function run(
  registration: Registration,
  { timeoutMs, clock }: { readonly timeoutMs: number; readonly clock: Clock },
): Promise<Reported> {
  const what = `an observable callback of ${[...registration.instruments].map(({ descriptor }) => descriptor.name).join(", ")}`;
  if (registration.overdue > 0) {
    const message = `${what} has not ended since an earlier collection; it is called again afterwards`;
    throw new MetricsError("callback_running", message);
  }
  const reported: Reported = new Map();
  let open = true;
  const report = (instrument: ObservableInstrument, value: number, attributes: Attributes | undefined): void => {
    if (!open) return;
    const settledValue = settleValue(instrument.rule, value);
    if (settledValue === undefined) return;
    const observations = reported.get(instrument) ?? [];
    reported.set(instrument, observations);
    observations.push({ value: settledValue, settled: settleAttributes(attributes, undefined) });
  };
  let ended = true;
  let late = false;
  try {
    const pending = registration.run(report);
    if (!isThenable(pending)) return reported;
    ended = false;
    const ending = Promise.resolve(pending).finally(() => {
      ended = true;
      if (late) registration.overdue--;
    });
    await withinTime(ending, { timeoutMs, clock, what });
    return reported;
  } catch (error) {
    late = !ended;
    if (late) registration.overdue++;
    throw error;
  } finally {
    open = false;
  }
}

function deliver(
  instrument: ObservableInstrument,
  observations: readonly Observation[],
  mine: (store: Store) => boolean,
): void {
  for (const store of instrument.stores) {
    if (!mine(store)) continue;
    if (store instanceof ObservedStore) {
      store.observe(observations);
      continue;
    }
    for (const { value, settled } of observations) {
      try {
        store.record(value, settled.attributes, undefined);
      } catch (error) {
        // A view's processor threw.
        diag.error(`a measurement of ${instrument.descriptor.name} is lost: ${describeError(error)}`);
      }
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
