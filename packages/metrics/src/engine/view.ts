import { context as contextApi } from "@opentelemetry/api";
import type { Attributes, Context } from "@opentelemetry/api";
import {
  AggregationType,
  createAllowListAttributesProcessor,
  createDenyListAttributesProcessor,
} from "@opentelemetry/sdk-metrics";
import type { AggregationOption, IAttributesProcessor, ViewOptions } from "@opentelemetry/sdk-metrics";
import { MetricsError } from "./error.ts";
import type { StoreOptions } from "./store.ts";
import type { StreamDescriptor } from "./snapshot.ts";

/** One view, checked, with what it does to attributes. */
export interface View extends Pick<StoreOptions, "keep" | "process"> {
  /** Undefined: the instrument's. */
  readonly name: string | undefined;
  /** Undefined: the instrument's. */
  readonly description: string | undefined;
  /** Undefined: the reader's default. */
  readonly aggregation: AggregationOption | undefined;
  readonly limit: number | undefined;
  matches(instrument: StreamDescriptor, scope: ViewScope): boolean;
}

interface ViewScope {
  readonly name: string;
  readonly version?: string;
  readonly schemaUrl?: string;
}

/** The official processors decide by key alone, which need not be done again for every measurement. */
const byKey = [createAllowListAttributesProcessor([]).constructor, createDenyListAttributesProcessor([]).constructor];

/**
 * Checks a view and prepares it. What becomes of `options` later changes nothing.
 *
 * @throws MetricsError `invalid_view` when nothing says which instruments it is for, when it gives several the same name, or when a number
 * in it is none that could be meant.
 */
export function createView(options: ViewOptions): View {
  const { name, description, aggregation, aggregationCardinalityLimit: limit } = options;
  const { instrumentName, instrumentType, instrumentUnit, meterName, meterVersion, meterSchemaUrl } = options;
  const criteria = [instrumentName, instrumentType, instrumentUnit, meterName, meterVersion, meterSchemaUrl];
  if (criteria.every((criterion) => criterion === undefined || criterion === null)) {
    throw new MetricsError(
      "invalid_view",
      `a view needs something to select instruments by, got ${JSON.stringify(Object.keys(options))}; give it instrumentName: "*" to mean all`,
    );
  }
  if (name !== undefined && (instrumentName === undefined || /[*?]/.test(instrumentName))) {
    throw new MetricsError(
      "invalid_view",
      `a view that renames to "${name}" must select one instrument, got instrumentName=${JSON.stringify(instrumentName)}; name it without wildcards`,
    );
  }
  if (limit !== undefined && limit !== null && !(limit >= 1)) {
    throw new MetricsError(
      "invalid_view",
      `aggregationCardinalityLimit must be at least 1, got ${String(limit)}; the overflow series counts towards it`,
    );
  }
  const matchesName = instrumentName === undefined ? () => true : wildcard(instrumentName);
  const same = (wanted: string | undefined, actual: string | undefined): boolean =>
    wanted === undefined || wanted === (actual ?? "");
  return {
    name,
    description,
    aggregation: aggregation === undefined ? undefined : settleAggregation(aggregation),
    limit,
    ...settleProcessors(options.attributesProcessors ?? []),
    matches: (instrument, scope) =>
      matchesName(instrument.name) &&
      (instrumentType === undefined || instrumentType === instrument.type) &&
      same(instrumentUnit, instrument.unit) &&
      same(meterName, scope.name) &&
      same(meterVersion, scope.version) &&
      same(meterSchemaUrl, scope.schemaUrl),
  };
}

/** A copy with numbers that can be meant. Undefined for the default, which is the reader's. */
function settleAggregation(aggregation: AggregationOption): AggregationOption | undefined {
  switch (aggregation.type) {
    case AggregationType.DEFAULT:
      return undefined;
    case AggregationType.EXPLICIT_BUCKET_HISTOGRAM: {
      const boundaries: unknown = aggregation.options?.boundaries;
      if (boundaries === undefined) return structuredClone(aggregation);
      if (!Array.isArray(boundaries) || boundaries.some((bound) => typeof bound !== "number" || Number.isNaN(bound))) {
        throw new MetricsError("invalid_view", `bucket boundaries must be numbers, got ${JSON.stringify(boundaries)}`);
      }
      return structuredClone(aggregation);
    }
    case AggregationType.EXPONENTIAL_HISTOGRAM: {
      const maxSize = aggregation.options?.maxSize;
      if (maxSize !== undefined && !(Number.isInteger(maxSize) && maxSize >= 1)) {
        throw new MetricsError(
          "invalid_view",
          `maxSize of an exponential histogram must be a positive integer, got ${String(maxSize)}; 160 is the default`,
        );
      }
      return structuredClone(aggregation);
    }
    case AggregationType.DROP:
    case AggregationType.LAST_VALUE:
    case AggregationType.SUM:
      return aggregation;
  }
}

/** `*` stands for any characters, `?` for one (metrics SDK specification, instrument selection criteria). */
function wildcard(pattern: string): (name: string) => boolean {
  if (!/[*?]/.test(pattern)) return (name) => name === pattern;
  const source = pattern
    .split(/([*?])/)
    .map((part) => (part === "*" ? ".*" : part === "?" ? "." : part.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")))
    .join("");
  const expression = new RegExp(`^${source}$`, "s");
  return (name) => expression.test(name);
}

function settleProcessors(processors: readonly IAttributesProcessor[]): Pick<StoreOptions, "keep" | "process"> {
  if (processors.length === 0) return { keep: undefined, process: undefined };
  const run = (attributes: Attributes, from: Context | undefined): Attributes =>
    processors.reduce((current, processor) => processor.process(current, from), attributes);
  if (processors.every((processor) => byKey.includes(processor.constructor))) {
    return { keep: (key) => Object.hasOwn(run({ [key]: "" }, undefined), key), process: undefined };
  }
  return { keep: undefined, process: (attributes, from) => run(attributes, from ?? contextApi.active()) };
}
