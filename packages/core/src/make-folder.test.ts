import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolder } from "./make-folder.ts";

describe("makeFolder", () => {
  let root = "";
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), "make-"))));
  afterEach(() => rmSync(root, { recursive: true }));

  it("makes every level, for their owner only, and leaves what is there", () => {
    makeFolder(join(root, "a/b"));
    makeFolder(join(root, "a/b"));
    expect(statSync(join(root, "a/b")).mode & 0o777).toBe(0o700);
  });

  it("throws for a file in the way", () => {
    writeFileSync(join(root, "file"), "");
    expect(() => makeFolder(join(root, "file"))).toThrow("EEXIST");
    expect(() => makeFolder(join(root, "file/x"))).toThrow("ENOTDIR");
  });

  it.each(["/proc/almanac", "/proc/almanac/deeper"])("throws for %s instead of trying for ever", (path) => {
    expect(() => makeFolder(path)).toThrow("ENOENT");
  });
});
