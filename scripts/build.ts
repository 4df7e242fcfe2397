/**
 * Compiles the packages for other projects: `npm run build [-- --pack FOLDER] [--help]`. Writes `packages/<name>/dist`; with `--pack` a
 * tarball of each package to FOLDER as well. Exit code 0: done; 1: it does not compile or pack; 2: wrong usage.
 */
import { parseArgs } from "node:util";
import { buildPackages, packPackages } from "./packages.ts";

let folder: string | undefined;
try {
  const { values } = parseArgs({ options: { pack: { type: "string" }, help: { type: "boolean", default: false } } });
  if (values.help) {
    console.log(`Usage: npm run build [-- --pack FOLDER]

Compiles every public package to packages/<name>/dist. --pack writes their tarballs to FOLDER.
Exit codes: 0 done, 1 it does not compile or pack, 2 wrong usage.`);
    process.exit(0);
  }
  folder = values.pack;
} catch (error) {
  console.error(`build: ${(error as Error).message}`);
  process.exit(2);
}

try {
  const packages = await buildPackages();
  console.log(`compiled ${packages.length} packages`);
  if (folder !== undefined) {
    const tarballs = await packPackages(packages, folder);
    for (const { file } of tarballs) console.log(file);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
