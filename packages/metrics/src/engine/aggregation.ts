import { diag } from "@opentelemetry/api";
import { AggregationType, InstrumentType } from "@opentelemetry/sdk-metrics";
import type { AggregationOption } from "@opentelemetry/sdk-metrics";
import { ExemplarStore } from "./exemplar.ts";
import type { ExemplarFilter } from "./exemplar.ts";
import { ExponentialStore } from "./exponential-store.ts";
import { HistogramStore } from "./histogram-store.ts";
import { ObservedStore } from "./observed-store.ts";
import { LastValueStore, SumStore } from "./scalar-store.ts";
import type { Store, StoreOptions } from "./store.ts";

/** What becomes of an instrument's measurements. */
export type Aggregation =
  | { readonly kind: "drop" | "sum" | "gauge" }
  | { readonly kind: "histogram"; readonly boundaries: readonly number[]; readonly hasMinMax: boolean }
  | { readonly kind: "exponential"; readonly maxSize: number; readonly hasMinMax: boolean };

/** Of the metrics SDK specification, explicit bucket histogram aggregation. */
const defaultBoundaries = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
const defaultMaxSize = 160;

/** Resolves an option for an instrument. `advice` counts where neither view nor reader names boundaries. */
export function resolveAggregation(
  option: AggregationOption,
  type: InstrumentType,
  advice: readonly number[] | undefined,
): Aggregation {
  switch (option.type) {
    case AggregationType.DEFAULT:
      return defaultAggregation(type, advice);
    case AggregationType.DROP:
      return { kind: "drop" };
    case AggregationType.SUM:
      return { kind: "sum" };
    case AggregationType.LAST_VALUE:
      return { kind: "gauge" };
    case AggregationType.EXPLICIT_BUCKET_HISTOGRAM:
      return {
        kind: "histogram",
        boundaries: settleBoundaries(option.options?.boundaries ?? advice) ?? defaultBoundaries,
        hasMinMax: option.options?.recordMinMax ?? true,
      };
    case AggregationType.EXPONENTIAL_HISTOGRAM:
      // Two buckets are the fewest that a value on either side of a bound fits in.
      return {
        kind: "exponential",
        maxSize: Math.max(2, option.options?.maxSize ?? defaultMaxSize),
        hasMinMax: option.options?.recordMinMax ?? true,
      };
  }
}

function defaultAggregation(type: InstrumentType, advice: readonly number[] | undefined): Aggregation {
  switch (type) {
    case InstrumentType.COUNTER:
    case InstrumentType.UP_DOWN_COUNTER:
    case InstrumentType.OBSERVABLE_COUNTER:
    case InstrumentType.OBSERVABLE_UP_DOWN_COUNTER:
      return { kind: "sum" };
    case InstrumentType.GAUGE:
    case InstrumentType.OBSERVABLE_GAUGE:
      return { kind: "gauge" };
    case InstrumentType.HISTOGRAM:
      return { kind: "histogram", boundaries: settleBoundaries(advice) ?? defaultBoundaries, hasMinMax: true };
  }
}

/** Increasing, finite, each once: an infinite bound is implied. Undefined when there are none, or some are no numbers. */
function settleBoundaries(given: readonly number[] | undefined): readonly number[] | undefined {
  if (given === undefined || given === null) return undefined;
  if (!isList(given) || given.some((bound) => typeof bound !== "number" || Number.isNaN(bound))) {
    diag.warn(`bucket boundaries must be numbers, got ${JSON.stringify(given)}; the default ones are used`);
    return undefined;
  }
  return [...new Set(given.filter((bound) => Number.isFinite(bound)))].sort((a, b) => a - b);
}

/** Array.isArray would make it an array of anything. */
function isList(given: readonly number[]): boolean {
  return Array.isArray(given);
}

/** Equal for aggregations that do the same. */
export function aggregationKey(aggregation: Aggregation): string {
  return JSON.stringify(aggregation);
}

/** Everything about a store that is not its aggregation. */
export interface StoreSetting extends Omit<StoreOptions, "exemplars"> {
  readonly exemplarFilter: ExemplarFilter;
}

/** Measurements of an exponential histogram's sample (metrics SDK specification, default reservoirs). */
const exponentialSample = 20;

/** Builds the store of an aggregation; none for `drop`. */
export function createStore(aggregation: Aggregation, setting: StoreSetting): Store | undefined {
  const { type } = setting.descriptor;
  const observed = isObservable(type);
  const withExemplars = (reservoir: { readonly buckets: number } | { readonly size: number }): StoreOptions => ({
    ...setting,
    exemplars:
      observed || setting.exemplarFilter === "always_off"
        ? undefined
        : new ExemplarStore({ filter: setting.exemplarFilter, reservoir, now: () => setting.clock.now() }),
  });
  const hasSum =
    type === InstrumentType.COUNTER || type === InstrumentType.OBSERVABLE_COUNTER || type === InstrumentType.HISTOGRAM;
  switch (aggregation.kind) {
    case "drop":
      return undefined;
    case "sum":
      return observed
        ? new ObservedStore("sum", hasSum, withExemplars({ size: 1 }))
        : new SumStore(hasSum, withExemplars({ size: 1 }));
    case "gauge":
      return observed
        ? new ObservedStore("gauge", false, withExemplars({ size: 1 }))
        : new LastValueStore(withExemplars({ size: 1 }));
    case "histogram":
      return new HistogramStore(
        { ...aggregation, hasSum },
        withExemplars({ buckets: aggregation.boundaries.length + 1 }),
      );
    case "exponential":
      return new ExponentialStore(
        { ...aggregation, hasSum },
        withExemplars({ size: Math.min(exponentialSample, aggregation.maxSize) }),
      );
  }
}

/** Whether callbacks report the values. */
export function isObservable(type: InstrumentType): boolean {
  return (
    type === InstrumentType.OBSERVABLE_COUNTER ||
    type === InstrumentType.OBSERVABLE_GAUGE ||
    type === InstrumentType.OBSERVABLE_UP_DOWN_COUNTER
  );
}
