/** One subject at one size, in a process of its own: `child.ts SUBJECT SIZE`. Prints a line of JSON. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Worker } from "node:worker_threads";
import { median } from "../result.ts";
import { openSubject, type SubjectName } from "./subjects.ts";

/** What one process measured. */
export interface Measured {
  /** From asking for a page to having its bytes. */
  readonly pageMs: number;
  /** The longest time in which the event loop did nothing else, while a page was served over HTTP. */
  readonly blockMs: number;
  readonly bytes: number;
  /** A copy of as many bytes, for comparison. */
  readonly copyMs: number;
}

/** A repetition of the slowest takes two seconds. */
const repetitions = { fast: 15, slow: 3 } as const;

const [name, sizeText] = process.argv.slice(2);
const size = Number(sizeText);
const subject = await openSubject(name as SubjectName, size);
const { warmUps, rounds } = subject.slow
  ? { warmUps: 1, rounds: repetitions.slow }
  : { warmUps: 4, rounds: repetitions.fast };

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

let whole = Buffer.alloc(0);
const pageTimes: number[] = [];
for (let round = -warmUps; round < rounds; round++) {
  subject.change(round);
  const started = performance.now();
  const { chunks, release } = await subject.render();
  if (round >= 0) pageTimes.push(performance.now() - started);
  if (round === rounds - 1) whole = Buffer.concat(chunks);
  release?.();
}
const lines = whole
  .toString("latin1")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#")).length;
// A counter's line; a histogram's 15 bounds, +Inf, sum and count.
if (lines !== size * 19) throw new Error(`${name} wrote ${lines} samples instead of ${size * 19}`);

const copy = Buffer.alloc(whole.byteLength);
const copyTimes: number[] = [];
for (let round = 0; round < 10; round++) {
  const started = performance.now();
  whole.copy(copy);
  copyTimes.push(performance.now() - started);
}

const blockMs = await longestBlock();
const measured: Measured = { pageMs: median(pageTimes), blockMs, bytes: whole.byteLength, copyMs: median(copyTimes) };
console.log(JSON.stringify(measured));

/** The median over scrapes of the longest gap between two turns of the event loop. The scraper is a thread of its own. */
async function longestBlock(): Promise<number> {
  const server = createServer(subject.answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const scraper = new Worker(scraperCode, { eval: true });
  const gaps: number[] = [];
  try {
    for (let round = -1; round < rounds; round++) {
      subject.change(round);
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
      if (Math.abs(bytes - whole.byteLength) > whole.byteLength / 10) throw new Error(`${name} sent ${bytes} bytes`);
      if (round >= 0) gaps.push(longest);
    }
  } finally {
    await scraper.terminate();
    server.close();
  }
  return median(gaps);
}
