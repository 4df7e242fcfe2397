import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildCollector, buildGoTool } from "./build-go.ts";
import { buildKey, peerFolder, readRecord, recordName } from "./cache.ts";
import type { BuildRecord } from "./cache.ts";
import { PeerError } from "./errors.ts";
import { acquireLock } from "./lock.ts";
import { checkPrerequisites } from "./prerequisites.ts";
import type { BinaryName, Recipe } from "./recipes.ts";
import type { StepContext } from "./run-step.ts";

/** A peer that is in the cache now. */
export interface Provided {
  /** `present` when nothing had to be done. */
  readonly status: "built" | "present";
  readonly folder: string;
  readonly record: BuildRecord;
}

/**
 * Makes sure that the binaries of `recipe` are in the cache, building them under the peer's lock when they are not. A build
 * appears complete or not at all. Throws {@link PeerError}.
 */
export async function providePeer(recipe: Recipe, context: StepContext): Promise<Provided> {
  const toolchain = checkPrerequisites();
  const root = peerFolder(recipe);
  const folder = join(root, buildKey(recipe, toolchain));
  const present = (): Provided | undefined => {
    const record = readRecord(folder, recipe);
    return record === undefined ? undefined : { status: "present", folder, record };
  };
  const found = present();
  if (found !== undefined) {
    // Newest wins when a scenario looks for a build whose toolchain it does not know.
    const now = new Date();
    utimesSync(folder, now, now);
    return found;
  }

  const lock = await acquireLock(join(root, "lock"), {
    signal: context.signal,
    onWait: (holder) => {
      context.phase(`waiting for ${holder}`);
    },
  });
  try {
    return present() ?? (await buildInto(folder, recipe, toolchain, context));
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** Builds beside `folder` and renames: the caller holds the peer's lock. */
async function buildInto(folder: string, recipe: Recipe, toolchain: string, context: StepContext): Promise<Provided> {
  removeLeftovers(peerFolder(recipe));

  const scratch = `${folder}.tmp-${process.pid}`;
  const [work, out] = [join(scratch, "work"), join(scratch, "out")];
  mkdirSync(work, { recursive: true });
  mkdirSync(out);
  try {
    const begin = performance.now();
    await build(recipe, work, out, context);
    const record: BuildRecord = {
      version: recipe.version,
      toolchain,
      builtAt: new Date().toISOString(),
      seconds: Math.round((performance.now() - begin) / 100) / 10,
      bytes: sizes(recipe, out),
    };
    writeFileSync(join(out, recordName), `${JSON.stringify(record, undefined, 2)}\n`);
    // What may lie there is incomplete, else it would have been used.
    if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
    renameSync(out, folder);
    return { status: "built", folder, record };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function build(recipe: Recipe, work: string, out: string, context: StepContext): Promise<void> {
  switch (recipe.how) {
    case "go-tool":
      return buildGoTool(recipe, work, out, context);
    case "collector-builder":
      return buildCollector(recipe, work, out, context);
  }
}

function sizes(recipe: Recipe, out: string): Partial<Record<BinaryName, number>> {
  const bytes: Partial<Record<BinaryName, number>> = {};
  for (const binary of recipe.binaries) {
    const path = join(out, binary);
    if (!existsSync(path)) throw new PeerError("build_failed", `the build left no ${binary}`);
    bytes[binary] = statSync(path).size;
  }
  return bytes;
}

/** Scratch folders of builds that were killed; the lock says that none of them is in use. */
function removeLeftovers(root: string): void {
  for (const name of readdirSync(root)) {
    if (name.includes(".tmp-")) rmSync(join(root, name), { recursive: true, force: true });
  }
}
