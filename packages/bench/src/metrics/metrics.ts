import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { format, median } from "../result.ts";
import type { BenchResult, BenchRow } from "../result.ts";
import type { Measured } from "./child.ts";
import type { SubjectName } from "./subjects.ts";

const rounds = 5;
const sizes = [1_000, 10_000] as const;
const grown = 100_000;

const run = promisify(execFile);
const child = fileURLToPath(new URL("./child.ts", import.meta.url));

/** All rounds of one subject at one size. */
type Results = Map<string, Measured[]>;

/** Who is measured at which sizes; in this order in every round, so that noise of the machine meets all alike. */
const plan: readonly (readonly [SubjectName, readonly number[]])[] = [
  ["literal", sizes],
  ["official", sizes],
  ["prometheus", sizes],
  ["typed", [...sizes, grown]],
  ["generic", sizes],
  ["prometheusBound", sizes],
  ["bound", [...sizes, grown]],
  ["field", [...sizes, grown]],
  ["prometheusWithExemplars", sizes],
  ["typedWithExemplars", sizes],
];

/** Records through this repository's engine, the official SDK and prom-client, every subject and size in processes of its own. */
export async function benchMetrics(): Promise<BenchResult> {
  const results: Results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const [subject, at] of plan) {
      for (const size of at) {
        const key = `${subject} ${size}`;
        results.set(key, [...(results.get(key) ?? []), await measure(subject, size)]);
      }
    }
  }
  const rows = [...sizes.flatMap((size) => rowsAt(results, size)), ...growthRows(results), ...absoluteRows(results)];
  return {
    name: "metrics",
    title: "Recording measurements",
    rows,
    notes: [
      "Four labels, series in random order, a new label object per call except where bound, histograms of 15 bounds. Each round runs every subject at every size in a process of its own, one after the other; ratios are between processes of the same round. Afterwards each process reads back what it recorded. Exemplars: 256 spans take turns, so each call meets another one than the last.",
      "A goal has two numbers: what must be met, and how far it is to go.",
    ],
  };
}

async function measure(subject: SubjectName, size: number): Promise<Measured> {
  const { stdout } = await run(process.execPath, ["-C", "source", "--expose-gc", child, subject, String(size)]);
  return JSON.parse(stdout) as Measured;
}

function rowsAt(results: Results, size: number): BenchRow[] {
  const ratio = (slow: SubjectName, fast: SubjectName, key: keyof Measured): number[] =>
    roundsOf(results, slow, size, key).map((value, round) => value / roundsOf(results, fast, size, key)[round]!);
  const series = `${size.toLocaleString("en")} series`;
  const atLeast = (what: string, values: number[], must: number, moonshot: number): BenchRow =>
    row(`${what}, ${series}, ×`, values, { must, moonshot, atLeast: true });
  return [
    atLeast("unbound add against the official SDK", ratio("official", "typed", "addNs"), 8, 15),
    atLeast("unbound add against prom-client", ratio("prometheus", "typed", "addNs"), 5, 10),
    atLeast("unbound record against the official SDK", ratio("official", "typed", "recordNs"), 8, 15),
    atLeast("unbound record against prom-client", ratio("prometheus", "typed", "recordNs"), 5, 10),
    atLeast("generic add against the official SDK", ratio("official", "generic", "addNs"), 2.5, 5),
    atLeast("generic record against the official SDK", ratio("official", "generic", "recordNs"), 2.5, 5),
    atLeast("bound add against prom-client's", ratio("prometheusBound", "bound", "addNs"), 30, 60),
    atLeast("bound record against prom-client's", ratio("prometheusBound", "bound", "recordNs"), 20, 40),
    atLeast(
      "record with an exemplar against prom-client",
      ratio("prometheusWithExemplars", "typedWithExemplars", "recordNs"),
      4,
      8,
    ),
    atLeast(
      "memory of prom-client against a counter and histogram pair",
      ratio("prometheus", "typed", "bytesPerPair"),
      5,
      10,
    ),
  ];
}

function growthRows(results: Results): BenchRow[] {
  const small = roundsOf(results, "typed", 1_000, "addNs");
  const unbound = roundsOf(results, "typed", grown, "addNs").map((value, round) => value / small[round]!);
  const field = roundsOf(results, "field", grown, "addNs");
  const bound = roundsOf(results, "bound", grown, "addNs").map((value, round) => value / field[round]!);
  return [
    row("unbound add at 100,000 series against 1,000, ×", unbound, { must: 3, moonshot: 2, atLeast: false }),
    row("bound add at 100,000 series against a plain object's field, ×", bound, { must: 4, atLeast: false }),
  ];
}

function absoluteRows(results: Results): BenchRow[] {
  const shown = [
    ["addNs", "ns per add"],
    ["addBytes", "bytes per add"],
    ["recordNs", "ns per record"],
    ["recordBytes", "bytes per record"],
    ["bytesPerPair", "bytes held per counter and histogram"],
  ] as const;
  return plan.flatMap(([subject, at]) =>
    at.flatMap((size) =>
      shown.map(([key, unit]) => ({
        what: `${subject}, ${size.toLocaleString("en")} series, ${unit}`,
        rounds: roundsOf(results, subject, size, key),
      })),
    ),
  );
}

function roundsOf(results: Results, subject: SubjectName, size: number, key: keyof Measured): number[] {
  return (results.get(`${subject} ${size}`) ?? []).map((measured) => measured[key]);
}

interface Goal {
  readonly must: number;
  readonly moonshot?: number;
  readonly atLeast: boolean;
}

function row(what: string, values: readonly number[], { must, moonshot, atLeast }: Goal): BenchRow {
  const reached = median(values);
  const meets = (goal: number): boolean => (atLeast ? reached >= goal : reached <= goal);
  const sign = atLeast ? "≥" : "≤";
  const further =
    moonshot === undefined ? "" : `; ${sign} ${format(moonshot)} ${meets(moonshot) ? "reached" : "not yet"}`;
  return { what, rounds: values, goal: `${sign} ${format(must)}${further}`, met: meets(must) };
}
