/**
 * Writes every generated file: `npm run generate`. With `--check` it writes nothing and names the files that differ.
 * Exit code 0: all in sync; 1: some differ; 2: wrong usage.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { generateCatalogFiles } from "@almanac/catalog/projections";
import { customResourceDefinitions } from "@almanac/manager";
import { stringify } from "yaml";
import { generate, verifyGenerated } from "../packages/provider/scripts/generate.ts";

interface GeneratedFile {
  /** Relative to the repository's root. */
  readonly path: string;
  readonly text: string;
}

const { values } = parseArgs({
  options: { check: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
});
if (values.help) {
  console.log(
    "Usage: npm run generate [-- --check]\n\nExit codes: 0 in sync or written, 1 files differ, 2 wrong usage.",
  );
  process.exit(0);
}

const files: GeneratedFile[] = [...generateCatalogFiles(), ...definitionFiles()];
const differing = files.filter(({ path, text }) => read(path) !== text);
if (values.check) {
  for (const { path } of differing) console.error(`${path} is out of date; run npm run generate`);
  const messages = await verifyGenerated();
  for (const line of messages.differences) console.error(line);
  for (const line of messages.skipped) console.error(`skipped: ${line}`);
  // A machine without protoc may leave its part out; where a change lands, nothing is.
  const bad = messages.differences.length + (process.env["CI"] === "true" ? messages.skipped.length : 0);
  process.exitCode = differing.length + bad > 0 ? 1 : 0;
} else {
  await generate();
  for (const { path, text } of differing) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
  console.log(`${files.length} generated files, ${differing.length} changed`);
}

function definitionFiles(): GeneratedFile[] {
  return customResourceDefinitions().map((definition) => ({
    path: `charts/almanac/crds/${definition.metadata.name}.yaml`,
    text: `# Generated from packages/manager/src/api by npm run generate.\n${stringify(definition, { lineWidth: 0, aliasDuplicateObjects: false, version: "1.1" })}`,
  }));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
