import { familiesOf, stack, virtrigaud } from "@almanac/catalog";
import type { Family } from "@almanac/catalog";
import { unbuiltFamilies } from "@almanac/manager";

/** The families that the components of the demo own and that something in it moves, by name. */
export function builtFamilies(): ReadonlyMap<string, Family> {
  const catalogs = [virtrigaud, stack];
  return new Map(
    [...familiesOf(catalogs, "manager"), ...familiesOf(catalogs, "provider")]
      .filter(({ name }) => !unbuiltFamilies.includes(name))
      .map((family) => [family.name, family]),
  );
}
