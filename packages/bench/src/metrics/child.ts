/** One subject at one size, in a process of its own: `child.ts SUBJECT SIZE`. Prints a line of JSON. */
import { median } from "../result.ts";
import { subjects } from "./subjects.ts";
import type { SubjectName } from "./subjects.ts";

/** What one process measured. */
export interface Measured {
  readonly addNs: number;
  readonly recordNs: number;
  readonly addBytes: number;
  readonly recordBytes: number;
  /** Held by one counter series and one histogram series together, the bench's own 32 bytes of label columns included. */
  readonly bytesPerPair: number;
}

const operations = 50_000;
const repetitions = 15;
// Few enough for no collection of garbage to begin in between.
const operationsForBytes = 4_000;

const [name, sizeText] = process.argv.slice(2);
const size = Number(sizeText);

const heldBefore = held();
const subject = subjects[name as SubjectName](size);
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

function time(run: (count: number) => void): number {
  for (let warmUp = 0; warmUp < 5; warmUp++) run(operations);
  const rounds: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const started = performance.now();
    run(operations);
    rounds.push(((performance.now() - started) / operations) * 1e6);
  }
  return median(rounds);
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
