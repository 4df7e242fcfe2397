import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BenchResult, Progress } from "../result.ts";
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
  ["upstream", [usual]],
  ["oursOpenMetrics", [usual]],
  ["oursWithExemplars", [usual]],
  ["official", [usual]],
];

const run = promisify(execFile);
const child = fileURLToPath(new URL("./child.ts", import.meta.url));

type Results = Map<string, Measured[]>;

/** Writes and serves pages of this repository, the official exporter and prom-client, every subject and size in processes of its own. */
export async function benchExposition(progress: Progress): Promise<BenchResult> {
  const results: Results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const [subject, sizes] of plan) {
      for (const size of sizes) {
        progress(`round ${round + 1} of ${rounds}, ${subject} at ${size.toLocaleString("en")}`);
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
      {
        what: "page against prom-client, ×",
        rounds: ratio(of("prometheus", "pageMs"), ours),
        must: { atLeast: 15 },
        moonshot: { atLeast: 20 },
      },
      {
        what: "page against the official exporter, ×",
        rounds: ratio(of("official", "pageMs"), ours),
        must: { atLeast: 40 },
        moonshot: { atLeast: 75 },
      },
      {
        what: "page against a copy of its bytes, ×",
        rounds: ratio(ours, of("ours", "copyMs")),
        must: { atMost: 8 },
        moonshot: { atMost: 4 },
        limit:
          "a page of 10,000 pairs is 190,000 lines: each is copied by itself, eight bytes at a time, with its number written behind it, where one copy of the whole is a single instruction to memory",
      },
      {
        what: "page with exemplars on 3 buckets of each histogram against one without, ×",
        rounds: ratio(of("oursWithExemplars", "pageMs"), of("oursOpenMetrics", "pageMs")),
        must: { atMost: 3.5 },
        moonshot: { atMost: 1.5 },
        limit:
          "each of the 30,000 exemplars is a new one. To copy its two ids, its value and its time out of JavaScript's strings and numbers takes some 200 ns, a fifth of that for the snapshot's copy of it, where a line without one takes 35",
      },
      {
        what: "longest block of the event loop, prom-client's against ours, ×",
        rounds: ratio(of("prometheus", "blockMs"), of("ours", "blockMs")),
        must: { atLeast: 40 },
      },
      {
        what: "longest block of the event loop, ms",
        rounds: of("ours", "blockMs"),
        moonshot: { atMost: 5 },
        limit:
          "slices end after 2 ms and the snapshot takes 1; what is longer is the operating system's, whose processors the endpoint shares with its scraper and with whatever else runs",
      },
      {
        what: "page's time per series at 100,000 against 1,000, ×",
        rounds: ratio(perSeries(grown), perSeries(small)),
        must: { atMost: 1.2 },
      },
      { what: "page against @prometheus-io/client, ×", rounds: ratio(of("upstream", "pageMs"), ours) },
      ...plan.flatMap(([subject, sizes]) =>
        sizes.flatMap((size) => {
          const who = `${subject}, ${size.toLocaleString("en")} pairs`;
          return [
            { what: `${who}, ms of CPU per page`, rounds: of(subject, "pageMs", size) },
            { what: `${who}, ms per page`, rounds: of(subject, "pageWallMs", size) },
            { what: `${who}, ms of the longest block`, rounds: of(subject, "blockMs", size) },
            { what: `${who}, MB`, rounds: of(subject, "bytes", size).map((bytes) => bytes / 1e6) },
          ];
        }),
      ),
    ],
    notes: [
      "Pages: a pair is a counter and a histogram of 15 bounds with four labels; every series moves before every page; ratios are at 10,000 pairs, between processes of the same round, of the CPU time of the whole process, garbage collection included. The copy is made of each page right after it. Blocks are the longest gaps between two turns of the event loop, by the clock on the wall, while the page is scraped over HTTP by another thread. Each process checks the number of samples and the totals that its last page shows.",
    ],
  };
}
