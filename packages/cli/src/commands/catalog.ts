import { familiesOf, liqo, stack, virtrigaud } from "@almanac/catalog";
import type { Family } from "@almanac/catalog";
import { CliError } from "../error.ts";
import type { CatalogFlags } from "../program.ts";

const owners = ["manager", "provider", "gateway", "virtual-kubelet", "process"] as const;

/** Prints the families of all three catalogs, or those that one component serves. */
export async function catalog(flags: CatalogFlags): Promise<void> {
  const { owner } = flags;
  if (owner !== undefined && !(owners as readonly string[]).includes(owner)) {
    throw new CliError("usage", `--owner: "${owner}" is no component; there are ${owners.join(", ")}`);
  }
  const catalogs = [virtrigaud, liqo, stack];
  const families: readonly Family[] =
    owner === undefined ? catalogs.flatMap((one) => Object.values<Family>(one.families)) : familiesOf(catalogs, owner);
  if (flags.json) {
    console.log(JSON.stringify(families, undefined, 2));
    return;
  }
  for (const { name, type, labels, help } of families) {
    console.log(`${name}  ${type}  {${Object.keys(labels).join(", ")}}\n    ${help}`);
  }
}
