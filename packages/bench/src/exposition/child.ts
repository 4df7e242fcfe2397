/** One subject at one size, in a process of its own: `child.ts SUBJECT SIZE`. Prints a line of JSON. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Worker } from "node:worker_threads";
import { median } from "../result.ts";
import { openSubject, recorded, type SubjectName } from "./subjects.ts";

/** What one process measured. */
export interface Measured {
  /** CPU time of the process, its collector of garbage included, from asking for a page to having its bytes. */
  readonly pageMs: number;
  /** The same by the clock on the wall, which also runs while others use the machine. */
  readonly pageWallMs: number;
  /** The longest time in which the event loop did nothing else, while a page was served over HTTP. */
  readonly blockMs: number;
  readonly bytes: number;
  /** CPU time of a copy of as many bytes, for comparison. */
  readonly copyMs: number;
}

/** Numbers of pages; one of the slowest takes two seconds. */
const repetitions = { fast: 40, slow: 3 } as const;
const scrapes = { fast: 15, slow: 3 } as const;

const [name, sizeText] = process.argv.slice(2);
const size = Number(sizeText);
const subject = await openSubject(name as SubjectName, size);
const speed = subject.slow ? "slow" : "fast";
const rounds = size > 10_000 ? repetitions[speed] / 4 : repetitions[speed];
const warmUps = subject.slow ? 2 : 10;

/** Fetches from the port it is told and says how many bytes came. */
const scraperCode = `
const { parentPort } = require("node:worker_threads");
const { get } = require("node:http");
parentPort.on("message", (port) => {
  get({ host: "127.0.0.1", port, path: "/metrics", agent: false }, (answer) => {
    let bytes = 0;
    answer.on("data", (chunk) => (bytes += chunk.length)).on("end", () => parentPort.postMessage(bytes));
  });
});`;

let copy = Buffer.alloc(0);
const wallTimes: number[] = [];
let pageCpuMs = 0;
let copyCpuMs = 0;
for (let round = -warmUps; round < rounds; round++) {
  subject.change(round + warmUps);
  const started = performance.now();
  const cpuBefore = cpuMs();
  const { chunks, release } = await subject.render();
  const rendered = cpuMs();
  const wallMs = performance.now() - started;
  const length = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  // Numbers get longer; nobody else has to be measured with memory that was never touched.
  if (copy.byteLength < length) copy = Buffer.alloc(length * 2);
  const copying = cpuMs();
  let at = 0;
  for (const chunk of chunks) {
    copy.set(chunk, at);
    at += chunk.byteLength;
  }
  if (round >= 0) {
    copyCpuMs += cpuMs() - copying;
    pageCpuMs += rendered - cpuBefore;
    wallTimes.push(wallMs);
  }
  release?.();
  if (round === rounds - 1) copy = copy.subarray(0, length);
}
checkPage();

const measured: Measured = {
  pageMs: pageCpuMs / rounds,
  pageWallMs: median(wallTimes),
  blockMs: await longestBlock(),
  bytes: copy.byteLength,
  copyMs: copyCpuMs / rounds,
};
console.log(JSON.stringify(measured));

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

/** The page has every series, with the values that were recorded. */
function checkPage(): void {
  const lines = copy.toString("latin1").split("\n");
  const samples = lines.filter((line) => line !== "" && !line.startsWith("#"));
  // A counter's line; a histogram's 15 bounds, +Inf, sum and count.
  if (samples.length !== size * 19) throw new Error(`${name} wrote ${samples.length} samples, not ${size * 19}`);
  let counted = 0;
  let added = 0;
  for (const line of samples) {
    if (line.startsWith("bench_operations_total")) added += Number(valueOf(line));
    if (line.startsWith("bench_duration_seconds_count")) counted += Number(valueOf(line));
  }
  const expected = recorded(size, rounds + warmUps);
  if (Math.abs(added - expected.added) > 1e-6 * expected.added || counted !== expected.counted) {
    throw new Error(`${name} shows ${added} added and ${counted} recorded, not ${JSON.stringify(expected)}`);
  }
}

function valueOf(line: string): string {
  return line.slice(line.lastIndexOf("}") + 2).split(" ", 1)[0] ?? "";
}

/** The median over scrapes of the longest gap between two turns of the event loop. The scraper is a thread of its own. */
async function longestBlock(): Promise<number> {
  const server = createServer(subject.answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const scraper = new Worker(scraperCode, { eval: true });
  const gaps: number[] = [];
  try {
    for (let round = -1; round < scrapes[speed]; round++) {
      subject.change(rounds + warmUps + round);
      let last = performance.now();
      let longest = 0;
      let running = true;
      const probe = (): void => {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
        if (running) setImmediate(probe);
      };
      setImmediate(probe);
      const received = new Promise<number>((resolve) => scraper.once("message", resolve));
      scraper.postMessage((server.address() as AddressInfo).port);
      const bytes = await received;
      running = false;
      // Values change from round to round, and their digits with them.
      if (Math.abs(bytes - copy.byteLength) > copy.byteLength / 10) throw new Error(`${name} sent ${bytes} bytes`);
      if (round >= 0) gaps.push(longest);
    }
  } finally {
    await scraper.terminate();
    server.close();
  }
  return median(gaps);
}
