import { ExpositionError } from "../error.ts";
import type { PageFormat } from "./model.ts";
import { parsePage } from "./page.ts";

export const formats: readonly PageFormat[] = ["text", "text-1.0.0", "openmetrics", "protobuf"];

/** A generator of numbers from 0 to 1 that gives the same ones for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words = [
  ...'#{}=",\\ \t\n\r\0_:.+-eE019aZü\u{1F600}\uFEFF'.split(""),
  ..."# HELP |# TYPE |# UNIT |# EOF|# EOF\n| # {|counter|gauge|histogram|summary|untyped|unknown|info|stateset".split(
    "|",
  ),
  ...'gaugehistogram|_total|_bucket|_sum|_count|_created|_gcount|_gsum|_info|a|b_seconds|le="1.0"|le="+Inf"'.split("|"),
  ...'quantile="0.5"|NaN|+Inf|-Inf|1e999|1.5|0x1p3|{"a.b"|\\n|\\"|\\\\|seconds|{a="b"} 1\n|a 1\n|a_total 2\n'.split(
    "|",
  ),
].map((word) => Buffer.from(word));

const textPages = [
  '# HELP a Help\n# TYPE a counter\na{b="c",d="e"} 1 1395066363000\na{b="f"} 2\n',
  '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n',
  '# TYPE q summary\nq{quantile="0.5"} 1\nq_sum 1\nq_count 2\n# TYPE g gauge\ng NaN\nu -Inf\n',
  '# TYPE "a.b" gauge\n{"a.b","c.d"="e"} 1\n',
];
const openMetricsPages = [
  '# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Help\na_seconds_total{b="c"} 1 2 # {t="x"} 1 3\n# EOF\n',
  '# TYPE h histogram\nh_bucket{le="1.0"} 1 # {trace_id="a"} 0.5\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n# EOF\n',
  '# TYPE s stateset\ns{s="on"} 1\n# TYPE i info\ni_info{v="1"} 1\n# TYPE q summary\nq{quantile="0.5"} 1\n# EOF\n',
  '# TYPE "a.b" counter\n{"a.b_total"} 1\n# EOF\n',
];

/** A field with a length: a text, or the message of the parts. */
export function field(number: number, ...parts: readonly (string | Buffer)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([...tag(number, 2), content.byteLength]), content]);
}

export function whole(number: number, value: number): Buffer {
  return Buffer.from([...tag(number, 0), value]);
}

export function double(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([Buffer.from(tag(number, 1)), bytes]);
}

function tag(number: number, type: number): number[] {
  return number < 16 ? [number * 8 + type] : [((number * 8 + type) & 0x7f) | 0x80, (number * 8 + type) >> 7];
}

export function delimited(...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([content.byteLength]), content]);
}

export const label = field(1, field(1, "k"), field(2, "v"));
export const exemplar = Buffer.concat([label, double(2, 0.5), field(3, whole(1, 100), whole(2, 7))]);
const classic = [1, 3].map((count, index) =>
  field(3, whole(1, count), double(2, index === 0 ? 1 : Infinity), field(3, exemplar)),
);
const native = [
  whole(5, 6),
  double(6, 1e-128),
  whole(7, 1),
  field(12, whole(1, 2), whole(2, 2)),
  whole(13, 2),
  whole(13, 1),
];
const protobufPages = [
  delimited(field(1, "g"), field(2, "Help"), whole(3, 1), field(4, label, field(2, double(1, 2))), field(5, "x")),
  delimited(field(1, "c"), whole(3, 0), field(4, field(3, double(1, 2), field(2, exemplar)))),
  delimited(
    field(1, "q"),
    whole(3, 2),
    field(4, field(4, whole(1, 2), double(2, 3), field(3, double(1, 0.5), double(2, 1)))),
  ),
  delimited(field(1, "h"), whole(3, 4), field(4, label, field(7, whole(1, 3), double(2, 9), ...classic))),
  delimited(field(1, "n"), whole(3, 4), field(4, field(7, whole(1, 3), double(2, 9), ...native, field(16, exemplar)))),
];

function corpus(format: PageFormat): readonly Buffer[] {
  if (format === "protobuf") return protobufPages;
  return (format === "openmetrics" ? openMetricsPages : textPages).map((page) => Buffer.from(page));
}

/** An input that is rubbish, a soup of the format's words, or a good page with a few faults. At most about 1 KB. */
export function fuzzInput(format: PageFormat, random: () => number): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit);
  const kind = random();
  if (kind < 0.1) return Buffer.from(Array.from({ length: below(64) }, () => below(256)));
  if (kind < 0.4 && format !== "protobuf") {
    return Buffer.concat(Array.from({ length: below(40) }, () => words[below(words.length)] ?? Buffer.alloc(0)));
  }
  const pages = corpus(format);
  let page = Buffer.from(pages[below(pages.length)] ?? []);
  for (let faults = below(4); faults > 0; faults--) {
    const at = below(page.length + 1);
    const end = Math.min(page.length, at + below(8));
    const fault = below(5);
    if (fault === 0 && page.length > 0) page[at % page.length] = below(256);
    else if (fault === 1) page = Buffer.concat([page.subarray(0, at), page.subarray(end)]);
    else if (fault === 2) page = Buffer.concat([page.subarray(0, end), page.subarray(at)]);
    else if (fault === 3)
      page = Buffer.concat([page.subarray(0, at), words[below(words.length)] ?? page, page.subarray(at)]);
    else if (page.length > 0) page[at % page.length] = (page[at % page.length] ?? 0) ^ (1 << below(8));
  }
  return page;
}

/**
 * Parses, and throws unless the parser returned families or its own error with a place inside the page. Whether the page was
 * accepted.
 */
export function checkTotal(input: Uint8Array, format: PageFormat): boolean {
  try {
    const page = parsePage(input, format);
    if (!(page instanceof Map)) throw new TypeError("the parser returned something else");
    return true;
  } catch (thrown) {
    if (!(thrown instanceof ExpositionError) || thrown.code !== "invalid_page") throw thrown;
    const { position } = thrown;
    const length = input.byteLength + 1;
    const inside =
      position?.offset === undefined
        ? position !== undefined &&
          position.line >= 1 &&
          position.column >= 1 &&
          position.line + position.column <= length + 1
        : position.offset >= 0 && position.offset < length;
    if (!inside) throw new RangeError(`a place outside the page: ${JSON.stringify(position)}`, { cause: thrown });
    return false;
  }
}
