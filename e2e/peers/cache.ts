import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { BinaryName, Recipe } from "./recipes.ts";

/** Linker flags of every Go build: no symbol table, no debug information. */
export const baseLdflags = "-s -w";

/** Changes when the way of building changes although no input file did; part of every key. */
const cacheFormat = 1;

/** Folder of all built peers: `$ALMANAC_PEERS_CACHE`, default `~/.cache/almanac/peers`. May not exist yet. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  const given = env["ALMANAC_PEERS_CACHE"];
  return given === undefined || given === "" ? join(homedir(), ".cache", "almanac", "peers") : resolve(given);
}

/** Folder of one peer; holds a folder per key, and the lock. */
export function peerFolder(recipe: Recipe): string {
  return join(cacheRoot(), recipe.name);
}

/**
 * Hash of everything that decides what the binary is, the toolchain apart: the recipe, its input files, the platform.
 * Costs a few file reads. Throws when an input file is missing.
 */
function inputsHash(recipe: Recipe): string {
  const hash = createHash("sha256");
  // Paths are left out: a checkout elsewhere builds the same binary.
  const portable = JSON.stringify(recipe, (key, value: unknown) =>
    key === "folder" || key === "manifest" || key === "inputs" || key === "file" ? undefined : value,
  );
  hash.update(JSON.stringify([cacheFormat, portable, process.platform, process.arch, baseLdflags]));
  for (const path of recipe.inputs) {
    hash.update(`\0${basename(dirname(path))}/${basename(path)}\0`);
    hash.update(readFileSync(path));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Name of the folder of one build. `toolchain` is what compiled it, e.g. `go1.26.8`. */
export function buildKey(recipe: Recipe, toolchain: string): string {
  return `${inputsHash(recipe)}-${toolchain}`;
}

/** What the set-up records beside the binaries. */
export interface BuildRecord {
  readonly version: string;
  readonly toolchain: string;
  readonly builtAt: string;
  /** Wall time of the build. */
  readonly seconds: number;
  /** Size of each binary. */
  readonly bytes: Readonly<Partial<Record<BinaryName, number>>>;
}

/** File name of the {@link BuildRecord}; its presence says that the build is complete. */
export const recordName = "built.json";

/** Record of a finished build, or undefined when the folder is absent, incomplete or unreadable. */
export function readRecord(folder: string, recipe: Recipe): BuildRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(folder, recordName), "utf8")) as BuildRecord;
    return recipe.binaries.every((binary) => existsSync(join(folder, binary))) ? record : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Folder of the newest finished build with the present inputs, whatever toolchain made it: a restored cache serves a
 * machine that has no Go.
 */
export function findBuild(recipe: Recipe): string | undefined {
  const prefix = `${inputsHash(recipe)}-`;
  const root = peerFolder(recipe);
  const candidates = existsSync(root) ? readdirSync(root) : [];
  return candidates
    .filter((name) => name.startsWith(prefix) && !name.includes(".tmp-"))
    .map((name) => join(root, name))
    .filter((folder) => readRecord(folder, recipe) !== undefined)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}
