/** One subject at one size, in a process of its own: `child.ts SUBJECT SIZE`. Prints a line of JSON. */
import { median } from "../result.ts";
import { createLabels } from "./labels.ts";
import { subjects } from "./subjects.ts";
import type { Subject, SubjectName } from "./subjects.ts";

/**
 * What one process measured. Times are the thread's on a processor, so that waiting for one does not count where other programs run besides.
 */
export interface Measured {
  readonly addNs: number;
  readonly recordNs: number;
  readonly addBytes: number;
  readonly recordBytes: number;
  /** Held by one counter series and one histogram series together. */
  readonly bytesPerPair: number;
}

// Long enough for a processor's time, which Linux counts in steps of a few milliseconds.
const leastCpuMs = 400;
// Few enough for no collection of garbage to begin in between.
const operationsForBytes = 4_000;

const [name, sizeText] = process.argv.slice(2);
const size = Number(sizeText);

// Several of each series, so that all of them are in use.
const operations = Math.max(50_000, 4 * size);

// What is the same however many series there are (code, libraries' tables) is there before the measurement of memory.
const subjectName = name as SubjectName;
const few = subjects[subjectName](200, createLabels(200));
for (let series = 0; series < 200; series++) {
  few.add(series);
  few.record(series, 1);
}
await few.totals();

const labelsOf = createLabels(size);
const heldBefore = held();
const subject: Subject = subjects[subjectName](size, labelsOf);
let adds = 0;
let records = 0;
for (let series = 0; series < size; series++) {
  subject.add(series);
  subject.record(series, 1);
}
adds += size;
records += size;
const bytesPerPair = (held() - heldBefore) / size;

// Always the same order, and values over all buckets.
let state = 0x2545f491;
const random = (): number => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
};
const order = Int32Array.from({ length: operations }, () => Math.floor(random() * size));
const values = Float64Array.from({ length: operations }, () => 400 * random() ** 4);

const addAll = (count: number): void => {
  for (let i = 0; i < count; i++) subject.add(order[i]!);
  adds += count;
};
const recordAll = (count: number): void => {
  for (let i = 0; i < count; i++) subject.record(order[i]!, values[i]!);
  records += count;
};

const addNs = time(addAll);
const recordNs = time(recordAll);
const addBytes = allocated(addAll);
const recordBytes = allocated(recordAll);

const totals = await subject.totals();
if (totals.added !== adds || totals.recorded !== records) {
  throw new Error(`${name} lost work: ${JSON.stringify(totals)} instead of ${adds} and ${records}`);
}
const measured: Measured = { addNs, recordNs, addBytes, recordBytes, bytesPerPair };
console.log(JSON.stringify(measured));

/** What one operation takes of the thread's time on a processor, on average. */
function time(run: (count: number) => void): number {
  let result = Number.NaN;
  const within = subject.within?.bind(subject) ?? ((timed: () => void): void => timed());
  within(() => (result = timeHere(run)));
  return result;
}

function timeHere(run: (count: number) => void): number {
  for (let warmUp = 0; warmUp < 4; warmUp++) run(operations);
  const started = process.threadCpuUsage();
  let done = 0;
  let spentMs = 0;
  while (spentMs < leastCpuMs) {
    // Looking at the clock is not for free.
    for (let again = 0; again < 4; again++) run(operations);
    done += 4 * operations;
    const { user, system } = process.threadCpuUsage(started);
    spentMs = (user + system) / 1e3;
  }
  return (spentMs / done) * 1e6;
}

function allocated(run: (count: number) => void): number {
  const rounds: number[] = [];
  for (let repetition = 0; repetition < 5; repetition++) {
    globalThis.gc!();
    const before = process.memoryUsage().heapUsed;
    run(operationsForBytes);
    rounds.push((process.memoryUsage().heapUsed - before) / operationsForBytes);
  }
  return Math.max(0, median(rounds));
}

/** What is held on the heap and beside it. */
function held(): number {
  globalThis.gc!();
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
