import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { ProviderError } from "./error.ts";

/** A map that is on disk before `set` and `delete` return. */
export interface StateFile<V> extends Disposable {
  readonly entries: ReadonlyMap<string, V>;
  /** `value` must survive JSON. It is kept as given and must not be changed afterwards. */
  set(key: string, value: V): void;
  delete(key: string): void;
}

type Line<V> = { readonly k: string; readonly v?: V };

/**
 * Opens a map of JSON values kept in `file`, one line per change. Every change is one write, so a process killed at any byte loses at
 * most the change it was making; that unfinished last line is cut off at the next start. (Handed to the kernel, not forced to the disk: a
 * machine that loses power may lose the last changes.) The file is rewritten when most of it is outdated. Without `file` the map lives in
 * memory alone.
 *
 * @throws ProviderError DATA_LOSS for a damaged line that is not the last, RESOURCE_EXHAUSTED when the disk is full.
 */
export function openStateFile<V>(file: string | undefined): StateFile<V> {
  const entries = new Map<string, V>();
  if (file === undefined) {
    return {
      entries,
      set: (key, value) => void entries.set(key, value),
      delete: (key) => void entries.delete(key),
      [Symbol.dispose]() {},
    };
  }

  mkdirSync(dirname(file), { recursive: true });
  // Left over when a process was killed while rewriting; the file itself is whole then.
  rmSync(`${file}.new`, { force: true });
  let descriptor = openSync(file, "a+");
  let lines = load(file, descriptor, entries);

  function append(line: Line<V>): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    const end = fstatSync(descriptor).size;
    try {
      if (writeSync(descriptor, bytes) !== bytes.length) {
        throw Object.assign(new Error("short write"), { code: "ENOSPC" });
      }
    } catch (thrown) {
      // Half a line must not stay in front of the next one.
      ftruncateSync(descriptor, end);
      throw ProviderError.from(thrown);
    }
    lines++;
  }

  function compactIfWorthIt(): void {
    if (lines <= 1000 || lines <= 4 * entries.size) return;
    const text = [...entries].map(([k, v]) => `${JSON.stringify({ k, v })}\n`).join("");
    try {
      writeFileSync(`${file}.new`, text);
    } catch {
      // No room for a second copy: the long file still says the same.
      rmSync(`${file}.new`, { force: true });
      return;
    }
    renameSync(`${file}.new`, file as string);
    closeSync(descriptor);
    descriptor = openSync(file as string, "a+");
    lines = entries.size;
  }

  return {
    entries,
    set(key, value) {
      append({ k: key, v: value });
      entries.set(key, value);
      compactIfWorthIt();
    },
    delete(key) {
      if (!entries.has(key)) return;
      append({ k: key });
      entries.delete(key);
      compactIfWorthIt();
    },
    [Symbol.dispose]() {
      closeSync(descriptor);
    },
  };
}

/** Reads all lines into `entries`, cuts an unfinished last one off, and returns how many there were. */
function load<V>(file: string, descriptor: number, entries: Map<string, V>): number {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) ftruncateSync(descriptor, end);
  let count = 0;
  for (const text of bytes.subarray(0, end).toString("utf8").split("\n")) {
    if (text === "") continue;
    count++;
    const line = parseLine<V>(text);
    if (line === undefined) {
      throw new ProviderError(
        "DATA_LOSS",
        `line ${count} of ${file} is damaged; restore the file from a backup, or move it away to start empty`,
      );
    }
    if ("v" in line) entries.set(line.k, line.v);
    else entries.delete(line.k);
  }
  return count;
}

function parseLine<V>(text: string): Line<V> | undefined {
  try {
    const line = JSON.parse(text) as Line<V> | null;
    return typeof line === "object" && line !== null && typeof line.k === "string" ? line : undefined;
  } catch {
    return undefined;
  }
}
