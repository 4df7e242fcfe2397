import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { publicPackages } from "./packages.ts";

const packages = publicPackages();

describe("a public package", () => {
  it("is one of several", () => {
    expect(packages.length).toBeGreaterThan(10);
  });

  // What a project of the compiler does not refer to is not compiled before it.
  it.each(packages)("$name refers to what it depends on when it is compiled", ({ folder, manifest }) => {
    const project = JSON.parse(readFileSync(join(folder, "tsconfig.build.json"), "utf8")) as {
      references?: { path: string }[];
    };
    const referred = (project.references ?? []).map(({ path }) => path).sort();
    const ours = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith("@almanac/"));
    expect(referred).toEqual(ours.map((name) => `../${name.replace("@almanac/", "")}/tsconfig.build.json`).sort());
  });

  it.each(packages)("$name has a source for everything that it exports", ({ folder, manifest }) => {
    for (const [subpath, conditions] of Object.entries(manifest.exports)) {
      const output = conditions["default"]?.replace(/^\.\/dist\/(.*)\.js$/, "$1");
      expect(Object.keys(conditions), subpath).toEqual(["source", "types", "default"]);
      expect(conditions).toMatchObject({ source: `./src/${output}.ts`, types: `./dist/${output}.d.ts` });
      expect(existsSync(join(folder, `src/${output}.ts`)), subpath).toBe(true);
    }
  });

  it.each(packages)("$name says what it is", ({ name, folder }) => {
    expect(readFileSync(join(folder, "README.md"), "utf8")).toMatch(new RegExp(`^# ${name}\n\n[\\w\`]`));
  });
});
