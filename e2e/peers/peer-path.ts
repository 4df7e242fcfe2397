import { join } from "node:path";
import { findBuild } from "./cache.ts";
import { PeerError } from "./errors.ts";
import { recipeOf } from "./recipes.ts";
import type { BinaryName } from "./recipes.ts";

/**
 * Absolute path of a peer's executable, built from the present manifest and lock files.
 * Throws {@link PeerError} `missing` when the set-up has not built it, or its inputs changed since.
 */
export function peerPath(binary: BinaryName): string {
  const recipe = recipeOf(binary);
  const folder = findBuild(recipe);
  if (folder === undefined) {
    throw new PeerError(
      "missing",
      `${binary} ${recipe.version} is not built; run node e2e/peers/setup.ts --only ${recipe.name}`,
    );
  }
  return join(folder, binary);
}
