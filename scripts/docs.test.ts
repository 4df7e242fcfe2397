import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);
const pages = ["README.md", "CONTRIBUTING.md", ...globSync(["docs/**/*.md", "packages/*/README.md"])];

interface CodeBlock {
  readonly page: string;
  readonly file: string | undefined;
  readonly code: string;
}

/** The TypeScript blocks of all pages. The first line of a block names the example it is. */
const blocks: CodeBlock[] = pages.flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => {
    const [first = "", ...rest] = text.split("\n");
    const file = /^\/\/ (examples\/\S+\.ts)$/.exec(first)?.[1];
    return { page, file, code: rest.join("\n") };
  }),
);

describe("code in the documentation", () => {
  it("is there", () => {
    expect(blocks.length).toBeGreaterThan(0);
  });

  // The examples are part of the type check, so what equals them compiles.
  it.each(blocks)("of $page equals its example, $file", ({ file, code }) => {
    expect(file, "the block's first line names no example").toBeDefined();
    expect(code).toBe(readFileSync(file ?? "", "utf8"));
  });

  it.each([...new Set(blocks.flatMap(({ file }) => file ?? []))])("runs: %s", async (file) => {
    const { stdout } = await run(process.execPath, ["-C", "source", file], { timeout: 50_000 });
    expect(stdout).not.toBe("");
  });
});

describe("links in the documentation", () => {
  const links = pages.flatMap((page) =>
    [...readFileSync(page, "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, target = ""]) => ({
      page,
      target,
    })),
  );

  it.each(links)("$page → $target leads somewhere", ({ page, target }) => {
    expect(existsSync(join(dirname(page), target))).toBe(true);
  });
});
