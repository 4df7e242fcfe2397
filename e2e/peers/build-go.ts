import { cpSync, copyFileSync, chmodSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { baseLdflags } from "./cache.ts";
import { applyEdits, readEdits } from "./edits.ts";
import { PeerError } from "./errors.ts";
import type { BinaryName, CollectorRecipe, GoToolRecipe } from "./recipes.ts";
import { runStep } from "./run-step.ts";
import type { StepContext } from "./run-step.ts";

/** Settings of the user's that would change what is built are overruled; where modules come from is left alone. */
const goEnv = { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off", GOTOOLCHAIN: "local" };

/** Builds the main packages of a Go module into `target`. `work` is an empty scratch folder. */
export async function buildGoTool(
  recipe: GoToolRecipe,
  work: string,
  target: string,
  context: StepContext,
): Promise<void> {
  copyModuleFiles(recipe.folder, work);
  if (recipe.edits !== undefined) {
    context.phase("preparing the source");
    const list = readEdits(recipe.edits.file);
    const source = await moduleSource(list.module, list.version, work, context);
    const copy = join(work, recipe.edits.into);
    cpSync(source, copy, { recursive: true });
    makeWritable(copy);
    applyEdits(list, copy);
  }
  const stamps = Object.entries(recipe.stamps).map(([name, value]) => `-X ${name}=${value}`);
  for (const [binary, packagePath] of Object.entries(recipe.packages) as [BinaryName, string][]) {
    await goBuild(packagePath, join(target, binary), work, [baseLdflags, ...stamps].join(" "), context);
  }
}

/** Generates the Collector of the manifest with its builder and builds it into `target`. */
export async function buildCollector(
  recipe: CollectorRecipe,
  work: string,
  target: string,
  context: StepContext,
): Promise<void> {
  copyModuleFiles(recipe.folder, work);
  const builder = join(work, "builder");
  await goBuild(recipe.builderPackage, builder, work, baseLdflags, context);
  context.phase("generating the source");
  // In a folder of its own: generating must not find the builder's go.mod.
  const generated = join(work, "generated");
  mkdirSync(generated);
  await runStep([builder, "--config", recipe.manifest, "--skip-compilation"], context, {
    cwd: generated,
    // The builder writes the go.mod it generates.
    env: { ...goEnv, GOFLAGS: "-buildvcs=false" },
  });
  await goBuild(".", join(target, recipe.name), join(generated, recipe.outputPath), baseLdflags, context);
}

async function goBuild(
  packagePath: string,
  output: string,
  cwd: string,
  ldflags: string,
  context: StepContext,
): Promise<void> {
  context.phase(`compiling ${packagePath === "." ? "it" : packagePath}`);
  // -v names every package as it is compiled, which the heartbeat counts.
  await runStep(["go", "build", "-v", "-trimpath", `-ldflags=${ldflags}`, "-o", output, packagePath], context, {
    cwd,
    env: goEnv,
  });
}

function copyModuleFiles(folder: string, work: string): void {
  for (const file of ["go.mod", "go.sum"]) copyFileSync(join(folder, file), join(work, file));
}

/** Folder of a module in the module cache, downloaded when missing. */
async function moduleSource(path: string, version: string, cwd: string, context: StepContext): Promise<string> {
  const output = await runStep(["go", "mod", "download", "-json", `${path}@${version}`], context, { cwd, env: goEnv });
  const directory = /"Dir":\s*("(?:[^"\\]|\\.)*")/.exec(output)?.[1];
  if (directory === undefined) throw new PeerError("build_failed", `go mod download named no folder for ${path}`);
  return JSON.parse(directory) as string;
}

/** The module cache is read-only, and so is its copy. */
function makeWritable(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory() || entry.isFile()) {
      chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
    }
  }
}
