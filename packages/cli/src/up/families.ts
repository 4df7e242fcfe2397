import { familiesOf, stack, virtrigaud } from "@almanac/catalog";
import type { Family } from "@almanac/catalog";
import { unbuiltFamilies } from "@almanac/manager";

// What only the vSphere and libvirt providers themselves can say is not for a mock to say.
const elsewhere = /^virtrigaud_(vsphere|libvirt)_/;

/** The families that the components of the demo own and that something in it moves, by name. */
export function builtFamilies(): ReadonlyMap<string, Family> {
  const catalogs = [virtrigaud, stack];
  return new Map(
    [...familiesOf(catalogs, "manager"), ...familiesOf(catalogs, "provider")]
      .filter(({ name }) => !unbuiltFamilies.includes(name) && !elsewhere.test(name))
      .map((family) => [family.name, family]),
  );
}
