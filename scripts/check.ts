/**
 * Everything that is checked without running the product: `npm run check [-- --only NAME[,NAME]] [--json] [--help]`.
 * Exit code 0: all passed; 1: a check failed; 2: wrong usage.
 */
import { readFileSync } from "node:fs";
import { parseArgs, styleText } from "node:util";
import { checkPackages } from "./check-packages.ts";
import { floors } from "./floors.ts";
import { runToEnd } from "./run.ts";
import { unusedExports } from "./unused-exports.ts";

interface CheckResult {
  readonly ok: boolean;
  readonly output: string;
}

const checks: Record<string, { readonly title: string; run(): Promise<CheckResult> }> = {
  types: { title: "types", run: () => command("tsc", ["--project", "."]) },
  lint: { title: "type-aware lint", run: () => command("eslint", ["--max-warnings", "0", "."]) },
  floors: { title: "import floors and cycles", run: floors },
  exports: { title: "unused exports", run: unusedExports },
  generated: {
    title: "generated files in sync",
    run: () => command("node", ["-C", "source", "scripts/generate.ts", "--check"]),
  },
  format: { title: "format", run: () => command("prettier", ["--check", "--log-level", "warn", "."]) },
  packages: { title: "packages as they are published", run: checkPackages },
  lock: { title: "lock file without download addresses", run: lockFile },
};

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`Usage: npm run check [-- --only ${Object.keys(checks).join(",")}] [--json]

Runs every static check, or those named by --only, and prints a line for each.
Exit codes: 0 all passed, 1 a check failed, 2 wrong usage.`);
  process.exit(0);
}

const names = values.only?.split(",") ?? Object.keys(checks);
const unknown = names.filter((name) => !(name in checks));
if (unknown.length > 0) {
  console.error(`check: unknown check "${unknown.join(", ")}"; there are ${Object.keys(checks).join(", ")}`);
  process.exit(2);
}

const results: { name: string; ok: boolean; seconds: number }[] = [];
for (const name of names) {
  const check = checks[name];
  if (check === undefined) continue;
  const started = performance.now();
  const { ok, output } = await check.run();
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  results.push({ name, ok, seconds });
  if (!values.json) {
    const mark = ok ? paint("green", "✓") : paint("red", "✗");
    console.log(`${mark} ${check.title} (${seconds} s)`);
    if (!ok) console.log(output.trimEnd());
  } else if (!ok) {
    console.error(output.trimEnd());
  }
}
const failed = results.filter((result) => !result.ok).length;
if (values.json) console.log(JSON.stringify({ passed: results.length - failed, failed, checks: results }));
else console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

/** Runs a program of node_modules/.bin; its output is kept for the case that it fails. */
async function command(program: string, args: readonly string[]): Promise<CheckResult> {
  const { code, output } = await runToEnd(program, args);
  return { ok: code === 0, output };
}

async function lockFile(): Promise<CheckResult> {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<string, { resolved?: string }>;
  };
  const addresses = Object.entries(lock.packages).filter(([, entry]) => entry.resolved?.includes("://"));
  return {
    ok: addresses.length === 0,
    output: `package-lock.json names download addresses for ${addresses.map(([name]) => name).join(", ")}; install with omit-lockfile-registry-resolved=true`,
  };
}

function paint(colour: "green" | "red", text: string): string {
  return process.stdout.isTTY ? styleText(colour, text) : text;
}
