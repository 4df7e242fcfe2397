import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";

const guides = globSync("docs/guides/*.md").map((path) => ({ path, text: readFileSync(path, "utf8") }));

/** A section of a page, without its heading. */
function section(text: string, heading: string): string {
  return text.split(new RegExp(`^## ${heading}\n`, "m"))[1]?.split(/^## /m)[0] ?? "";
}

describe("a guide", () => {
  it("is one of several", () => {
    expect(guides.length).toBeGreaterThan(3);
  });

  it.each(guides)("is in the table of the front page: $path", ({ path }) => {
    expect(readFileSync("README.md", "utf8")).toContain(`](docs/guides/${basename(path)})`);
  });

  it.each(guides.filter(({ text }) => text.includes("\n```ts\n")))(
    "tells how to get the packages that its code imports: $path",
    ({ text }) => {
      const install = section(text, "Install");
      expect(install).toContain("npm run build -- --pack ");
      expect(install).toMatch(/npm install \S+\/\*\.tgz/);
      const imported = new Set(
        [...text.matchAll(/^(?:import|\}) .*from "((?:@[^/"]+\/)?[a-z][^/":]*)/gm)].map(([, name]) => name),
      );
      imported.delete("node");
      expect(imported.size).toBeGreaterThan(1);
      for (const name of imported) {
        expect(install, name).toContain(name);
      }
    },
  );

  it("names each package that is not Almanac's with its version", () => {
    const { dependencies } = JSON.parse(readFileSync("packages/telemetry/package.json", "utf8")) as {
      dependencies: Record<string, string>;
    };
    const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
      devDependencies: Record<string, string>;
    };
    const named = guides.flatMap(({ text }) => [
      ...section(text, "Install").matchAll(/(?<=[\s`])((?:@opentelemetry\/)?[a-z-]+)@(\^?\d[\d.]*\d)/g),
    ]);
    expect(named.length).toBeGreaterThan(3);
    for (const [, name = "", version] of named) {
      expect([name, version]).toEqual([name, dependencies[name] ?? devDependencies[name]]);
    }
  });
});
