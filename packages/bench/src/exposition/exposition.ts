import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { format, median } from "../result.ts";
import type { BenchResult, BenchRow } from "../result.ts";
import type { Measured } from "./child.ts";
import type { SubjectName } from "./subjects.ts";

const rounds = 3;
const small = 1_000;
const usual = 10_000;
const grown = 100_000;

/** Who is measured at which sizes; in this order in every round, so that noise of the machine meets all alike. */
const plan: readonly (readonly [SubjectName, readonly number[]])[] = [
  ["ours", [small, usual, grown]],
  ["prometheus", [usual]],
  ["oursOpenMetrics", [usual]],
  ["oursWithExemplars", [usual]],
  ["official", [usual]],
];

const run = promisify(execFile);
const child = fileURLToPath(new URL("./child.ts", import.meta.url));

type Results = Map<string, Measured[]>;

/** Writes and serves pages of this repository, the official exporter and prom-client, every subject and size in processes of its own. */
export async function benchExposition(): Promise<BenchResult> {
  const results: Results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const [subject, sizes] of plan) {
      for (const size of sizes) {
        const { stdout } = await run(process.execPath, ["-C", "source", child, subject, String(size)]);
        const key = `${subject} ${size}`;
        results.set(key, [...(results.get(key) ?? []), JSON.parse(stdout) as Measured]);
      }
    }
  }
  const of = (subject: SubjectName, key: keyof Measured, size = usual): readonly number[] =>
    (results.get(`${subject} ${size}`) ?? []).map((measured) => measured[key]);
  const ratio = (upper: readonly number[], lower: readonly number[]): number[] =>
    upper.map((value, round) => value / (lower[round] ?? Number.NaN));
  const ours = of("ours", "pageMs");
  const perSeries = (size: number): number[] => of("ours", "pageMs", size).map((ms) => ms / size);
  return {
    name: "exposition",
    title: "Writing pages",
    rows: [
      row("page against prom-client, ×", ratio(of("prometheus", "pageMs"), ours), { atLeast: 15, further: 20 }),
      row("page against the official exporter, ×", ratio(of("official", "pageMs"), ours), { atLeast: 40, further: 75 }),
      row("page against a copy of its bytes, ×", ratio(ours, of("ours", "copyMs")), { atMost: 8, further: 4 }),
      row(
        "page with exemplars on 3 buckets of each histogram against one without, ×",
        ratio(of("oursWithExemplars", "pageMs"), of("oursOpenMetrics", "pageMs")),
        { atMost: 3.5, further: 1.5 },
      ),
      row(
        "longest block of the event loop, prom-client's against ours, ×",
        ratio(of("prometheus", "blockMs"), of("ours", "blockMs")),
        {
          atLeast: 40,
        },
      ),
      row("longest block of the event loop, ms", of("ours", "blockMs"), { further: 5 }),
      row("time per series at 100,000 against 1,000, ×", ratio(perSeries(grown), perSeries(small)), { atMost: 1.2 }),
      ...plan.flatMap(([subject, sizes]) =>
        sizes.flatMap((size) => [
          row(`${subject}, ${size.toLocaleString("en")} pairs, ms per page`, of(subject, "pageMs", size), {}),
          row(
            `${subject}, ${size.toLocaleString("en")} pairs, ms of the longest block`,
            of(subject, "blockMs", size),
            {},
          ),
          row(
            `${subject}, ${size.toLocaleString("en")} pairs, MB`,
            of(subject, "bytes", size).map((bytes) => bytes / 1e6),
            {},
          ),
        ]),
      ),
    ],
    notes: [
      "A pair is a counter and a histogram of 15 bounds with four labels; every series moves before every page; ratios are at 10,000 pairs, between processes of the same round. Blocks are the longest gaps between two turns of the event loop while the page is scraped over HTTP by another thread.",
      "A goal has two numbers: what must be met, and how far it is to go.",
    ],
  };
}

interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
  /** The same, as far as it is to go. */
  readonly further?: number;
}

function row(what: string, values: readonly number[], { atLeast, atMost, further }: Goal): BenchRow {
  const reached = median(values);
  const must = atLeast ?? atMost;
  const sign = atLeast === undefined ? "≤" : "≥";
  const meets = (goal: number): boolean => (atLeast === undefined ? reached <= goal : reached >= goal);
  const goals = [
    ...(must === undefined ? [] : [`${sign} ${format(must)}`]),
    ...(further === undefined ? [] : [`${sign} ${format(further)} ${meets(further) ? "reached" : "not yet"}`]),
  ];
  if (goals.length === 0) return { what, rounds: values };
  return { what, rounds: values, goal: goals.join("; "), ...(must === undefined ? {} : { met: meets(must) }) };
}
