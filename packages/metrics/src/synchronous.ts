import type { Family } from "@almanac/catalog";
import type { Attributes, Context, MeterProvider } from "@opentelemetry/api";
import { createLabelCheck } from "./labels.ts";
import type { Violation } from "./labels.ts";
import { meterOf } from "./meter.ts";
import type { Reporter } from "./reporter.ts";
import type { TypedCounter, TypedRecorder } from "./types.ts";
import { knownCombinations } from "./zero-start.ts";
import type { KnownLabels } from "./zero-start.ts";

/** What an instrument needs besides its family. */
export interface InstrumentContext extends KnownLabels {
  readonly meterProvider: MeterProvider;
  readonly reporter: Reporter;
}

type Write = (value: number, labels: Attributes, context: Context | undefined) => void;

const noLabels: Attributes = Object.freeze({});

/** The instrument of a counter or up-down counter family, and the start of its series at 0. */
export function createTypedCounter(family: Family, context: InstrumentContext): TypedCounter<Attributes> {
  const { record, bind } = createRecording(family, context);
  return {
    add: record,
    bind: (labels) => ({ add: bind(labels) }),
    start(labels = noLabels) {
      const violation = firstViolation(family, labels);
      if (violation !== undefined) {
        reportViolation(context.reporter, family, violation);
        return;
      }
      const given = Object.entries(labels).map(([key, value]) => [key, [value as string]]);
      const known = { ...context.known, ...(Object.fromEntries(given) as Record<string, string[]>) };
      for (const series of knownCombinations(family, { owner: context.owner, known }) ?? []) record(0, series);
    },
  };
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

/** The instrument of a gauge or histogram family. */
export function createTypedRecorder(family: Family, context: InstrumentContext): TypedRecorder<Attributes> {
  const { record, bind } = createRecording(family, context);
  return { record, bind: (labels) => ({ record: bind(labels) }) };
}

function createRecording(family: Family, { meterProvider, reporter }: InstrumentContext) {
  const check = createLabelCheck(family);
  const lowest = family.instrument === "counter" || family.instrument === "histogram" ? 0 : -Infinity;
  let write: Write | undefined;

  // Nothing a measurement does may reach the code that is being measured.
  function guarded(value: number, labels: Attributes, context: Context | undefined): void {
    try {
      write ??= openInstrument(family, meterProvider);
      write(value, labels, context);
    } catch (error) {
      reporter.providerFailed(family, error);
    }
  }

  function acceptable(value: number): boolean {
    if (Number.isFinite(value) && value >= lowest) return true;
    reportValue(reporter, family, value);
    return false;
  }

  return {
    record: (value: number, labels: Attributes = noLabels, context?: Context): void => {
      if (!acceptable(value)) return;
      // The caller's own object goes through when it fits, so that the valid path allocates nothing.
      if (check.fits(labels)) {
        guarded(value, labels, context);
        return;
      }
      const { labels: repaired, violation } = check.repair(labels);
      if (violation !== undefined) reportViolation(reporter, family, violation);
      if (repaired !== undefined) guarded(value, repaired, context);
    },

    bind: (labels: Attributes = noLabels): ((value: number, context?: Context) => void) => {
      const { labels: settled, violation } = check.fits(labels)
        ? { labels: { ...labels }, violation: undefined }
        : check.repair(labels);
      if (violation === undefined && settled !== undefined) {
        return (value, context) => {
          if (acceptable(value)) guarded(value, settled, context);
        };
      }
      return (value, context) => {
        if (!acceptable(value)) return;
        if (violation !== undefined) reportViolation(reporter, family, violation);
        if (settled !== undefined) guarded(value, settled, context);
      };
    },
  };
}

function openInstrument(family: Family, meterProvider: MeterProvider): Write {
  const { name, help: description, instrument, buckets = [] } = family;
  const meter = meterOf(meterProvider, family);
  // No unit: consumers would append it to a name that carries it already.
  switch (instrument) {
    case "counter":
    case "upDownCounter": {
      const counter =
        instrument === "counter"
          ? meter.createCounter(name, { description })
          : meter.createUpDownCounter(name, { description });
      return (value, labels, context) => counter.add(value, labels, context);
    }
    case "gauge": {
      const gauge = meter.createGauge(name, { description });
      return (value, labels, context) => gauge.record(value, labels, context);
    }
    case "histogram": {
      // The advice makes the buckets right even where no views are configured.
      const histogram = meter.createHistogram(name, {
        description,
        advice: { explicitBucketBoundaries: [...buckets] },
      });
      return (value, labels, context) => histogram.record(value, labels, context);
    }
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
export function reportValue(reporter: Reporter, family: Family, value: number): void {
  reporter.violation(family, "value", "measurement", () => ({
    value,
    remedy: "record finite numbers, and none below 0 in a counter or histogram",
  }));
}
