import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One line of the mock provider's journal. */
export interface JournalEntry {
  readonly seq: number;
  readonly kind: "rpc" | "task" | "effect";
  readonly method: string;
  readonly code?: string;
  readonly vm?: string;
  readonly owner?: string;
  readonly task?: string;
  readonly result?: string;
}

/** Reads a provider's journal; a last line that is not whole was being written and is left out. */
export function readJournal(stateDir: string): JournalEntry[] {
  const lines = readFileSync(join(stateDir, "journal.jsonl"), "utf8").split("\n");
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as JournalEntry];
    } catch {
      return [];
    }
  });
}
