import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { buildPackages, packPackages } from "./packages.ts";
import type { Tarball } from "./packages.ts";
import { runToEnd } from "./run.ts";

/**
 * Builds and packs every public package, then looks at the tarballs as their users' tools will: publint for the manifest, `attw` for the
 * types under every module resolution that ES modules have.
 */
export async function checkPackages(): Promise<{ ok: boolean; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-check-"));
  try {
    const tarballs = await packPackages(await buildPackages(), folder);
    if (tarballs.length === 0)
      return { ok: false, output: "found no public package: packages/*/package.json was not read" };
    const problems: string[] = [];
    const waiting = [...tarballs];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        problems.push(...(await problemsOf(next)));
    };
    await Promise.all(Array.from({ length: availableParallelism() }, worker));
    return { ok: problems.length === 0, output: problems.join("\n") };
  } catch (error) {
    return { ok: false, output: (error as Error).message };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function problemsOf({ name, file }: Tarball): Promise<string[]> {
  const problems: string[] = [];
  for (const [program, ...args] of [
    ["publint", "run", file, "--strict"],
    ["attw", file, "--profile", "esm-only", "--no-color", "--no-emoji", "--format", "ascii"],
  ] as const) {
    const { code, output } = await runToEnd(program, args);
    if (code !== 0) problems.push(`${name}: ${program} ended with ${code}:\n${output.trim()}`);
  }
  const files = execFileSync("tar", ["-tzf", file], { encoding: "utf8" }).trim().split("\n");
  for (const wanted of ["LICENSE", "README.md"]) {
    if (!files.includes(`package/${wanted}`)) problems.push(`${name}: the tarball has no ${wanted}`);
  }
  for (const path of files.filter((path) => /\.test\.|\.tsbuildinfo$|(?<!\.d)\.ts$/.test(path))) {
    problems.push(`${name}: the tarball has ${path}, which is of no use to its users`);
  }
  return problems;
}
