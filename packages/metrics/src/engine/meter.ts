import { diag, ValueType } from "@opentelemetry/api";
import type {
  Attributes,
  BatchObservableCallback,
  Meter,
  MetricOptions,
  Observable,
  ObservableCounter,
  ObservableGauge,
  ObservableUpDownCounter,
} from "@opentelemetry/api";
import { InstrumentType } from "@opentelemetry/sdk-metrics";
import { isObservable } from "./aggregation.ts";
import { createConflictReport, sameStream } from "./conflict.ts";
import { SyncInstrument } from "./instrument.ts";
import type { EngineCounter, EngineGauge, EngineHistogram, EngineUpDownCounter } from "./instrument.ts";
import { CallbackRegistry, ObservableInstrument } from "./observable.ts";
import type { ScopeSnapshot, StreamDescriptor } from "./snapshot.ts";
import type { StreamRegistry } from "./streams.ts";

/** A meter of this engine: the official one, its instruments with `bind`, `remove` and `start`. */
export interface EngineMeter extends Meter {
  createCounter<A extends Attributes = Attributes>(name: string, options?: MetricOptions): EngineCounter<A>;
  createUpDownCounter<A extends Attributes = Attributes>(name: string, options?: MetricOptions): EngineUpDownCounter<A>;
  createGauge<A extends Attributes = Attributes>(name: string, options?: MetricOptions): EngineGauge<A>;
  createHistogram<A extends Attributes = Attributes>(name: string, options?: MetricOptions): EngineHistogram<A>;
}

/** ASCII letter first, at most 255 characters (metrics API specification, instrument name syntax). */
const validName = /^[a-z][a-z0-9_.\-/]{0,254}$/i;

type Instrument = SyncInstrument | ObservableInstrument;

/** The instruments of one scope. */
export class ScopeMeter implements EngineMeter {
  readonly scope: ScopeSnapshot["scope"];
  readonly streams: StreamRegistry;
  readonly callbacks: CallbackRegistry;
  readonly #instruments = new Map<string, Created[]>();
  readonly #conflict = createConflictReport();

  constructor(scope: ScopeSnapshot["scope"], streams: StreamRegistry) {
    this.scope = scope;
    this.streams = streams;
    this.callbacks = new CallbackRegistry(streams.provider);
  }

  createCounter<A extends Attributes>(name: string, options?: MetricOptions): EngineCounter<A> {
    return this.#create(name, InstrumentType.COUNTER, options) as SyncInstrument;
  }

  createUpDownCounter<A extends Attributes>(name: string, options?: MetricOptions): EngineUpDownCounter<A> {
    return this.#create(name, InstrumentType.UP_DOWN_COUNTER, options) as SyncInstrument;
  }

  createGauge<A extends Attributes>(name: string, options?: MetricOptions): EngineGauge<A> {
    return this.#create(name, InstrumentType.GAUGE, options) as SyncInstrument;
  }

  createHistogram<A extends Attributes>(name: string, options?: MetricOptions): EngineHistogram<A> {
    return this.#create(name, InstrumentType.HISTOGRAM, options) as SyncInstrument;
  }

  createObservableCounter<A extends Attributes>(name: string, options?: MetricOptions): ObservableCounter<A> {
    return this.#create(name, InstrumentType.OBSERVABLE_COUNTER, options) as ObservableInstrument;
  }

  createObservableUpDownCounter<A extends Attributes>(
    name: string,
    options?: MetricOptions,
  ): ObservableUpDownCounter<A> {
    return this.#create(name, InstrumentType.OBSERVABLE_UP_DOWN_COUNTER, options) as ObservableInstrument;
  }

  createObservableGauge<A extends Attributes>(name: string, options?: MetricOptions): ObservableGauge<A> {
    return this.#create(name, InstrumentType.OBSERVABLE_GAUGE, options) as ObservableInstrument;
  }

  addBatchObservableCallback<A extends Attributes>(
    callback: BatchObservableCallback<A>,
    observables: Observable<A>[],
  ): void {
    this.callbacks.addBatch(callback, observables);
  }

  removeBatchObservableCallback<A extends Attributes>(
    callback: BatchObservableCallback<A>,
    observables: Observable<A>[],
  ): void {
    this.callbacks.removeBatch(callback, observables);
  }

  /** Synchronous instruments, for those who remove series everywhere. */
  *recorded(): Iterable<SyncInstrument> {
    for (const instruments of this.#instruments.values()) {
      for (const { instrument } of instruments) if (instrument instanceof SyncInstrument) yield instrument;
    }
  }

  #create(givenName: string, type: InstrumentType, options: MetricOptions = {}): Instrument {
    const name = typeof givenName === "string" ? givenName : "";
    if (!validName.test(name)) {
      diag.warn(
        `${JSON.stringify(name)} is no valid instrument name; use an ASCII letter, then at most 254 letters, digits, "_", ".", "-" or "/"`,
      );
    }
    const descriptor: StreamDescriptor = {
      name,
      description: textOf(options?.description),
      unit: textOf(options?.unit),
      type,
      valueType: options?.valueType ?? ValueType.DOUBLE,
    };
    const advice = options?.advice?.explicitBucketBoundaries ?? undefined;
    // Names that differ in case only are one name.
    const sameName = this.#instruments.get(name.toLowerCase()) ?? [];
    const known = sameName.find(({ instrument }) => sameStream(instrument.descriptor, descriptor));
    if (known !== undefined) {
      this.#compare(known, { descriptor, advice });
      return known.instrument;
    }
    const stores = this.streams.register(descriptor, advice, this.#conflict);
    const instrument = isObservable(type)
      ? new ObservableInstrument(descriptor, stores, this.callbacks)
      : new SyncInstrument(descriptor, stores);
    this.#instruments.set(name.toLowerCase(), [...sameName, { instrument, advice: advice && String(advice) }]);
    return instrument;
  }

  /** An instrument that is created again is the one there is; says how the two differ, where a view does not decide that anyway. */
  #compare(
    { instrument, advice: knownAdvice }: Created,
    { descriptor, advice }: { readonly descriptor: StreamDescriptor; readonly advice: readonly number[] | undefined },
  ): void {
    const described = instrument.stores.filter(({ options }) => options.describedByInstrument);
    const { name, description } = instrument.descriptor;
    if (name !== descriptor.name || (description !== descriptor.description && described.length > 0)) {
      this.#conflict.descriptors(instrument.descriptor, descriptor);
    }
    if (advice !== undefined && String(advice) !== knownAdvice)
      this.#conflict.boundaries(name, knownAdvice, String(advice));
    for (const store of described) {
      if (descriptor.description.length > store.getDescriptor().description.length) {
        store.describe(descriptor.description);
      }
    }
  }
}

interface Created {
  readonly instrument: Instrument;
  /** Bucket boundaries of its first creation. */
  readonly advice: string | undefined;
}

/** Untyped callers may pass anything. */
function textOf(given: unknown): string {
  return typeof given === "string" ? given : "";
}
