import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describeError, makeFolder, silentLogger, systemClock, type Clock, type Logger } from "@almanac/core";

/** What a journal line says besides when. */
export interface JournalEntry {
  /** An RPC that ended, a task that ended, or an effect on the hypervisor. */
  readonly kind: "rpc" | "task" | "effect";
  /** The contract's method; of an effect without RPC `Suspend` or `Adopt`. */
  readonly method: string;
  /** gRPC status name of an RPC. */
  readonly code?: string;
  readonly vm?: string;
  readonly owner?: string;
  readonly task?: string;
  /** Unique id of an effect. */
  readonly change?: string;
  /** `success`, or the error of a task. */
  readonly result?: string;
}

/** One line of `journal.jsonl`. */
export interface JournalLine extends JournalEntry {
  /** Counts up from 1 without gaps, over restarts too. */
  readonly seq: number;
  /** RFC 3339, UTC. */
  readonly time: string;
}

/** Everything that happened to a mock, in order: what its metrics are compared with. */
export interface Journal extends Disposable {
  /**
   * On disk when it returns; a task or an effect that has its line already gets no second one. Never throws: what cannot be written is
   * logged, since the work it tells of has happened.
   */
  write(entry: JournalEntry): void;
  hasEffect(change: string): boolean;
}

/**
 * Appends to `<directory>/journal.jsonl`, after what earlier processes wrote; an unfinished last line is cut off. Grows without limit: it
 * is the record of a test or a demonstration. Without a directory nothing is written.
 */
export function openJournal(
  directory: string | undefined,
  options: { readonly clock?: Clock; readonly logger?: Logger } = {},
): Journal {
  const { clock = systemClock, logger = silentLogger } = options;
  if (directory === undefined) return { write() {}, hasEffect: () => true, [Symbol.dispose]() {} };
  makeFolder(directory);
  const file = join(directory, "journal.jsonl");
  const descriptor = openSync(file, "a+");
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) ftruncateSync(descriptor, end);

  // Only what was written before the start can be repeated, by the recovery of a killed process.
  const earlier = new Set<string>();
  let seq = 0;
  for (const text of bytes.subarray(0, end).toString("utf8").split("\n")) {
    if (text === "") continue;
    const line = JSON.parse(text) as JournalLine;
    seq = line.seq;
    const key = keyOf(line);
    if (key !== undefined) earlier.add(key);
  }

  return {
    write(entry) {
      const key = keyOf(entry);
      if (key !== undefined && earlier.has(key)) return;
      const line: JournalLine = { seq: ++seq, time: new Date(clock.now()).toISOString(), ...entry };
      try {
        writeSync(descriptor, `${JSON.stringify(line)}\n`);
      } catch (thrown) {
        logger.error("a journal line could not be written", { line, error: describeError(thrown) });
      }
    },
    hasEffect: (change) => earlier.has(`effect/${change}`),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function keyOf(entry: JournalEntry): string | undefined {
  if (entry.kind === "effect") return `effect/${entry.change}`;
  return entry.kind === "task" ? `task/${entry.task}` : undefined;
}
