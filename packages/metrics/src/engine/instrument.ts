import { diag, ValueType } from "@opentelemetry/api";
import type { Attributes, Context, Counter, Gauge, Histogram, UpDownCounter } from "@opentelemetry/api";
import { InstrumentType } from "@opentelemetry/sdk-metrics";
import { describeError } from "@almanac/core";
import { settleAttributes } from "./attributes.ts";
import { accepts, bindAll, bindFiltered, bindUnsettled } from "./bound.ts";
import type { Bound } from "./bound.ts";
import type { StreamDescriptor } from "./snapshot.ts";
import type { Store, ValueRule } from "./store.ts";

const noAttributes: Attributes = Object.freeze({});

/** What instruments of this engine can do besides recording. */
export interface SeriesControl<A extends Attributes = Attributes> {
  /** Removes the series of exactly these attributes; true when there was one. Recording starts it anew, with a new start time. */
  remove(attributes?: A): boolean;
  /**
   * Removes every series that has all of these attributes, whatever else it has, and says how many; `{}` stands for all series, an attribute
   * that is undefined for none.
   */
  removeMatching(match: Partial<A>): number;
  /** Creates the series at 0 (a histogram: empty), so that its first event counts in `rate()`. It does not expire. */
  start(attributes?: A): void;
}

/** A counter's or up-down counter's series, with its attributes bound: recording allocates nothing. */
export interface BoundAdder {
  add(value: number, context?: Context): void;
  /** Removes the series; the next `add` starts it anew. */
  remove(): void;
}

/** A gauge's or histogram's series, as `BoundAdder`. */
export interface BoundSetter {
  record(value: number, context?: Context): void;
  /** Removes the series; the next `record` starts it anew. */
  remove(): void;
}

export interface EngineCounter<A extends Attributes = Attributes> extends Counter<A>, SeriesControl<A> {
  /** The series of these attributes; they are copied. */
  bind(attributes?: A): BoundAdder;
}

export interface EngineUpDownCounter<A extends Attributes = Attributes> extends UpDownCounter<A>, SeriesControl<A> {
  /** The series of these attributes; they are copied. */
  bind(attributes?: A): BoundAdder;
}

export interface EngineGauge<A extends Attributes = Attributes> extends Gauge<A>, SeriesControl<A> {
  /** The series of these attributes; they are copied. */
  bind(attributes?: A): BoundSetter;
}

export interface EngineHistogram<A extends Attributes = Attributes> extends Histogram<A>, SeriesControl<A> {
  /** The series of these attributes; they are copied. */
  bind(attributes?: A): BoundSetter;
}

/** Any instrument that is recorded with: all four kinds are one class, since they differ in the values they take. */
export class SyncInstrument implements EngineCounter, EngineHistogram {
  readonly descriptor: StreamDescriptor;
  readonly stores: readonly Store[];
  readonly rule: ValueRule;
  readonly #only: Store | undefined;

  constructor(descriptor: StreamDescriptor, stores: readonly Store[]) {
    this.descriptor = descriptor;
    this.stores = stores;
    this.rule = createValueRule(descriptor);
    this.#only = stores.length === 1 ? stores[0] : undefined;
  }

  add(value: number, attributes?: Attributes, from?: Context): void {
    this.record(value, attributes, from);
  }

  record(given: number, attributes: Attributes = noAttributes, from?: Context): void {
    let value = given;
    try {
      if (!accepts(this.rule, value)) {
        const settled = this.rule.repair(value);
        if (settled === undefined) return;
        value = settled;
      }
      if (this.#only !== undefined) this.#only.record(value, attributes ?? noAttributes, from);
      else for (const store of this.stores) store.record(value, attributes ?? noAttributes, from);
    } catch (error) {
      // A getter of the attributes, or a view's processor, threw. What is being measured must not notice.
      diag.error(`a measurement of ${this.descriptor.name} is lost: ${describeError(error)}`);
    }
  }

  /** `rule` is for callers that have one of their own, stricter than the instrument's. */
  bind(attributes: Attributes = noAttributes, rule: ValueRule = this.rule): Bound {
    const all = settleAttributes(attributes, undefined);
    const given = all.attributes;
    const handles = this.stores.map((store) => {
      const { keep, process } = store.options;
      if (process !== undefined) return bindUnsettled(store, given, rule);
      const settled = keep === undefined ? all : settleAttributes(given, keep);
      const handle = store.handleOf(settled, rule) ?? store.bind({ settled, rule });
      return settled.keys.length === all.keys.length ? handle : bindFiltered(handle, given);
    });
    return handles.length === 1 ? handles[0]! : bindAll(handles);
  }

  remove(attributes: Attributes = noAttributes): boolean {
    return this.stores.map((store) => store.removeGiven(attributes)).includes(true);
  }

  removeMatching(match: Attributes): number {
    return Math.max(0, ...this.stores.map((store) => store.removeMatching(match)));
  }

  start(attributes: Attributes = noAttributes): void {
    for (const store of this.stores) store.start(attributes);
  }
}

/** Which values an instrument takes, and what it says about others (metrics API specification). */
export function createValueRule({ name, type, valueType }: StreamDescriptor): ValueRule {
  const growing =
    type === InstrumentType.COUNTER || type === InstrumentType.OBSERVABLE_COUNTER || type === InstrumentType.HISTOGRAM;
  const lowest = growing ? 0 : -Infinity;
  const integer = valueType === ValueType.INT;
  // A mistake is often made with every measurement; it is the first of its kind that tells.
  const said = new Set<string>();
  function warn(mistake: string, message: string): void {
    if (said.has(mistake)) return;
    said.add(mistake);
    diag.warn(`${message}. This is said once`);
  }
  const isGauge = type === InstrumentType.GAUGE || type === InstrumentType.OBSERVABLE_GAUGE;
  return {
    lowest,
    highest: Infinity,
    integer,
    repair(value) {
      if (typeof value !== "number") {
        warn(
          "type",
          `${name} got ${typeof value === "string" ? JSON.stringify(value.slice(0, 64)) : typeof value}; record numbers`,
        );
        return undefined;
      }
      if (value < lowest) {
        warn(
          "negative",
          `${name} got ${value}; a ${type === InstrumentType.HISTOGRAM ? "histogram" : "counter"} takes none below 0`,
        );
        return undefined;
      }
      if (integer && !Number.isInteger(value)) {
        warn("fraction", `${name} takes integers, got ${value}; its fraction is cut off`);
        // Adding 0 turns a negative zero into the other one.
        const whole = Math.trunc(value) + 0;
        return Number.isInteger(whole) ? whole : undefined;
      }
      if (Number.isNaN(value) && !isGauge) {
        warn("NaN", `${name} got NaN, which would spoil its sum; it is left out`);
        return undefined;
      }
      return value;
    },
  };
}
