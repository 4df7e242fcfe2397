/**
 * Scenarios against real peers: `npm run e2e [-- --only NAME[,NAME]] [--seed N] [--full] [--keep] [--help]`. Builds the peers that are missing, starts
 * everything on loopback, ends what it started. The last line is `N passed, N failed`; exit code 0, 1 (a check failed) or 2 (usage).
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createReport } from "./lib/report.ts";
import type { Report } from "./lib/report.ts";
import { api } from "./scenarios/api.ts";
import { badInput } from "./scenarios/bad-input.ts";
import { chaos } from "./scenarios/chaos.ts";
import { formats } from "./scenarios/formats.ts";
import { kills } from "./scenarios/kills.ts";
import { pack } from "./scenarios/pack.ts";
import { pipeline } from "./scenarios/pipeline.ts";
import { push } from "./scenarios/push.ts";
import { untilReady } from "./scenarios/until-ready.ts";

/** What the command line says to scenarios that draw at random. */
export interface RunOptions {
  /** The same seed, the same draws. */
  readonly seed: number;
  /** Everything that takes long as well. */
  readonly full: boolean;
}

/** One scenario: gets a folder of its own and reports its checks. What it throws itself counts as one failed check. */
export interface Scenario {
  readonly title: string;
  run(report: Report, folder: string, options: RunOptions): Promise<void>;
}

const scenarios: Readonly<Record<string, Scenario>> = {
  "until-ready": untilReady,
  pipeline,
  formats,
  push,
  kills,
  "bad-input": badInput,
  pack,
  api,
  chaos,
};

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seed: { type: "string", default: "1" },
    full: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const names = values.only?.split(",") ?? Object.keys(scenarios);
const unknown = names.filter((name) => !(name in scenarios));
const options: RunOptions = { seed: Number(values.seed), full: values.full };
const isSeed = /^\d{1,9}$/.test(values.seed);
if (values.help || unknown.length > 0 || !isSeed) {
  const usage = `Usage: npm run e2e [-- --only ${Object.keys(scenarios).join(",")}] [--seed N] [--full] [--keep]

Without --only all are run.
--seed begins the random scenarios' draws (default 1); --full runs five times as many random programs.
--keep leaves the scenarios' folders (logs, state) behind and says where.
Exit codes: 0 all passed, 1 a check failed, 2 wrong usage.`;
  if (unknown.length > 0) console.error(`e2e: unknown scenario "${unknown.join(", ")}"\n${usage}`);
  else if (!isSeed) console.error(`e2e: --seed: "${values.seed}" is not a whole number of at most 9 digits\n${usage}`);
  else console.log(usage);
  process.exit(unknown.length > 0 || !isSeed ? 2 : 0);
}

const report = createReport();
const folder = mkdtempSync(join(tmpdir(), "almanac-e2e-"));
await report.check("the real peers are built", () => {
  const setup = spawnSync(process.execPath, [fileURLToPath(new URL("peers/setup.ts", import.meta.url))], {
    stdio: "inherit",
  });
  if (setup.status !== 0) throw new Error("no: the line with FAILED says which, and why; no scenario is run");
});
// Without the peers every scenario would fail, each in its own words.
const runnable = report.failed > 0 ? [] : names;
const times: string[] = [];
for (const name of runnable) {
  const scenario = scenarios[name];
  if (scenario === undefined) continue;
  console.log(`\n${scenario.title}`);
  const own = join(folder, name);
  mkdirSync(own);
  const begin = performance.now();
  try {
    await scenario.run(report, own, options);
  } catch (error) {
    await report.check("the scenario runs to its end", () => {
      throw error;
    });
  }
  const seconds = (performance.now() - begin) / 1_000;
  times.push(`${name} ${seconds.toFixed(0)} s`);
}
if (times.length > 0) console.log(`\ntook: ${times.join(", ")}`);
if (values.keep) console.log(`\nkept: ${folder}`);
else rmSync(folder, { recursive: true, force: true });
console.log(`\n${report.passed} passed, ${report.failed} failed`);
process.exit(report.failed > 0 ? 1 : 0);
