import { familiesOf } from "@almanac/catalog";
import type { Catalog, Owner } from "@almanac/catalog";
import { silentLogger, systemClock } from "@almanac/core";
import type { Clock, Logger } from "@almanac/core";
import type { Attributes, MeterProvider } from "@opentelemetry/api";
import { createTypedObserved } from "./observed.ts";
import { createReporter } from "./reporter.ts";
import { createTypedCounter, createTypedRecorder } from "./synchronous.ts";
import type { Instruments, TypedCounter, TypedObserved, TypedRecorder } from "./types.ts";

export interface InstrumentsOptions {
  /** Where complaints go, each once. Default: nowhere. */
  readonly logger?: Logger;
  /**
   * Counters of this owner and of every process start at 0 where their label values are closed or known; so do histograms, empty, on this
   * package's own provider. Default: none does.
   */
  readonly owner?: Owner;
  /** Values of label keys known at start, for whichever family has the key: `{ provider_type: ["libvirt"], provider: ["lab"] }`. */
  readonly known?: Readonly<Record<string, readonly string[]>>;
  /** Measures how long asynchronous callbacks take. Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * Typed instruments for every family of a catalog, on any MeterProvider of the OpenTelemetry API. An instrument is created in the provider
 * when it is first used, families that start at 0 apart.
 *
 * Recording never throws. A label value outside its closed set is recorded as `other`; labels with a key too many or too few and values
 * that are not finite (or negative, in a counter or histogram) are dropped; all of it is counted in `almanac_catalog_violations_total`
 * and said once. Labels that fit are handed to the provider as they are: with the views of the catalog the official SDK copies them.
 */
export function createInstruments<C extends Catalog>(
  catalog: C,
  meterProvider: MeterProvider,
  options: InstrumentsOptions = {},
): Instruments<C> {
  const { logger = silentLogger, owner, known, clock = systemClock } = options;
  const context = { meterProvider, reporter: createReporter(meterProvider, logger), logger, clock, owner, known };
  const startingAtZero = new Set(owner === undefined ? [] : familiesOf([catalog], owner));

  const instruments: Record<string, TypedCounter<Attributes> | TypedRecorder<Attributes> | TypedObserved<Attributes>> =
    {};
  for (const family of Object.values(catalog.families)) {
    if (family.observed) {
      instruments[family.name] = createTypedObserved(family, context);
    } else if (family.instrument === "counter" || family.instrument === "upDownCounter") {
      const counter = createTypedCounter(family, context);
      if (startingAtZero.has(family)) counter.start();
      instruments[family.name] = counter;
    } else {
      const recorder = createTypedRecorder(family, context);
      if (family.instrument === "histogram" && startingAtZero.has(family)) recorder.start();
      instruments[family.name] = recorder;
    }
  }
  return Object.freeze(instruments) as unknown as Instruments<C>;
}
