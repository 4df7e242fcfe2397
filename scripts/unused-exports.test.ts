import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { importedAtRunTime } from "./unused-exports.ts";

const folder = mkdtempSync(join(tmpdir(), "exports-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("imports at run time", () => {
  it("are found in both ways of writing them, and by their own file's name", () => {
    const file = join(folder, "main.ts");
    writeFileSync(
      file,
      `const a = (await import("./a.ts")).one;\nconst { two, three: other } = await import("./b.ts");\nimport { four } from "./c.ts";\n`,
    );
    expect([...importedAtRunTime([file])]).toEqual([
      `${join(folder, "a.ts")} one`,
      `${join(folder, "b.ts")} two`,
      `${join(folder, "b.ts")} three`,
    ]);
  });
});
