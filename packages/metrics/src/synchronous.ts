import type { Family } from "@almanac/catalog";
import type { Attributes, Context, MeterProvider } from "@opentelemetry/api";
import type { Bound } from "./engine/bound.ts";
import { declareKeys, onOverflow } from "./engine/declared.ts";
import type { DeclaredRecorder } from "./engine/declared.ts";
import { SyncInstrument } from "./engine/instrument.ts";
import type { ValueRule } from "./engine/store.ts";
import { createLabelCheck } from "./labels.ts";
import type { Violation } from "./labels.ts";
import { meterOf } from "./meter.ts";
import type { Reporter } from "./reporter.ts";
import type { TypedCounter, TypedHistogram } from "./types.ts";
import { knownCombinations } from "./zero-start.ts";
import type { KnownLabels } from "./zero-start.ts";

/** What an instrument needs besides its family. */
export interface InstrumentContext extends KnownLabels {
  readonly meterProvider: MeterProvider;
  readonly reporter: Reporter;
}

type Write = (value: number, labels: Attributes, context: Context | undefined) => void;

/** An instrument of whatever provider there is, and what this package's own engine can do besides. */
interface Opened {
  readonly write: Write;
  readonly engine: SyncInstrument | undefined;
  readonly declared: DeclaredRecorder | undefined;
}

const noLabels: Attributes = Object.freeze({});

/** Labels with code of their own, which threw. */
const unreadable: Violation = { reason: "value", key: "(any)" };

/** The instrument of a counter or up-down counter family, and the start of its series at 0. */
export function createTypedCounter(family: Family, context: InstrumentContext): TypedCounter<Attributes> {
  const { record, bind, start, remove } = createRecording(family, context);
  return {
    add: record,
    bind: (labels) => {
      const handle = bind(labels);
      // The engine's handle is handed out as it is: another call around it would cost as much as the recording.
      return "add" in handle ? handle : { add: handle.record };
    },
    start,
    remove,
  };
}

/** The instrument of a gauge or histogram family; what gauges have too much for their type is harmless. */
export function createTypedRecorder(family: Family, context: InstrumentContext): TypedHistogram<Attributes> {
  return createRecording(family, context);
}

/** What is wrong with labels of which some may be left out. */
function firstViolation(family: Family, labels: Attributes): Violation | undefined {
  for (const [key, value] of Object.entries(labels)) {
    const domain = Object.hasOwn(family.labels, key) ? family.labels[key] : undefined;
    if (domain === undefined) return { reason: "unknown_key", key };
    const fits = typeof value === "string" && (domain.kind === "open" || domain.values.includes(value));
    if (!fits) return { reason: "value", key, value };
  }
  return undefined;
}

function createRecording(family: Family, context: InstrumentContext) {
  const { reporter } = context;
  const check = createLabelCheck(family);
  const lowest = family.instrument === "counter" || family.instrument === "histogram" ? 0 : -Number.MAX_VALUE;
  const rule: ValueRule = {
    lowest,
    highest: Number.MAX_VALUE,
    integer: false,
    repair: (value) => reportValue(reporter, family, value as number),
  };
  let opened: Opened | undefined;
  let declared: DeclaredRecorder | undefined;

  // Nothing a measurement does may reach the code that is being measured.
  function open(): Opened | undefined {
    try {
      opened ??= openInstrument(family, context);
      declared = opened.declared;
    } catch (error) {
      reporter.providerFailed(family, error);
    }
    return opened;
  }

  function guarded(value: number, labels: Attributes, from: Context | undefined): void {
    try {
      (opened ?? open())?.write(value, labels, from);
    } catch (error) {
      reporter.providerFailed(family, error);
    }
  }

  function acceptable(value: number): boolean {
    if (Number.isFinite(value) && value >= lowest) return true;
    reportValue(reporter, family, value);
    return false;
  }

  function recordChecked(value: number, labels: Attributes, from: Context | undefined): void {
    if (!acceptable(value)) return;
    // The caller's own object goes through when it fits, so that the valid path allocates nothing.
    if (check.fits(labels)) {
      guarded(value, labels, from);
      return;
    }
    const { labels: repaired, violation } = check.repair(labels);
    if (violation !== undefined) reportViolation(reporter, family, violation);
    if (repaired !== undefined) guarded(value, repaired, from);
  }

  function start(labels: Attributes): void {
    const violation = firstViolation(family, labels);
    if (violation !== undefined) {
      reportViolation(reporter, family, violation);
      return;
    }
    const given = Object.entries(labels).map(([key, value]) => [key, [value as string]]);
    const known = { ...context.known, ...(Object.fromEntries(given) as Record<string, string[]>) };
    const combinations = knownCombinations(family, { owner: context.owner, known }) ?? [];
    if (combinations.length === 0) return;
    const engine = (opened ?? open())?.engine;
    for (const series of combinations) {
      if (engine !== undefined) engine.start(series);
      // An empty histogram cannot be recorded into being.
      else if (family.instrument !== "histogram") guarded(0, series, undefined);
    }
  }

  function readably<T>(otherwise: T, run: () => T): T {
    try {
      return run();
    } catch {
      reportViolation(reporter, family, unreadable);
      return otherwise;
    }
  }

  function settle(given: Attributes): { readonly labels?: Attributes | undefined; readonly violation?: Violation } {
    try {
      return check.fits(given) ? { labels: { ...given } } : check.repair(given);
    } catch {
      return { violation: unreadable };
    }
  }

  return {
    record: (value: number, labels: Attributes = noLabels, from?: Context): void => {
      try {
        const known =
          declared !== undefined &&
          typeof value === "number" &&
          value >= lowest &&
          value <= Number.MAX_VALUE &&
          declared.record(value, labels, from);
        if (!known) recordChecked(value, labels, from);
      } catch {
        reportViolation(reporter, family, unreadable);
      }
    },

    bind: (given: Attributes = noLabels): Bound | Pick<Bound, "record"> => {
      const { labels: settled, violation } = settle(given);
      const engine = (opened ?? open())?.engine;
      if (violation === undefined && settled !== undefined && engine !== undefined) {
        return engine.bind(settled, rule);
      }
      return {
        record: (value, from) => {
          if (!acceptable(value)) return;
          if (violation !== undefined) reportViolation(reporter, family, violation);
          if (settled !== undefined) guarded(value, settled, from);
        },
      };
    },

    start: (labels: Attributes = noLabels): void => readably(undefined, () => start(labels)),

    remove: (match: Attributes): number => readably(0, () => (opened ?? open())?.engine?.removeMatching(match) ?? 0),
  };
}

function openInstrument(family: Family, { meterProvider, reporter }: InstrumentContext): Opened {
  const instrument = createInstrument(family, meterProvider);
  const engine = instrument instanceof SyncInstrument ? instrument : undefined;
  if (engine !== undefined) onOverflow(engine, () => reportOverflow(reporter, family));
  const write: Write =
    "add" in instrument
      ? (value, labels, context) => instrument.add(value, labels, context)
      : (value, labels, context) => instrument.record(value, labels, context);
  return { write, engine, declared: declareKeys(instrument, keySetsOf(family)) };
}

/** All keys of a family, and those that must be there. */
function keySetsOf({ labels, labelKeys }: Family): readonly (readonly string[])[] {
  const required = labelKeys.filter((key) => {
    const domain = labels[key];
    return domain?.kind !== "open" || !domain.optional;
  });
  return required.length < labelKeys.length ? [labelKeys, required] : [labelKeys];
}

function createInstrument(
  { name, help: description, instrument, buckets = [], catalog }: Family,
  provider: MeterProvider,
) {
  const meter = meterOf(provider, { catalog });
  // No unit: consumers would append it to a name that carries it already.
  switch (instrument) {
    case "counter":
      return meter.createCounter(name, { description });
    case "upDownCounter":
      return meter.createUpDownCounter(name, { description });
    case "gauge":
      return meter.createGauge(name, { description });
    case "histogram":
      // The advice makes the buckets right even where no views are configured.
      return meter.createHistogram(name, { description, advice: { explicitBucketBoundaries: [...buckets] } });
  }
}

/** Reports labels that do not fit. */
export function reportViolation(reporter: Reporter, family: Family, { reason, key, value }: Violation): void {
  reporter.violation(family, reason, "labels", () => ({
    label: key,
    // Whatever an untyped caller passed must be printable without running its code.
    ...(value !== undefined && { value: typeof value === "string" ? value.slice(0, 64) : `(${typeof value})` }),
    remedy: `use the labels of the catalog: ${family.labelKeys.join(", ") || "none"}`,
  }));
}

/** Reports a value that cannot be recorded. */
export function reportValue(reporter: Reporter, family: Family, value: number): undefined {
  reporter.violation(family, "value", "measurement", () => ({
    value,
    remedy: "record finite numbers, and none below 0 in a counter or histogram",
  }));
}

/** Reports a measurement that went into the overflow series. */
export function reportOverflow(reporter: Reporter, family: Family): void {
  reporter.violation(family, "cardinality", "limit", () => ({
    limit: family.cardinalityLimit,
    remedy: "record fewer values per label; further series go into one with otel_metric_overflow",
  }));
}
