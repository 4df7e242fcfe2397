import { chmodSync, copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PeerError } from "./errors.ts";
import type { BinaryName, DebianRecipe } from "./recipes.ts";
import { runStep } from "./run-step.ts";
import type { StepContext } from "./run-step.ts";

const updateAttempts = 6;
const updateRetryMs = 5_000;

/**
 * Downloads a Debian package into `work` and copies its binaries to `target`. The package is not installed, so it starts
 * no service. Package lists are updated only when the download fails without it, which needs root.
 */
export async function unpackDebian(
  recipe: DebianRecipe,
  work: string,
  target: string,
  context: StepContext,
): Promise<void> {
  context.phase("downloading the package");
  try {
    await download(recipe, work, context);
  } catch (error) {
    if (PeerError.from(error).code === "aborted") throw error;
    context.phase("updating the package lists");
    await updateLists(work, context);
    context.phase("downloading the package");
    await download(recipe, work, context);
  }
  const archive = readdirSync(work).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new PeerError("build_failed", `apt-get left no package of ${recipe.packageName}`);
  const root = join(work, "root");
  mkdirSync(root);
  await runStep(["dpkg", "-x", archive, root], context, { cwd: work });
  for (const [binary, path] of Object.entries(recipe.paths) as [BinaryName, string][]) {
    copyFileSync(join(root, path), join(target, binary));
    chmodSync(join(target, binary), 0o755);
  }
  await checkRuns(recipe, target, context);
}

async function download(recipe: DebianRecipe, work: string, context: StepContext): Promise<void> {
  // As the calling user: apt's own one cannot write into a home folder, and says so on every download.
  const sandbox = "APT::Sandbox::User=";
  await runStep(["apt-get", "-q", "-o", sandbox, "download", recipe.packageName], context, { cwd: work });
}

async function updateLists(work: string, context: StepContext): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await runStep(["apt-get", "-q", "update"], context, { cwd: work });
      return;
    } catch (error) {
      // apt-get update does not wait for another one to finish.
      const locked = error instanceof PeerError && /could not get lock|unable to lock/i.test(error.message);
      if (!locked || attempt === updateAttempts) throw error;
      await delay(updateRetryMs, undefined, { signal: context.signal });
    }
  }
}

/** Unpacked without its dependencies, a binary may lack a library: found out here, not in a scenario. */
async function checkRuns(recipe: DebianRecipe, target: string, context: StepContext): Promise<void> {
  for (const binary of recipe.binaries) {
    const output = await runStep([join(target, binary), "--version"], context, { cwd: target });
    const found = /version (\d+)\.(\d+)/.exec(output);
    const [major = 0, minor = 0] = [Number(found?.[1]), Number(found?.[2])];
    const [minMajor = 0, minMinor = 0] = recipe.minVersion.split(".").map(Number);
    if (!(major > minMajor || (major === minMajor && minor >= minMinor))) {
      throw new PeerError(
        "build_failed",
        `the distribution's ${binary} says ${JSON.stringify(output.split("\n")[0])}, wanted ${recipe.minVersion} or newer`,
      );
    }
  }
}
