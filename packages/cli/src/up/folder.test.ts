import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRunFolder } from "./folder.ts";

describe("createRunFolder", () => {
  let root = "";
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), "run-"))));
  afterEach(() => rmSync(root, { recursive: true }));

  it("refuses a folder that a living process has, and names both", () => {
    using folder = createRunFolder(root);
    expect(() => createRunFolder(root)).toThrow(`${root} is in use by process ${process.pid}`);
    expect(folder.root).toBe(root);
  });

  it.each(["/proc/almanac", "/proc/almanac/deeper", "/dev/null/x", "/dev/null"])(
    "refuses %s instead of trying for ever",
    (path) => {
      expect(() => createRunFolder(path)).toThrow(/--dir: cannot make a folder at/);
    },
  );

  it("makes the levels in between", () => {
    using folder = createRunFolder(join(root, "a/b/c"));
    expect(existsSync(folder.logs)).toBe(true);
  });

  it("empties the volumes of an earlier run, unless they are kept elsewhere", () => {
    const kept = join(root, "kept");
    for (const options of [{}, { pods: kept }]) {
      using folder = createRunFolder(join(root, "run"), options);
      writeFileSync(join(folder.pods, "machine"), "x");
    }
    using first = createRunFolder(join(root, "run"));
    expect(existsSync(join(first.pods, "machine"))).toBe(false);
    expect(existsSync(join(kept, "machine"))).toBe(true);
  });

  it("takes over from a process that is gone, and leaves nothing behind", () => {
    writeFileSync(join(root, "pid"), "999999999\n");
    writeFileSync(join(root, "up.json"), "{}");
    createRunFolder(root)[Symbol.dispose]();
    expect(existsSync(join(root, "up.json"))).toBe(false);
    expect(existsSync(join(root, "pid"))).toBe(false);
  });
});
