import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStateFile } from "./state-file.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "state-file-"));
  file = join(folder, "deep", "state.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("openStateFile", () => {
  it("has what was set when it is opened again", () => {
    const first = openStateFile<number>(file);
    first.set("a", 1);
    first.set("b", 2);
    first.set("a", 3);
    first.delete("b");
    first[Symbol.dispose]();
    using second = openStateFile<number>(file);
    expect([...second.entries]).toEqual([["a", 3]]);
  });

  it("lives in memory without a file", () => {
    using state = openStateFile<number>(undefined);
    state.set("a", 1);
    state.delete("b");
    expect([...state.entries]).toEqual([["a", 1]]);
  });

  it("refuses a damaged line that is not the last, naming it", () => {
    openStateFile<number>(file)[Symbol.dispose]();
    writeFileSync(file, '{"k":"a","v":1}\n{"k":"b"\n{"k":"c","v":3}\n');
    expect(() => openStateFile<number>(file)).toThrow(/\[DATA_LOSS\] line 2 of .*move it away/);
  });

  it("rewrites the file when most of it is outdated", () => {
    using state = openStateFile<number>(file);
    for (let value = 0; value < 5000; value++) state.set(`key-${value % 7}`, value);
    expect(readFileSync(file, "utf8").trim().split("\n").length).toBeLessThan(1100);
    expect([...openStateFile<number>(file).entries]).toEqual([...state.entries]);
  });

  it("has forgotten a key that was deleted by the change that caused the rewriting", () => {
    const state = openStateFile<number>(file);
    state.set("doomed", 1);
    for (let value = 0; value < 999; value++) state.set("kept", value);
    state.delete("doomed");
    state[Symbol.dispose]();
    using again = openStateFile<number>(file);
    expect([...again.entries]).toEqual([["kept", 998]]);
  });

  // Invariant: whatever byte a process is killed at, the next one has the changes before the one it was making, and that one or not.
  it("loses at most the change that was being made when the process was killed", () => {
    const change = fc.record({
      key: fc.constantFrom("a", "b", "c"),
      value: fc.option(fc.oneof(fc.string({ maxLength: 8 }), fc.constant("ünïcode \n 💥")), { nil: undefined }),
      cut: fc.option(fc.integer({ min: 0, max: 999 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        rmSync(file, { force: true });
        let state = openStateFile<string>(file);
        const model = new Map<string, string>();
        for (const { key, value, cut } of changes) {
          const before = statSync(file).size;
          if (value === undefined) state.delete(key);
          else state.set(key, value);
          const after = statSync(file).size;
          const killed = cut !== undefined && after > before;
          if (!killed) {
            if (value === undefined) model.delete(key);
            else model.set(key, value);
          }
          if (cut !== undefined) {
            state[Symbol.dispose]();
            if (killed) truncateSync(file, before + Math.floor((cut / 1000) * (after - before)));
            state = openStateFile<string>(file);
          }
          expect(new Map(state.entries)).toEqual(model);
        }
        state[Symbol.dispose]();
      }),
      { numRuns: 100 },
    );
  });

  it("writes a whole line after an unfinished one was cut off", () => {
    openStateFile<number>(file)[Symbol.dispose]();
    appendFileSync(file, '{"k":"a","v":1}\n{"k":"to');
    const state = openStateFile<number>(file);
    state.set("b", 2);
    state[Symbol.dispose]();
    using again = openStateFile<number>(file);
    expect([...again.entries]).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });
});
