import type { Catalog, FamiliesOf, FamilySpec, LabelsOfSpec } from "@almanac/catalog";
import type { Context } from "@opentelemetry/api";

/** `[labels]`, or nothing to pass for a family without labels. */
type LabelArguments<L> = keyof L extends never ? [labels?: L] : [labels: L];

/** A counter or up-down counter with its labels bound. */
export interface BoundCounter {
  /** Adds `value` to the series. `context` is where an exemplar's span is taken from; default: the active one. Never throws. */
  add(value: number, context?: Context): void;
  /** Removes the series; the next `add` starts it anew. Absent where the provider cannot remove series. */
  remove?(): void;
}

/** A gauge or histogram with its labels bound. */
export interface BoundRecorder {
  /** Records `value` in the series. `context` as in `BoundCounter`. Never throws. */
  record(value: number, context?: Context): void;
  /** Removes the series, as in `BoundCounter`. */
  remove?(): void;
}

/** A family whose series can end before the process does. */
export interface RemovableSeries<L> {
  /**
   * Removes every series that has all of these labels, whatever else it has, and says how many; `{}` stands for the whole family, a label
   * that is undefined for nothing. For what is gone for good, some minutes after its last increment so that this is still scraped;
   * recording starts a series anew. Where the provider cannot remove series, as the official SDK's, it does nothing and answers 0. Never
   * throws.
   */
  remove(match: Partial<L>): number;
}

/** A family whose series can be there before anything is recorded in them. */
export interface StartableSeries<L> {
  /**
   * Starts the series of these labels at 0, so that the first event counts in `rate()`. Closed labels that are left out stand for each of
   * their values; an open label has to be given, otherwise nothing starts. For what appears at run time; what `createInstruments` is told as
   * known has started already. Histograms start empty, where the provider can: this package's own, not the official SDK's.
   */
  start(labels?: Partial<L>): void;
}

/** A family that is added to. */
export interface TypedCounter<L> extends StartableSeries<L>, RemovableSeries<L> {
  /** Adds a finite `value`, not negative for a counter. The labels are neither kept nor changed by this package. Never throws. */
  add(value: number, ...rest: [...LabelArguments<L>, context?: Context]): void;
  /** The series of these labels, validated once. The labels are copied. */
  bind(...labels: LabelArguments<L>): BoundCounter;
}

/** A family whose values are set or sampled. */
export interface TypedRecorder<L> extends RemovableSeries<L> {
  /** Records a finite `value`, not negative for a histogram. The labels are neither kept nor changed by this package. Never throws. */
  record(value: number, ...rest: [...LabelArguments<L>, context?: Context]): void;
  /** The series of these labels, validated once. The labels are copied. */
  bind(...labels: LabelArguments<L>): BoundRecorder;
}

/** A family whose values are counted in buckets. */
export interface TypedHistogram<L> extends TypedRecorder<L>, StartableSeries<L> {}

/** Reports one value of an observed family during a collection. */
export type Observe<L> = (value: number, ...labels: LabelArguments<L>) => void;

/** What `observe` may be told besides its callback. */
export interface ObserveOptions {
  /** The label of failures in `almanac_collection_errors_total`. Default: the family's name. */
  readonly source?: string;
  /** How long an asynchronous callback may take before the collection goes on without it, milliseconds. Default: 5000. */
  readonly timeoutMs?: number;
}

/** A family that is read from its source at collection time. */
export interface TypedObserved<L> {
  /**
   * Calls `callback` at every collection, until the result is disposed. Several callbacks may serve a family; where two report the same
   * labels, one of the values is taken. What a callback reported before it failed or ran out of time is kept. `signal` aborts when the
   * time is over.
   */
  observe(
    callback: (observe: Observe<L>, signal: AbortSignal) => void | Promise<void>,
    options?: ObserveOptions,
  ): Disposable;
}

/** The instrument of one family. */
export type InstrumentOf<S extends FamilySpec> = S extends { readonly observed: true }
  ? TypedObserved<LabelsOfSpec<S>>
  : S extends { readonly type: "counter" } | { readonly instrument: "upDownCounter" }
    ? TypedCounter<LabelsOfSpec<S>>
    : S extends { readonly type: "histogram" }
      ? TypedHistogram<LabelsOfSpec<S>>
      : TypedRecorder<LabelsOfSpec<S>>;

/** One typed instrument per family of a catalog, under the family's name. */
export type Instruments<C extends Catalog> = {
  readonly [N in keyof FamiliesOf<C> & string]: InstrumentOf<FamiliesOf<C>[N]>;
};
