import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parsePage } from "@almanac/exposition";
import type { ParsedPage } from "@almanac/exposition";

const run = promisify(execFile);

/** Runs an example to its end, with further variables, and returns what it prints, which for most is a page. */
export async function printed(example: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
  const file = fileURLToPath(new URL(example, import.meta.url));
  const { stdout } = await run(process.execPath, ["-C", "source", file], {
    timeout: 30_000,
    env: { ...process.env, ...variables },
  });
  return `${stdout.trim()}\n`;
}

/** The values of a page's series, by name and sorted labels. */
export function seriesOf(page: ParsedPage, names = /./): Record<string, number> {
  const series = [...page.values()]
    .flatMap(({ samples }) => samples)
    .filter(({ name }) => names.test(name))
    .map(({ name, labels, value }) => {
      const sorted = [...labels].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, text]) => `${key}=${text}`);
      return [`${name}{${sorted.join(",")}}`, value] as const;
    });
  return Object.fromEntries(series);
}

/** What the families of a page say about themselves. */
export function familiesOf(page: ParsedPage, names = /./): Record<string, { type: string; help: string }> {
  return Object.fromEntries(
    [...page.values()].filter(({ name }) => names.test(name)).map(({ name, type, help }) => [name, { type, help }]),
  );
}

/** The text page that an example prints. */
export async function pageOf(example: string): Promise<ParsedPage> {
  return parsePage(await printed(example), "text");
}
