export { generateCatalogFiles } from "./generate.ts";
export { toMarkdown } from "./markdown.ts";
export { toWeaverRegistry } from "./weaver.ts";
export type { GeneratedFile } from "./weaver.ts";
