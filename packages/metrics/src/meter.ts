import type { Family } from "@almanac/catalog";
import type { Meter, MeterProvider } from "@opentelemetry/api";

/**
 * The meter of a family: one scope per defining catalog, so that a family reached through two catalogs, or by two calls, is one
 * instrument for the SDK.
 */
export function meterOf(meterProvider: MeterProvider, family: Pick<Family, "catalog">): Meter {
  return meterProvider.getMeter(`almanac.${family.catalog}`);
}
