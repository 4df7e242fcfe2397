import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { PeerError } from "./errors.ts";
import { recipeOf } from "./recipes.ts";
import type { BinaryName } from "./recipes.ts";

/**
 * Asks the executable at `path` itself which version it is. Costs a short process. Throws {@link PeerError} `wrong` with what it says,
 * what its recipe wants and the remedy.
 */
export function checkVersion(binary: BinaryName, path: string): void {
  const recipe = recipeOf(binary);
  const wrong = (says: string): PeerError =>
    new PeerError(
      "wrong",
      `${path} ${says}, wanted ${binary} ${recipe.version}; ` +
        `remove ${dirname(path)} and run node e2e/peers/setup.ts --only ${recipe.name}`,
    );
  const args = binary === "kubectl" ? ["version", "--client"] : ["--version"];
  const { error, status, stdout, stderr } = spawnSync(path, args, { encoding: "utf8", timeout: 20_000 });
  if (error !== undefined) throw wrong(`cannot be run (${error.message})`);
  // Only the first line with a number in it is about the program; others name the compiler and libraries.
  const line = stdout.split("\n").find((text) => /\d/.test(text)) ?? (stdout + stderr).trim().slice(0, 200);
  if (status !== 0) throw wrong(`ends with ${status ?? "a signal"} and ${JSON.stringify(line)}`);
  if (/\d+(?:\.\d+)+/.exec(line)?.[0] !== recipe.version) throw wrong(`says ${JSON.stringify(line)}`);
}
