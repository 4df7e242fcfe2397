import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { analyzeTsConfig } from "ts-unused-exports";
import { sys, parseJsonConfigFileContent, readConfigFile } from "typescript";

// A package's public surface is imported by others' projects; entry points and configuration are run, not imported.
const entryPoint = /(^|\/)(index|main|internal|peers)\.ts$|\.config\.ts$|\/gen\//;

/**
 * Exports that no other file imports, `index.ts` files and entry points apart. Fails as well when it found nothing at all to
 * exempt: an analysis that read no files finds nothing wrong.
 */
export async function unusedExports(): Promise<{ ok: boolean; output: string }> {
  const { unusedExports: found } = analyzeTsConfig("tsconfig.json", [
    "--showLineNumber",
    // A type costs nothing and names what a public function takes.
    "--allowUnusedTypes",
  ]);
  const all = Object.entries(found ?? {}).map(([file, exports]) => ({ file: relative(process.cwd(), file), exports }));
  if (all.length === 0) return { ok: false, output: "read no exports at all: the analyser is broken" };
  const { config } = readConfigFile("tsconfig.json", (path) => sys.readFile(path)) as { readonly config?: unknown };
  const used = importedAtRunTime(parseJsonConfigFileContent(config, sys, process.cwd()).fileNames);
  const lines = all
    .filter(({ file }) => !entryPoint.test(file))
    .flatMap(({ file, exports }) =>
      exports
        .filter(({ exportName }) => !used.has(`${resolve(file)} ${exportName}`))
        .map(({ exportName, location }) => `${file}:${location?.line ?? 1} ${exportName}`),
    );
  return { ok: lines.length === 0, output: lines.join("\n") };
}

/** `FILE NAME` of what is taken from `await import("./x.ts")`, which the analyser does not follow. */
export function importedAtRunTime(files: readonly string[]): ReadonlySet<string> {
  const used = new Set<string>();
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const place = (path: string): string => resolve(dirname(file), path);
    for (const [, path = "", name = ""] of text.matchAll(/\(await import\("(\.[^"]+)"\)\)\.(\w+)/g)) {
      used.add(`${place(path)} ${name}`);
    }
    for (const [, names = "", path = ""] of text.matchAll(/\{([^{}]*)\} = await import\("(\.[^"]+)"\)/g)) {
      for (const part of names.split(",")) used.add(`${place(path)} ${part.split(":")[0]?.trim() ?? ""}`);
    }
  }
  return used;
}
