import { familiesOf, stack, virtrigaud } from "@almanac/catalog";
import type { Family } from "@almanac/catalog";

/** The families that the components of the demo own, by name; something in it moves every one of them. */
export function builtFamilies(): ReadonlyMap<string, Family> {
  const catalogs = [virtrigaud, stack];
  return new Map(
    [...familiesOf(catalogs, "manager"), ...familiesOf(catalogs, "provider")].map((family) => [family.name, family]),
  );
}
