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
  if (typeof options !== "object" || options === null) {
    throw new MetricsError(
      "invalid_view",
      `a view must be an object, got ${shown(options)}; e.g. { instrumentName: "http_*" }`,
    );
  }
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
  if (limit !== undefined && limit !== null && !(Number.isSafeInteger(limit) && limit >= 1)) {
    throw new MetricsError(
      "invalid_view",
      `aggregationCardinalityLimit must be a whole number of at least 1, got ${shown(limit)}; the overflow series counts towards it`,
    );
  }
  if ("attributeKeys" in options) {
    throw new MetricsError(
      "invalid_view",
      `attributeKeys, got ${shown(options.attributeKeys)}, is of an older SDK; use attributesProcessors: [createAllowListAttributesProcessor([…])]`,
    );
  }
  for (const [index, processor] of (options.attributesProcessors ?? []).entries()) {
    if (typeof (processor as Partial<IAttributesProcessor> | null)?.process === "function") continue;
    throw new MetricsError(
      "invalid_view",
      `attributesProcessors[${index}] must have a process function, got ${shown(processor)}; make one with createAllowListAttributesProcessor`,
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
        throw new MetricsError(
          "invalid_view",
          `aggregation.options.boundaries must be a list of numbers, got ${shown(boundaries)}; give the upper bounds in rising order`,
        );
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
    default:
      throw new MetricsError(
        "invalid_view",
        `aggregation must be one of the SDK's, e.g. { type: AggregationType.SUM }, got ${shown(aggregation)}`,
      );
  }
}

/** A value in a message: short, and never an error of its own. */
function shown(value: unknown): string {
  try {
    if (typeof value === "number") return String(value);
    return (JSON.stringify(value) ?? String(value)).slice(0, 200);
  } catch {
    return typeof value;
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
