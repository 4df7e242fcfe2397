import { relative } from "node:path";
import { analyzeTsConfig } from "ts-unused-exports";

// A package's public surface is imported by others' projects; entry points and configuration are run, not imported; commands are
// imported by name when they run, which the analyser does not follow.
const entryPoint = /(^|\/)(index|main|internal|peers)\.ts$|\.config\.ts$|\/gen\/|\/commands\//;

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
  const lines = all
    .filter(({ file }) => !entryPoint.test(file))
    .flatMap(({ file, exports }) =>
      exports.map(({ exportName, location }) => `${file}:${location?.line ?? 1} ${exportName}`),
    );
  return { ok: lines.length === 0, output: lines.join("\n") };
}
