import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BenchResult, Progress } from "../result.ts";
import type { Measured, MeasuredBlock } from "./child.ts";
import type { Encoding, SubjectName } from "./subjects.ts";

const rounds = 5;
const pairs = 10_000;

/** In this order in every round, so that noise of the machine meets all alike. */
const plan: readonly (readonly [SubjectName, Encoding])[] = [
  ["ours", "protobuf"],
  ["official", "protobuf"],
  ["oursWithExemplars", "protobuf"],
  ["ours", "json"],
  ["official", "json"],
];

const run = promisify(execFile);
const child = fileURLToPath(new URL("./child.ts", import.meta.url));

/** Writes what was collected as OTLP, by this repository and by the official transformer, each in processes of its own. */
export async function benchOtlp(progress: Progress = () => undefined): Promise<BenchResult> {
  const results = new Map<string, Measured[]>();
  const blocks: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [subject, encoding] of plan) {
      progress(`round ${round + 1} of ${rounds}, OTLP by ${subject} in ${encoding}`);
      const key = `${subject} ${encoding}`;
      results.set(key, [...(results.get(key) ?? []), await measure<Measured>([subject, encoding, String(pairs)])]);
    }
    progress(`round ${round + 1} of ${rounds}, an OTLP export`);
    blocks.push((await measure<MeasuredBlock>(["block", String(pairs)])).blockMs);
  }
  const of = (subject: SubjectName, encoding: Encoding, key: keyof Measured): readonly number[] =>
    (results.get(`${subject} ${encoding}`) ?? []).map((measured) => measured[key]);
  const times = (encoding: Encoding, key: keyof Measured): number[] =>
    of("official", encoding, key).map((ms, round) => ms / (of("ours", encoding, key)[round] ?? Number.NaN));
  return {
    name: "otlp",
    title: "Writing OTLP",
    rows: [
      {
        what: "OTLP encode, protobuf, against the official transformer, ×",
        rounds: times("protobuf", "steadyMs"),
        must: { atLeast: 5 },
        moonshot: { atLeast: 10 },
        limit:
          "half of the time goes into storing the 8-byte numbers of 5 MB, a quarter into copying attributes and bounds",
      },
      { what: "OTLP encode, protobuf, the first message of a process, ×", rounds: times("protobuf", "firstMs") },
      { what: "OTLP encode, JSON, against the official transformer, ×", rounds: times("json", "steadyMs") },
      { what: "OTLP encode, JSON, the first message of a process, ×", rounds: times("json", "firstMs") },
      { what: "longest block of the event loop while OTLP is collected, written and sent, ms", rounds: blocks },
      ...plan.flatMap(([subject, encoding]) => [
        { what: `${subject}, ${encoding}, ms per message`, rounds: of(subject, encoding, "steadyMs") },
        { what: `${subject}, ${encoding}, ms of the first message`, rounds: of(subject, encoding, "firstMs") },
        { what: `${subject}, ${encoding}, MB`, rounds: of(subject, encoding, "bytes").map((bytes) => bytes / 1e6) },
      ]),
    ],
    notes: [
      "10,000 counters and as many histograms of 15 bounds with four labels, collected from each one's own MeterProvider; collecting is not in the time. Every series moves before every message. With exemplars means three per histogram, which the official transformer leaves out.",
    ],
  };
}

async function measure<Result>(args: readonly string[]): Promise<Result> {
  const { stdout } = await run(process.execPath, ["-C", "source", child, ...args]);
  return JSON.parse(stdout) as Result;
}
