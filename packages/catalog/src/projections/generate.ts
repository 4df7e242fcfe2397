import { liqo } from "../liqo.ts";
import { toMarkdown } from "./markdown.ts";
import { stack } from "../stack.ts";
import { virtrigaud } from "../virtrigaud.ts";
import { toWeaverRegistry } from "./weaver.ts";
import type { GeneratedFile } from "./weaver.ts";

/** Every file of the repository that is a projection of the three catalogs. Paths are relative to the root of the repository. */
export function generateCatalogFiles(): readonly GeneratedFile[] {
  const catalogs = [virtrigaud, liqo, stack];
  return [
    { path: "docs/reference/catalog.md", text: toMarkdown(catalogs) },
    ...toWeaverRegistry(catalogs).map(({ path, text }) => ({ path: `otel/registry/${path}`, text })),
  ];
}
