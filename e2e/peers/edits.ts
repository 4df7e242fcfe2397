import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PeerError } from "./errors.ts";

/** Changes to a module's source, kept as data so that they can be read in one place and count as a build input. */
export interface EditList {
  /** Module path and version whose source is copied. */
  readonly module: string;
  readonly version: string;
  readonly why: string;
  readonly edits: readonly {
    readonly files: readonly string[];
    readonly find: string;
    readonly replace: string;
  }[];
}

/** Reads an edit list from its JSON file. */
export function readEdits(path: string): EditList {
  return JSON.parse(readFileSync(path, "utf8")) as EditList;
}

/**
 * Replaces every occurrence of each `find` under `root`. Throws {@link PeerError} `build_failed` for a text that does not
 * occur: the module changed and the edit has to be thought about again.
 */
export function applyEdits(list: EditList, root: string): void {
  for (const { files, find, replace } of list.edits) {
    for (const file of files) {
      const path = join(root, file);
      const before = readFileSync(path, "utf8");
      const after = before.replaceAll(find, () => replace);
      if (after === before) {
        throw new PeerError("build_failed", `${list.module}@${list.version}: ${file} holds no ${JSON.stringify(find)}`);
      }
      writeFileSync(path, after);
    }
  }
}
