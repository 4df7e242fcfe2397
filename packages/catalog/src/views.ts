import { AggregationType, createAllowListAttributesProcessor } from "@opentelemetry/sdk-metrics";
import type { ViewOptions } from "@opentelemetry/sdk-metrics";
import { combineFamilies } from "./catalog.ts";
import type { Catalog } from "./catalog.ts";

/**
 * Views for the official MeterProvider (`new MeterProvider({ views })`), one per family: the family's buckets, its label keys as the only
 * attributes, and its cardinality limit.
 *
 * @throws CatalogError `family_clash` when two of the catalogs disagree about a name.
 */
export function catalogViews(...catalogs: Catalog[]): ViewOptions[] {
  return [...combineFamilies(catalogs).values()].map((family) => ({
    instrumentName: family.name,
    attributesProcessors: [createAllowListAttributesProcessor([...family.labelKeys])],
    aggregationCardinalityLimit: family.cardinalityLimit,
    ...(family.buckets !== undefined && {
      aggregation: {
        type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
        options: { boundaries: [...family.buckets] },
      } as const,
    }),
  }));
}
