import { ExpositionError } from "../error.ts";
import { describe, expect, it } from "vitest";
import { parsePage } from "./page.ts";
import type { PageFormat } from "./model.ts";

function problem(page: string | Uint8Array, format: PageFormat): ExpositionError {
  try {
    parsePage(page, format);
  } catch (thrown) {
    if (thrown instanceof ExpositionError) return thrown;
    throw thrown;
  }
  throw new Error("the page was accepted");
}

const histogram = `# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
`;
const openHistogram = histogram.replace('"1"', '"1.0"');

describe("parsePage", () => {
  it("reads everything text 0.0.4 has", () => {
    const page = parsePage(
      `# a comment
#HELP  requests_total Said \\\\ and \\n "so"

# TYPE\trequests_total  counter
requests_total { method = "GET" , path="a\\"\\\\\\nb", } 1027 1395066363000
requests_total{method="PUT"} 3e2\t-5
# TYPE q summary
q{quantile="0.5"} 4.25
q_sum 1.7e+08
q_count 9
bare NaN
free +Inf
${histogram}`,
      "text",
    );
    expect([...page.keys()]).toEqual(["requests_total", "q", "bare", "free", "h"]);
    expect(page.get("requests_total")).toMatchObject({
      type: "counter",
      help: 'Said \\ and \n "so"',
      samples: [
        {
          name: "requests_total",
          labels: new Map([
            ["method", "GET"],
            ["path", 'a"\\\nb'],
          ]),
          value: 1027,
          timestampMs: 1395066363000,
        },
        { value: 300, timestampMs: -5 },
      ],
    });
    expect(page.get("bare")).toMatchObject({ type: "unknown", samples: [{ value: NaN }] });
    expect(page.get("h")?.samples).toHaveLength(4);
  });

  it("reads quoted names in text 1.0.0 and OpenMetrics", () => {
    const lines = `# HELP "my.metric" Dots
# TYPE "my.metric" gauge
{"my.metric","a.b"="x",c="y"} 1
{"my.metric"} 2
`;
    for (const [text, format] of [
      [lines, "text-1.0.0"],
      [`${lines}# EOF\n`, "openmetrics"],
    ] as const) {
      const [first, second] = parsePage(text, format).get("my.metric")?.samples ?? [];
      expect(first).toMatchObject({ name: "my.metric", value: 1 });
      expect([...(first?.labels ?? [])]).toEqual([
        ["a.b", "x"],
        ["c", "y"],
      ]);
      expect(second).toMatchObject({ name: "my.metric", value: 2 });
    }
    expect(problem(lines, "text").message).toContain("line 1, column 8: this format has no quoted names");
  });

  it("reads everything OpenMetrics has", () => {
    const page = parsePage(
      `# TYPE jobs counter
# HELP jobs Jobs \\"done\\"
jobs_total{k="v"} 5.0 12.5 # {trace_id="abc",span_id="def"} 0.5 1520879607.789
jobs_created{k="v"} 1520430000.123 12.5
# TYPE size_bytes gaugehistogram
# UNIT size_bytes bytes
size_bytes_bucket{le="0.0"} 1 # {} 0.67
size_bytes_bucket{le="+Inf"} 2
size_bytes_gcount 2
size_bytes_gsum -3
# TYPE state stateset
state{state="on"} 1
state{state="off"} 0
# TYPE build info
build_info{version="1"} 1
# TYPE q summary
q{quantile="0.9"} 3
q_count 3
q_sum 3
# TYPE temp_celsius gauge
# UNIT temp_celsius celsius
temp_celsius -1.5e1
loose 3
# EOF
`,
      "openmetrics",
    );
    expect([...page.values()].map(({ name, type, unit }) => `${type} ${name} ${unit}`)).toEqual([
      "counter jobs ",
      "gaugehistogram size_bytes bytes",
      "stateset state ",
      "info build ",
      "summary q ",
      "gauge temp_celsius celsius",
      "unknown loose ",
    ]);
    expect(page.get("jobs")).toMatchObject({
      help: 'Jobs "done"',
      samples: [
        {
          name: "jobs_total",
          timestampMs: 12500,
          exemplar: {
            labels: new Map([
              ["trace_id", "abc"],
              ["span_id", "def"],
            ]),
            value: 0.5,
            timestampMs: 1520879607789,
          },
        },
        { name: "jobs_created" },
      ],
    });
  });

  it.each<[string, string, number, number, string]>([
    ["no line feed at the end", "a 1", 1, 4, "line feed"],
    ["a value that is none", "a 1\nb x1\n", 2, 3, 'no number: "x1"'],
    ["a value too large for a float", "a 1e999\n", 1, 3, "no number"],
    ["hexadecimal digits", "a 0x1p4\n", 1, 3, "no number"],
    ["a missing value", "a\n", 1, 2, 'no number: ""'],
    ["a timestamp with a fraction", "a 1 2.5\n", 1, 5, "whole number of milliseconds"],
    ["a name that begins with a digit", "1a 1\n", 1, 1, "expected a metric name"],
    ["a carriage return", "a 1\r\n", 1, 3, "no number"],
    ["an unfinished label value", 'a{b="c\n', 1, 5, "no end"],
    ["an unknown escape", 'a{b="\\t"} 1\n', 1, 6, "backslash"],
    ["a label twice", 'a{b="c",b="d"} 1\n', 1, 9, '"b" stands here twice'],
    ["the name as a label", '{__name__="a"} 1\n', 1, 2, "__name__ is no label"],
    ["no name at all", '{a="b"} 1\n', 1, 1, "without a metric name"],
    ["a missing comma", 'a{b="c" d="e"} 1\n', 1, 9, 'expected ","'],
    ["a second TYPE", "# TYPE a gauge\n# TYPE a gauge\n", 2, 1, "second TYPE"],
    ["a TYPE that is none", "# TYPE a untypical\n", 1, 1, "no type; there are counter, gauge, untyped"],
    ["a type of OpenMetrics", "# TYPE a info\n", 1, 1, "no type"],
    ["TYPE after samples", "a 1\n# TYPE a gauge\n", 2, 1, "before its samples"],
    ["a family in two blocks", 'a 1\nb 1\na{c="d"} 1\n', 3, 1, "second block"],
    ["a series twice", 'a{b="c",d="e"} 1\na{d="e",b="c"} 1\n', 2, 1, "second sample"],
    ["a histogram's bare name", "# TYPE h histogram\nh 1\n", 2, 1, "cannot be a sample"],
    ["a name inside another family's", `${histogram}# TYPE h_sum gauge\n`, 6, 1, "share the name h_sum"],
    ["a bucket without a bound", "# TYPE h histogram\nh_bucket 1\n", 2, 1, "needs the label le"],
    ["a bound that is none", '# TYPE h histogram\nh_bucket{le="x"} 1\n', 2, 1, "is no bound"],
    ["bounds that do not rise", histogram.replace('"+Inf"', '"0.5"'), 3, 1, "does not exceed"],
    ["buckets that fall", histogram.replace('"1"} 1', '"1"} 5'), 3, 1, "less than the 5"],
    ["half an event", histogram.replace('"1"} 1', '"1"} 0.5'), 2, 1, "number of events"],
    ["no +Inf bucket", histogram.replace('h_bucket{le="+Inf"} 2\n', ""), 2, 1, "no +Inf bucket"],
    ["a torn count", histogram.replace("h_count 2", "h_count 3"), 2, 1, "counts 3 events"],
    ["no count", histogram.replace("h_count 2\n", ""), 2, 1, "no count"],
    ["a byte order mark", "\uFEFFa 1\n", 1, 1, "expected a metric name"],
    ["a NUL", 'b 1\na{b="\0"} 1\n', 2, 6, "NUL"],
    ["half a surrogate pair", 'b 1\na{b="\u{1F600}\uD83D"} 1\n', 2, 8, "half a surrogate pair"],
    ["a quantile above 1", '# TYPE a summary\na{quantile="2"} 1\n', 2, 1, "between 0 and 1"],
    ["a quantile that is none", '# TYPE a summary\na{quantile="half"} 1\n', 2, 1, "between 0 and 1"],
    ["an empty quantile", '# TYPE a summary\na{quantile=""} 1\n', 2, 1, "between 0 and 1"],
    ["a quantile in another writing", '# TYPE a summary\na{quantile="0x1p-1"} 1\n', 2, 1, "between 0 and 1"],
    ["a help text with an unknown escape", "# HELP a \\t\n", 1, 10, "backslash"],
  ])("refuses %s in text", (_name, page, line, column, message) => {
    const error = problem(page, "text");
    expect(error).toMatchObject({ code: "invalid_page", position: { line, column } });
    expect(error.message).toContain(message);
  });

  it.each<[string, string, number, number, string]>([
    ["no EOF", "a 1\n", 2, 1, "# EOF"],
    ["something after EOF", "# EOF\na 1\n", 2, 1, "nothing may follow"],
    ["an empty line", "\n# EOF\n", 1, 1, "expected a metric name"],
    ["a comment", "# hello\n# EOF\n", 1, 1, "no comments"],
    ["two blanks", "a  1\n# EOF\n", 1, 3, "no number"],
    ["a blank at the end", "a 1 \n# EOF\n", 1, 5, "a timestamp is no number"],
    ["a trailing comma", 'a{b="c",} 1\n# EOF\n', 1, 9, "label name"],
    ["a counter without its suffix", "# TYPE a counter\na 1\n# EOF\n", 2, 1, "cannot be a sample of counter"],
    ["a negative counter", "# TYPE a counter\na_total -1\n# EOF\n", 2, 1, "must not be -1"],
    ["metadata after samples", "# TYPE a gauge\na 1\n# HELP a b\n# EOF\n", 3, 1, "before its samples"],
    ["a unit that is no suffix", "# UNIT a bytes\n# EOF\n", 1, 1, "does not end with its unit"],
    ["a unit of an info", "# TYPE a_b info\n# UNIT a_b b\n# EOF\n", 2, 1, "must not have a unit"],
    ["a unit and then an info", "# UNIT a_b b\n# TYPE a_b info\n# EOF\n", 2, 1, "must not have a unit"],
    ["a bare quote in a help text", '# HELP a "b"\n# EOF\n', 1, 10, "quote"],
    ["an exemplar on a gauge", "# TYPE a gauge\na 1 # {} 1\n# EOF\n", 2, 1, "must not have an exemplar"],
    ["an exemplar on a count", `${openHistogram.replace("h_count 2", "h_count 2 # {} 1")}# EOF\n`, 5, 1, "exemplar"],
    ["a long exemplar", `# TYPE a counter\na_total 1 # {b="${"ü".repeat(128)}"} 1\n# EOF\n`, 2, 13, "have 129"],
    ["an exemplar without a value", "# TYPE a counter\na_total 1 # {}\n# EOF\n", 2, 15, "exemplar's value"],
    ["an infinite timestamp", "a 1 +Inf\n# EOF\n", 1, 5, "finite"],
    ["an info that is not 1", "# TYPE a info\na_info 2\n# EOF\n", 2, 1, "has to be 1"],
    ["a state without its label", '# TYPE a stateset\na{b="c"} 1\n# EOF\n', 2, 1, "needs the label a"],
    ["half a state", '# TYPE a stateset\na{a="c"} 0.5\n# EOF\n', 2, 1, "0 or 1"],
    ["a quantile above 1", '# TYPE a summary\na{quantile="2"} 1\n# EOF\n', 2, 1, "between 0 and 1"],
    ["metrics interleaved", '# TYPE a gauge\na{b="c"} 1 1\na 1\na{b="c"} 1 2\n# EOF\n', 4, 1, "stand apart"],
    ["time that falls", "# TYPE a gauge\na 1 2\na 1 1\n# EOF\n", 3, 1, "must not fall"],
    ["time now and then", "# TYPE a gauge\na 1 2\na 1\n# EOF\n", 3, 1, "either all"],
    ["a last bound in other words", `${openHistogram.replace("+Inf", "inf")}# EOF\n`, 3, 1, 'written "+Inf"'],
    ["a sum alone", `${openHistogram.replace("h_count 2\n", "")}# EOF\n`, 2, 1, "sum without a count"],
    ["a sum that could fall", `${openHistogram.replace('"1.0"', '"-1.0"')}# EOF\n`, 2, 1, "below 0"],
    [
      "a name that another family has",
      "# TYPE a counter\na_total 1\na_created 1\n# TYPE a_total gauge\n# EOF\n",
      4,
      1,
      "share",
    ],
  ])("refuses %s in OpenMetrics", (_name, page, line, column, message) => {
    const error = problem(page, "openmetrics");
    expect(error).toMatchObject({ code: "invalid_page", position: { line, column } });
    expect(error.message).toContain(message);
  });

  it("accepts what OpenMetrics leaves to the writer", () => {
    expect(parsePage("# EOF", "openmetrics").size).toBe(0);
    expect(parsePage('a{b="\\d"} 1\n# EOF\n', "openmetrics").get("a")?.samples[0]?.labels.get("b")).toBe("\\d");
    expect(parsePage(`${histogram}# EOF\n`, "openmetrics").size).toBe(1);
    expect(parsePage("", "text").size).toBe(0);
  });

  it.each<[string, Uint8Array, number, number]>([
    ["a lone byte", Buffer.concat([Buffer.from("a 1\nb\uFFFD"), Buffer.from([0xff])]), 2, 3],
    ["a cut character", Buffer.from([0x61, 0xe2, 0x82]), 1, 2],
    ["an encoded surrogate", Buffer.from([0xed, 0xa0, 0x80]), 1, 1],
  ])("says where %s is no UTF-8", (_name, bytes, line, column) => {
    expect(problem(bytes, "text")).toMatchObject({ code: "invalid_page", position: { line, column } });
  });

  it("takes linear time for what is worst for it", () => {
    const size = 300_000;
    const worst = [
      `a{b="${"\\".repeat(2 * size)}`,
      `a ${"1".repeat(size)}\n`,
      "#".repeat(size),
      `a{${'b="",'.repeat(1000)}`,
      "\uFFFD".repeat(size),
      "a 1\n".repeat(size),
      Array.from({ length: 20_000 }, (_, index) => `a${index} 1\n`).join(""),
      Array.from({ length: 20_000 }, (_, index) => `a{l="${index}"} 1\n`).join(""),
    ];
    for (const text of worst) {
      for (const format of ["text", "openmetrics"] as const) {
        try {
          parsePage(text, format);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ExpositionError);
        }
      }
    }
  });
});
