import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BenchResult, BenchRow, Progress } from "../result.ts";
import type { Measured } from "./child.ts";
import type { SubjectName } from "./subjects.ts";

const rounds = 3;
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
  ["typed", [...sizes, grown]],
  ["typedInTrace", sizes],
  ["prometheus", sizes],
  ["generic", sizes],
  ["upstream", sizes],
  ["prometheusBound", sizes],
  ["bound", [...sizes, grown]],
  ["boundInTrace", sizes],
  ["upstreamBound", sizes],
  ["field", [...sizes, grown]],
  ["prometheusWithExemplars", sizes],
  ["typedWithExemplars", sizes],
  ["upstreamWithExemplars", sizes],
];

/** What profiles show. */
const limits = {
  unbound:
    "with 1,000 series 45 of an add's 67 ns go into checking the four keys and finding the four values, 12 into the checks of the value and the write, 6 into the label object; Maps, dictionaries, hashes of whole texts, remembered labels and generated code are no faster",
  boundRecord:
    "of 20 ns with 1,000 series the handle's own checks take 4, the bucket 4, and sum, minimum, maximum and count 12: four reads and writes of a Float64Array, each with V8's checks",
  exemplar:
    "half of a counter's time goes into finding the span of another context each time, drawing a random number, and reading the clock for those that are taken",
  memory: "with 1,000 series the tables that every instrument has weigh a third; with 10,000 they do not",
  growth: "with 100,000 series values, attributes and places no longer fit into the second cache",
} as const;

/** Records through this repository's engine, the official SDK and both Prometheus clients, every subject and size in processes of its own. */
export async function benchMetrics(progress: Progress): Promise<BenchResult> {
  const results: Results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const [subject, at] of plan) {
      for (const size of at) {
        progress(`round ${round + 1} of ${rounds}, ${subject} at ${size.toLocaleString("en")}`);
        const key = `${subject} ${size}`;
        results.set(key, [...(results.get(key) ?? []), await measure(subject, size)]);
      }
    }
  }
  const rows = [...goalRows(results), ...growthRows(results), ...cellRows(results), ...absoluteRows(results)];
  return {
    name: "metrics",
    title: "Recording measurements",
    rows,
    notes: [
      "Recording: four labels, series in random order, a new label object per call except where bound, histograms of 15 bounds, the meter provider registered globally, in one variant inside an unsampled span too. Each round runs every subject at every size in a process of its own, one after the other; ratios are between processes of the same round, times those of the thread on a processor. Afterwards each process reads back what it recorded. Exemplars: 256 spans take turns, so each call meets another one than the last. A plain object has its labels and a number that is no integer, and is added to through a method. A row with a goal over several cases is, round by round, their geometric mean; each of them is among what was measured besides.",
    ],
  };
}

async function measure(subject: SubjectName, size: number): Promise<Measured> {
  const { stdout } = await run(process.execPath, ["-C", "source", "--expose-gc", child, subject, String(size)]);
  return JSON.parse(stdout) as Measured;
}

/** Two subjects, and in what they are compared. */
type Case = readonly [what: string, slow: SubjectName, fast: SubjectName, key: keyof Measured];

const official: readonly Case[] = [
  ["unbound add against the official SDK", "official", "typed", "addNs"],
  ["unbound record against the official SDK", "official", "typed", "recordNs"],
];
const unbound: readonly Case[] = [
  ["unbound add against prom-client", "prometheus", "typed", "addNs"],
  ["unbound record against prom-client", "prometheus", "typed", "recordNs"],
];
const generic: readonly Case[] = [
  ["generic add against the official SDK", "official", "generic", "addNs"],
  ["generic record against the official SDK", "official", "generic", "recordNs"],
];
const boundAdd: Case = ["bound add against prom-client's", "prometheusBound", "bound", "addNs"];
const boundRecord: Case = ["bound record against prom-client's", "prometheusBound", "bound", "recordNs"];
const exemplars: readonly Case[] = [
  ["add with an exemplar against prom-client", "prometheusWithExemplars", "typedWithExemplars", "addNs"],
  ["record with an exemplar against prom-client", "prometheusWithExemplars", "typedWithExemplars", "recordNs"],
];
const memory: Case = [
  "memory of prom-client against a counter and histogram pair",
  "prometheus",
  "typed",
  "bytesPerPair",
];
const others: readonly Case[] = [
  ["unbound add against @prometheus-io/client", "upstream", "typed", "addNs"],
  ["unbound record against @prometheus-io/client", "upstream", "typed", "recordNs"],
  ["bound add against @prometheus-io/client's", "upstreamBound", "bound", "addNs"],
  ["bound record against @prometheus-io/client's", "upstreamBound", "bound", "recordNs"],
  ["add with an exemplar against @prometheus-io/client", "upstreamWithExemplars", "typedWithExemplars", "addNs"],
  ["record with an exemplar against @prometheus-io/client", "upstreamWithExemplars", "typedWithExemplars", "recordNs"],
  ["memory of @prometheus-io/client against a pair", "upstream", "typed", "bytesPerPair"],
];

/** One row for each goal, over both sizes and all cases it is for. */
function goalRows(results: Results): BenchRow[] {
  const row = (what: string, cases: readonly Case[], must: number, moonshot: number, limit?: string): BenchRow => {
    const cells = cases.flatMap((each) => sizes.map((size) => ratioOf(results, each, size)));
    const means = Array.from({ length: rounds }, (_, round) =>
      Math.exp(cells.reduce((sum, cell) => sum + Math.log(cell[round] ?? Number.NaN), 0) / cells.length),
    );
    return {
      what: `${what}, geometric mean over 1,000 and 10,000 series, ×`,
      rounds: means,
      must: { atLeast: must },
      moonshot: { atLeast: moonshot },
      ...(limit !== undefined && { limit }),
    };
  };
  return [
    row("unbound add and record against the official SDK", official, 8, 15, limits.unbound),
    row("unbound add and record against prom-client", unbound, 5, 10, limits.unbound),
    row("generic add and record against the official SDK", generic, 2.5, 5),
    row(boundAdd[0], [boundAdd], 30, 60),
    row(boundRecord[0], [boundRecord], 20, 40, limits.boundRecord),
    row("unbound add and record with an exemplar each time against prom-client", exemplars, 4, 8, limits.exemplar),
    row(memory[0], [memory], 5, 10, limits.memory),
  ];
}

/** Every case at every size. */
function cellRows(results: Results): BenchRow[] {
  const cases = [...official, ...unbound, ...generic, boundAdd, boundRecord, ...exemplars, memory, ...others];
  return cases.flatMap((each) =>
    sizes.map((size) => ({
      what: `${each[0]}, ${size.toLocaleString("en")} series, ×`,
      rounds: ratioOf(results, each, size),
    })),
  );
}

function ratioOf(results: Results, [, slow, fast, key]: Case, size: number): readonly number[] {
  return ratio(roundsOf(results, slow, size, key), roundsOf(results, fast, size, key));
}

function growthRows(results: Results): BenchRow[] {
  const [small] = sizes;
  const growth = (key: keyof Measured): number[] =>
    ratio(roundsOf(results, "typed", grown, key), roundsOf(results, "typed", small, key));
  return [
    {
      what: "unbound add at 100,000 series against 1,000, ×",
      rounds: growth("addNs"),
      must: { atMost: 3 },
      moonshot: { atMost: 2 },
      limit: limits.growth,
    },
    { what: "unbound record at 100,000 series against 1,000, ×", rounds: growth("recordNs") },
    {
      what: "bound add at 100,000 series against a plain object's field, ×",
      rounds: ratio(roundsOf(results, "bound", grown, "addNs"), roundsOf(results, "field", grown, "addNs")),
      must: { atMost: 4 },
    },
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

function roundsOf(results: Results, subject: SubjectName, size: number, key: keyof Measured): readonly number[] {
  return (results.get(`${subject} ${size}`) ?? []).map((measured) => measured[key]);
}

/** Round by round. */
function ratio(upper: readonly number[], lower: readonly number[]): number[] {
  return upper.map((value, round) => value / (lower[round] ?? Number.NaN));
}
