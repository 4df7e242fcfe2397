import type { Logger } from "@almanac/core";
import type { JsonObject } from "../schema/index.ts";
import type { Collection } from "./collection.ts";
import type { Entry } from "./entry.ts";
import { describeError, makeFolder } from "@almanac/core";
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { ApiServerError } from "../error.ts";
import { readRecords } from "./records.ts";

export interface JournalOptions {
  readonly directory: string;
  readonly logger: Logger;
  /** Journal bytes after which a snapshot replaces it. Default: 32 MiB. */
  readonly compactAfterBytes?: number;
}

export interface JournalRecord {
  readonly revision: number;
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** Undefined for a removal. */
  readonly object?: JsonObject;
}

/**
 * The state folder: `snapshot-N` holds all objects as of some revision, `journal-N` and later ones the writes since. One line per
 * record: CRC-32 and JSON. A record reaches the kernel before its write is answered, so it survives the death of the process at any
 * point; a machine's loss of power may cost the newest ones.
 */
export interface Journal {
  /** All records, oldest first. Cuts off a torn last line. Throws `state_corrupt` for damage anywhere else. */
  replay(): AsyncIterable<JournalRecord>;
  append(id: string, entry: Entry, removal: boolean): void;
  /** Starts a snapshot in the background when the journal has grown enough. */
  compactIfDue(revision: number, collections: ReadonlyMap<string, Collection>): void;
  close(): Promise<void>;
}

const fileName = /^(snapshot|journal)-(\d{8})\.jsonl$/;

export function openJournal(options: JournalOptions): Journal {
  const { directory, logger, compactAfterBytes = 32 * 1024 * 1024 } = options;
  makeFolder(directory);
  const unlock = lock(directory);
  let sequence = 0;
  let file = -1;
  let size = 0;
  let threshold = compactAfterBytes;
  let compaction: Promise<void> | undefined;
  let broken: unknown;

  const path = (kind: "snapshot" | "journal", number: number): string =>
    join(directory, `${kind}-${String(number).padStart(8, "0")}.jsonl`);

  async function* replay(): AsyncGenerator<JournalRecord> {
    const numbers = { snapshot: [] as number[], journal: [] as number[] };
    for (const name of readdirSync(directory)) {
      const match = fileName.exec(name);
      if (match !== null) numbers[match[1] as "snapshot" | "journal"].push(Number(match[2]));
      else if (name.endsWith(".tmp")) rmSync(join(directory, name));
    }
    const snapshot = Math.max(0, ...numbers.snapshot);
    const journals = numbers.journal.filter((number) => number >= snapshot).sort((left, right) => left - right);
    if (snapshot > 0) yield* readRecords<JournalRecord>(path("snapshot", snapshot), { torn: "refuse" });
    for (const number of journals.slice(0, -1))
      yield* readRecords<JournalRecord>(path("journal", number), { torn: "refuse" });
    sequence = journals.at(-1) ?? Math.max(1, snapshot);
    file = openSync(path("journal", sequence), "a+", 0o600);
    const reading = readRecords<JournalRecord>(path("journal", sequence), {
      torn: (bytes) => {
        logger.warn("The newest record of the journal was cut short by the last exit; dropped it", {
          file: path("journal", sequence),
        });
        ftruncateSync(file, bytes);
      },
      onEnd: (bytes) => (size = bytes),
    });
    yield* reading;
    for (const number of numbers.journal) if (number < snapshot) rmSync(path("journal", number));
    for (const number of numbers.snapshot) if (number < snapshot) rmSync(path("snapshot", number));
  }

  async function compact(revision: number, entries: readonly (readonly [string, Entry])[]): Promise<void> {
    const old = sequence;
    const next = old + 1;
    const opened = openSync(path("journal", next), "a", 0o600);
    closeSync(file);
    file = opened;
    sequence = next;
    size = 0;
    const draft = `${path("snapshot", next)}.tmp`;
    await using handle = await open(draft, "w", 0o600);
    let written = 0;
    let chunk = line(`{"revision":${revision},"id":"","namespace":"","name":""}`);
    for (const [id, entry] of entries) {
      chunk += line(recordJson(id, entry, false));
      if (chunk.length < 1 << 20) continue;
      written += (await handle.write(chunk)).bytesWritten;
      chunk = "";
    }
    written += (await handle.write(chunk)).bytesWritten;
    await handle.sync();
    await rename(draft, path("snapshot", next));
    await rm(path("journal", old), { force: true });
    await rm(path("snapshot", old), { force: true });
    threshold = Math.max(compactAfterBytes, 2 * written);
  }

  return {
    replay,
    append(id, entry, removal) {
      if (broken !== undefined) throw new Error("the state folder no longer takes writes", { cause: broken });
      const bytes = Buffer.from(line(recordJson(id, entry, removal)));
      try {
        for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
        size += bytes.length;
      } catch (error) {
        try {
          // Half a record in the middle would make the whole file unreadable.
          ftruncateSync(file, size);
        } catch {
          broken = error;
        }
        throw error;
      }
    },
    compactIfDue(revision, collections) {
      if (size < threshold || compaction !== undefined) return;
      const entries: (readonly [string, Entry])[] = [];
      for (const [id, collection] of collections) for (const entry of collection.sorted()) entries.push([id, entry]);
      compaction = compact(revision, entries)
        .catch((error: unknown) => {
          threshold *= 2;
          logger.error("Writing a snapshot of the state failed; the journal keeps growing", {
            error: describeError(error),
          });
        })
        .finally(() => (compaction = undefined));
    },
    async close() {
      await compaction;
      if (file >= 0) closeSync(file);
      file = -1;
      broken = new Error("closed");
      unlock();
    },
  };
}

function recordJson(id: string, entry: Entry, removal: boolean): string {
  const head = `{"revision":${entry.revision},"id":${JSON.stringify(id)},"namespace":${JSON.stringify(entry.namespace)},"name":${JSON.stringify(entry.name)}`;
  return removal ? `${head}}` : `${head},"object":${entry.json}}`;
}

function line(json: string): string {
  return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
}

/** Keeps a second process out of the folder. A lock whose process has died is taken over. */
function lock(directory: string): () => void {
  const path = join(directory, "lock");
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx", mode: 0o600 });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt > 1) throw error;
      const owner = Number(readFileSync(path, "utf8"));
      if (owner !== process.pid && isAlive(owner)) {
        throw new ApiServerError(
          "state_locked",
          `state folder ${directory} is used by process ${owner}; stop it or choose another folder`,
        );
      }
      rmSync(path, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
