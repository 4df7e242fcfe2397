import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.ts";

/** A package that other people install. */
export interface PublicPackage {
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  readonly manifest: PackageManifest;
}

interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A package as it is published. */
export interface Tarball {
  readonly name: string;
  /** Absolute. */
  readonly file: string;
}

const root = fileURLToPath(new URL("..", import.meta.url));

/** What a package reads when it runs and has no place in its `src`: from the repository's root, to the package's `dist`. */
const assets: Readonly<Record<string, readonly { readonly from: string; readonly to: string }[]>> = {
  "@almanac/cli": [{ from: "examples/virtual-machines", to: "examples/virtual-machines" }],
};

export function publicPackages(): PublicPackage[] {
  return globSync("packages/*/package.json", { cwd: root })
    .sort()
    .map((path) => {
      const manifest = JSON.parse(readFileSync(join(root, path), "utf8")) as PackageManifest;
      return { name: manifest.name, folder: join(root, dirname(path)), manifest };
    })
    .filter(({ manifest }) => manifest.private !== true);
}

/**
 * Compiles every public package to its `dist` (ESM and declarations, no tests), lower floors first, and leaves nothing there that does not
 * come from today's sources. What has not changed is not compiled again. Rejects with the compiler's words.
 */
export async function buildPackages(): Promise<PublicPackage[]> {
  const packages = publicPackages();
  const projects = packages.map(({ folder }) => join(folder, "tsconfig.build.json"));
  await run("tsc", ["--build", ...projects], { cwd: root });
  // The compiler trusts its own notes: what was deleted by hand since is only written again when forced.
  if (packages.some((one) => expectedFiles(one).some((path) => !existsSync(path)))) {
    await run("tsc", ["--build", "--force", ...projects], { cwd: root });
  }
  for (const one of packages) {
    const expected = new Set([...expectedFiles(one), ...copyAssets(one), join(one.folder, "dist/.tsbuildinfo")]);
    for (const entry of globSync("dist/**/*", { cwd: one.folder, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !expected.has(path)) rmSync(path);
    }
  }
  return packages;
}

/**
 * Packs built packages into `folder`, which is made. They are packed from a copy: with the licence, and without the export condition that
 * leads to `src`, since others' projects may use a condition of that name for their own sources.
 */
export async function packPackages(packages: readonly PublicPackage[], folder: string): Promise<Tarball[]> {
  const destination = resolve(folder);
  mkdirSync(destination, { recursive: true });
  const staging = mkdtempSync(join(tmpdir(), "almanac-pack-"));
  try {
    const copies = packages.map((one) => {
      const copy = join(staging, one.name.replace("@almanac/", ""));
      const kept = (path: string): boolean =>
        !/^(src|conformance|scripts|node_modules)$/.test(relative(one.folder, path));
      cpSync(one.folder, copy, { recursive: true, filter: kept });
      cpSync(join(root, "LICENSE"), join(copy, "LICENSE"));
      writeFileSync(join(copy, "package.json"), `${JSON.stringify(publishedManifest(one.manifest), undefined, 2)}\n`);
      return copy;
    });
    // Folders given as absolute paths are packed as they are; names would be looked up in a registry.
    const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", destination, ...copies];
    const packed = JSON.parse(await run("npm", args, { cwd: staging })) as { name: string; filename: string }[];
    return packed.map(({ name, filename }) => ({ name, file: join(destination, filename) }));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function publishedManifest(manifest: PackageManifest): PackageManifest {
  const exports = Object.entries(manifest.exports).map(([subpath, { source: _, ...conditions }]) => [
    subpath,
    conditions,
  ]);
  return { ...manifest, exports: Object.fromEntries(exports) as PackageManifest["exports"] };
}

/** Absolute paths of what the compiler makes of a package's sources. */
function expectedFiles({ folder }: PublicPackage): string[] {
  return globSync("src/**/*.ts", { cwd: folder })
    .filter((path) => !/\.test\.([^/]*\.)?ts$/.test(path))
    .flatMap((path) => {
      const output = join(folder, "dist", relative("src", path)).replace(/\.ts$/, "");
      return [`${output}.js`, `${output}.d.ts`];
    });
}

function copyAssets({ name, folder }: PublicPackage): string[] {
  return (assets[name] ?? []).flatMap(({ from, to }) => {
    const target = join(folder, "dist", to);
    rmSync(target, { recursive: true, force: true });
    cpSync(join(root, from), target, { recursive: true });
    return globSync("**/*", { cwd: target }).map((path) => join(target, path));
  });
}
