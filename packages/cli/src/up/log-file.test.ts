import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, describe, it } from "vitest";
import { openLogFile } from "./log-file.ts";

describe("openLogFile", () => {
  it("keeps at most twice its limit, the newest lines always", () => {
    const folder = mkdtempSync(join(tmpdir(), "log-"));
    {
      using log = openLogFile(join(folder, "a/b.log"), { limitBytes: 100 });
      for (let line = 0; line < 100; line++) log.write(Buffer.from(`line ${line}\n`));
      log.write(Buffer.from("last\n"));
      const size = statSync(log.path).size + (existsSync(`${log.path}.1`) ? statSync(`${log.path}.1`).size : 0);
      expect(size).toBeLessThan(250);
      expect(readFileSync(log.path, "utf8") + readFileSync(`${log.path}.1`, "utf8")).toContain("line 99");
      expect(readFileSync(log.path, "utf8")).toContain("last");
    }
    rmSync(folder, { recursive: true });
  });
});
