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
  readonly options: ViewOptions;
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
 * Checks a view and prepares it.
 *
 * @throws MetricsError `invalid_view` when nothing says which instruments it is for, or when it gives several the same name.
 */
export function createView(options: ViewOptions): View {
  const { instrumentName, instrumentType, instrumentUnit, meterName, meterVersion, meterSchemaUrl } = options;
  const criteria = [instrumentName, instrumentType, instrumentUnit, meterName, meterVersion, meterSchemaUrl];
  if (criteria.every((criterion) => criterion === undefined || criterion === null)) {
    throw new MetricsError(
      "invalid_view",
      `a view needs something to select instruments by, got ${JSON.stringify(Object.keys(options))}; give it instrumentName: "*" to mean all`,
    );
  }
  if (options.name !== undefined && (instrumentName === undefined || /[*?]/.test(instrumentName))) {
    throw new MetricsError(
      "invalid_view",
      `a view that renames to "${options.name}" must select one instrument, got instrumentName=${JSON.stringify(instrumentName)}; name it without wildcards`,
    );
  }
  const { boundaries } = (options.aggregation?.type === AggregationType.EXPLICIT_BUCKET_HISTOGRAM
    ? options.aggregation.options
    : undefined) ?? { boundaries: [] };
  if (boundaries.some((bound) => Number.isNaN(bound))) {
    throw new MetricsError("invalid_view", `bucket boundaries must be numbers, got ${boundaries.join(", ")}`);
  }
  const matchesName = instrumentName === undefined ? () => true : wildcard(instrumentName);
  const same = (wanted: string | undefined, actual: string | undefined): boolean =>
    wanted === undefined || wanted === (actual ?? "");
  return {
    options,
    aggregation:
      options.aggregation === undefined || options.aggregation.type === AggregationType.DEFAULT
        ? undefined
        : options.aggregation,
    limit: options.aggregationCardinalityLimit,
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
