/**
 * `npm run bench [-- NAME …] [--only PART …] [--json] [--write] [--help]`: measures, prints and writes `docs/benchmarks.md`. Exit code 0: every
 * must is met; 1: one was missed; 2: wrong usage.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { chapter, isMissed, machine, page } from "./report.ts";
import type { BenchResult, Progress } from "./result.ts";

type Part = (progress: Progress) => Promise<BenchResult>;

interface Bench {
  /** Its chapter's. */
  readonly title: string;
  /** What may be run alone. Loaded when run, so that each needs no more than what it measures. */
  readonly parts: Readonly<Record<string, () => Promise<Part>>>;
}

const benches: Readonly<Record<string, Bench>> = {
  start: {
    title: "`npm start` on an installed clone",
    parts: { start: async () => (await import("./start.ts")).benchStart },
  },
  converge: {
    title: "Converging virtual machines",
    parts: { converge: async () => (await import("./converge.ts")).benchConverge },
  },
  life: {
    title: "The whole life of virtual machines",
    parts: { life: async () => (await import("./life/life.ts")).benchLife },
  },
  metrics: {
    title: "Metrics: recording, pages, export, calls",
    parts: {
      recording: async () => (await import("./metrics/metrics.ts")).benchMetrics,
      pages: async () => (await import("./exposition/exposition.ts")).benchExposition,
      otlp: async () => (await import("./otlp/otlp.ts")).benchOtlp,
      grpc: async () => (await import("./grpc/grpc.ts")).benchGrpc,
    },
  },
  apiserver: {
    title: "The embedded API against kube-apiserver",
    parts: { apiserver: async () => (await import("./apiserver/apiserver.ts")).benchApiServer },
  },
};
const file = "docs/benchmarks.md";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const only = values.only.flatMap((names) => names.split(","));
const names = positionals.length > 0 ? positionals : Object.keys(benches);
const mistake = findMistake();
if (values.help || mistake !== undefined) {
  const parts = Object.entries(benches).map(([name, bench]) => `  ${name}: ${Object.keys(bench.parts).join(", ")}`);
  const usage = `Usage: npm run bench [-- ${Object.keys(benches).join(" | ")} …] [--only PART,…] [--json] [--write]

Without names all are run. With --write, or when all were run whole, what was measured replaces its chapter of ${file}.
Parts:${parts.map((part) => `\n${part}`).join("")}
Exit codes: 0 every must is met, 1 one was missed, 2 wrong usage.`;
  if (mistake !== undefined) console.error(`bench: ${mistake}\n${usage}`);
  else console.log(usage);
  process.exit(mistake === undefined ? 0 : 2);
}

const results: BenchResult[] = [];
if (!values.json) console.log(`${machine()}\n`);
for (const name of names) {
  const result = await run(name);
  if (result === undefined) continue;
  results.push(result);
  if (!values.json) console.log(chapter(result));
}
if (values.json) console.log(JSON.stringify({ machine: machine(), results }, undefined, 2));
if (values.write || (positionals.length === 0 && only.length === 0)) {
  const order = Object.values(benches).map(({ title }) => title);
  writeFileSync(file, page(results, order, existsSync(file) ? readFileSync(file, "utf8") : ""));
}
const missed = results.flatMap(({ rows }) => rows).filter(isMissed);
for (const { what } of missed) console.error(`missed: ${what}`);
process.exitCode = missed.length > 0 ? 1 : 0;

function findMistake(): string | undefined {
  const unknown = names.find((name) => !Object.hasOwn(benches, name));
  if (unknown !== undefined) return `there is no bench "${unknown}"`;
  const parts = names.flatMap((name) => Object.keys(benches[name]?.parts ?? {}));
  const strange = only.find((part) => !parts.includes(part));
  if (strange !== undefined) return `${names.join(", ")} has no part "${strange}"; there are ${parts.join(", ")}`;
  if (values.write && only.length > 0) return "--write wants whole chapters; leave --only out";
  return undefined;
}

/** The parts of one bench as one result. */
async function run(name: string): Promise<BenchResult | undefined> {
  const { title, parts } = benches[name] ?? { title: name, parts: {} };
  const wanted = Object.entries(parts).filter(([part]) => only.length === 0 || only.includes(part));
  if (wanted.length === 0) return undefined;
  const measured: BenchResult[] = [];
  for (const [part, load] of wanted) {
    const bench = await load();
    const started = performance.now();
    const label = part === name ? name : `${name} ${part}`;
    console.error(`measuring ${label} …`);
    measured.push(
      await bench((what) => console.error(`${Math.round((performance.now() - started) / 1000)} s  ${label}: ${what}`)),
    );
  }
  return {
    name,
    title,
    rows: measured.flatMap(({ rows }) => rows),
    notes: measured.flatMap(({ notes = [] }) => notes),
  };
}
