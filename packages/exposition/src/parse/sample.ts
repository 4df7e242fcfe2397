import type { ParsedExemplar, ParsedSample } from "./model.ts";
import { parseNumber } from "./number.ts";
import type { Scanner } from "./scanner.ts";

/** What a sample line may look like in one of the text formats. */
export interface Dialect {
  readonly openMetrics: boolean;
  /** Whether names may be quoted, and hold any characters then. */
  readonly utf8: boolean;
}

/** Reads a sample up to the end of its line, which it does not pass. */
export function readSample(scanner: Scanner, dialect: Dialect): ParsedSample {
  const { openMetrics } = dialect;
  const start = scanner.at;
  const bare = scanner.code === 0x7b ? undefined : scanner.name(true);
  if (!openMetrics) scanner.skipBlanks();
  let name = bare;
  let labels: ReadonlyMap<string, string> = noLabels;
  if (scanner.code === 0x7b) {
    const set = readLabels(scanner, dialect, bare === undefined);
    labels = set.labels;
    name ??= set.name;
  }
  if (name === undefined) throw scanner.error("a sample without a metric name", start);
  separate(scanner, openMetrics, "before the value");
  const value = readNumber(scanner, "a sample's value");
  let timestampMs: number | undefined;
  let exemplar: ParsedExemplar | undefined;
  if (!openMetrics) {
    scanner.skipBlanks();
    if (scanner.code !== 0x0a && !scanner.done) timestampMs = readMilliseconds(scanner);
    scanner.skipBlanks();
  } else if (scanner.take(" ")) {
    if (scanner.code !== 0x23) {
      timestampMs = readSeconds(scanner);
      if (scanner.take(" ")) exemplar = readExemplar(scanner, dialect);
    } else {
      exemplar = readExemplar(scanner, dialect);
    }
  }
  return { name, labels, value, timestampMs, exemplar };
}

const noLabels: ReadonlyMap<string, string> = new Map();

function separate(scanner: Scanner, openMetrics: boolean, where: string): void {
  if (openMetrics) scanner.expect(" ", where);
  else scanner.skipBlanks();
}

/** The braces and what is between them. Only where the name does not stand before them may a quoted one be the first thing inside. */
function readLabels(
  scanner: Scanner,
  { openMetrics, utf8 }: Dialect,
  named: boolean,
): { readonly name: string | undefined; readonly labels: Map<string, string> } {
  const blanks = (): void => {
    if (!openMetrics) scanner.skipBlanks();
  };
  const labels = new Map<string, string>();
  let name: string | undefined;
  scanner.expect("{", "before labels");
  blanks();
  for (let first = true; !scanner.take("}"); first = false) {
    if (!first) {
      scanner.expect(",", "or } after a label");
      blanks();
      if (!openMetrics && scanner.take("}")) break;
    }
    const start = scanner.at;
    let label: string;
    if (scanner.code === 0x22) {
      if (!utf8) throw scanner.error("this format has no quoted names");
      label = scanner.quoted(openMetrics);
      if (label === "") throw scanner.error("an empty name", start);
      blanks();
      if (first && named && scanner.text.charAt(scanner.at) !== "=") {
        name = label;
        continue;
      }
    } else {
      label = scanner.name(false);
      blanks();
    }
    if (label === "__name__") throw scanner.error("the metric's name has its own place, __name__ is no label", start);
    if (labels.has(label)) throw scanner.error(`the label ${JSON.stringify(label)} stands here twice`, start);
    scanner.expect("=", "after a label's name");
    blanks();
    labels.set(label, scanner.quoted(openMetrics));
    blanks();
  }
  blanks();
  return { name, labels };
}

function readNumber(scanner: Scanner, what: string): number {
  const start = scanner.at;
  const text = scanner.word();
  const value = parseNumber(text);
  if (value === undefined) throw scanner.error(`${what} is no number: ${excerpt(text)}`, start);
  return value;
}

function readMilliseconds(scanner: Scanner): number {
  const start = scanner.at;
  const text = scanner.word();
  const value = text.length <= 20 && /^[+-]?[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!(Math.abs(value) < 2 ** 63)) {
    throw scanner.error(`a timestamp is a whole number of milliseconds, not ${excerpt(text)}`, start);
  }
  return value;
}

function readSeconds(scanner: Scanner): number {
  const start = scanner.at;
  const value = readNumber(scanner, "a timestamp");
  if (!Number.isFinite(value)) throw scanner.error("a timestamp is a finite number of seconds", start);
  return value * 1000;
}

/** Longest set of labels of an exemplar, in characters of names and values (OpenMetrics 1.0.0, "Exemplars"). */
export const maxExemplarLength = 128;

/** Code points of names and values together. */
export function exemplarLength(labels: Iterable<readonly [string, string]>): number {
  let length = 0;
  for (const [name, value] of labels) length += codePoints(name) + codePoints(value);
  return length;
}

function codePoints(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length; index++) {
    if ((text.codePointAt(index) ?? 0) > 0xffff) {
      count--;
      index++;
    }
  }
  return count;
}

function readExemplar(scanner: Scanner, dialect: Dialect): ParsedExemplar {
  scanner.expect("#", "before an exemplar");
  scanner.expect(" ", "before an exemplar's labels");
  const start = scanner.at;
  const { labels } = readLabels(scanner, dialect, false);
  const length = exemplarLength(labels);
  if (length > maxExemplarLength) {
    throw scanner.error(
      `an exemplar's labels have at most ${maxExemplarLength} characters, these have ${length}`,
      start,
    );
  }
  scanner.expect(" ", "before an exemplar's value");
  const value = readNumber(scanner, "an exemplar's value");
  const timestampMs = scanner.take(" ") ? readSeconds(scanner) : undefined;
  return { labels, value, timestampMs };
}

/** Foreign text in a message stays short. */
function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
