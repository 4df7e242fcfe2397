import { describe, expect, it } from "vitest";
import { delimited, double, exemplar, field, label, whole } from "./fuzz.test.helper.ts";
import { parsePage } from "./page.ts";

function histogram(...parts: Buffer[]): Buffer {
  return delimited(field(1, "h"), whole(3, 4), field(4, field(7, ...parts)));
}

const zigzag = (value: number): number => (value >= 0 ? value * 2 : -value * 2 - 1);
const span = (offset: number, length: number): Buffer => field(12, whole(1, zigzag(offset)), whole(2, length));
const delta = (value: number): Buffer => whole(13, zigzag(value));

describe("parsePage of protobuf", () => {
  it("reads counters, gauges and summaries as the samples text would have", () => {
    const page = parsePage(
      Buffer.concat([
        delimited(
          field(1, "c_total"),
          field(2, "Help"),
          whole(3, 0),
          field(4, label, field(3, double(1, 2), field(2, exemplar))),
        ),
        delimited(field(4, field(2, double(1, -1)), whole(6, 5)), whole(3, 1), field(1, "g.dots"), field(5, "dots")),
        delimited(
          field(1, "q"),
          whole(3, 2),
          field(4, field(4, whole(1, 2), double(2, 3), field(3, double(1, 0.5), double(2, 1)))),
        ),
        delimited(field(1, "u"), whole(3, 3), field(4, field(5, double(1, 9)), field(99, "a field of the future"))),
      ]),
      "protobuf",
    );
    expect([...page.values()].map(({ name, type, help, unit }) => [name, type, help, unit])).toEqual([
      ["c_total", "counter", "Help", ""],
      ["g.dots", "gauge", "", "dots"],
      ["q", "summary", "", ""],
      ["u", "unknown", "", ""],
    ]);
    expect(page.get("c_total")?.samples).toEqual([
      {
        name: "c_total",
        labels: new Map([["k", "v"]]),
        value: 2,
        timestampMs: undefined,
        exemplar: { labels: new Map([["k", "v"]]), value: 0.5, timestampMs: 100_000.000007 },
      },
    ]);
    expect(page.get("g.dots")?.samples).toMatchObject([{ value: -1, timestampMs: 5 }]);
    expect(page.get("q")?.samples.map(({ name, value }) => [name, value])).toEqual([
      ["q", 1],
      ["q_sum", 3],
      ["q_count", 2],
    ]);
  });

  it("adds the +Inf bucket that this format may leave out", () => {
    const page = parsePage(histogram(whole(1, 5), double(2, 9), field(3, whole(1, 2), double(2, 0.5))), "protobuf");
    expect(page.get("h")?.samples.map(({ name, labels, value }) => [name, labels.get("le"), value])).toEqual([
      ["h_bucket", "0.5", 2],
      ["h_bucket", "+Inf", 5],
      ["h_sum", undefined, 9],
      ["h_count", undefined, 5],
    ]);
    expect(page.get("h")?.nativeHistograms).toEqual([]);
  });

  it("reads the buckets of native histograms, packed or not", () => {
    const packed = field(13, Buffer.from([1, -1, 2].map(zigzag)));
    for (const deltas of [[packed], [delta(1), delta(-1), delta(2)]]) {
      const body = [whole(1, 4), double(2, 9), whole(5, 3), double(6, 0.5), whole(7, 1), span(-1, 2), span(3, 1)];
      const [native] =
        parsePage(histogram(...body, ...deltas, field(16, exemplar)), "protobuf").get("h")?.nativeHistograms ?? [];
      expect(native).toMatchObject({ schema: -2, zeroThreshold: 0.5, zeroCount: 1, count: 4, sum: 9 });
      expect([...(native?.positive ?? [])]).toEqual([
        [-1, 1],
        [4, 2],
      ]);
      expect(native?.exemplars).toHaveLength(1);
    }
  });

  it.each<[string, Buffer, number, string]>([
    ["a length beyond the end", Buffer.from([9, 1]), 0, "9 bytes, but 1 are left"],
    ["a length without an end", Buffer.from([0xff]), 0, "no end"],
    ["a number of more than 64 bits", Buffer.alloc(11, 0xff), 0, "64 bits"],
    ["a group", delimited(Buffer.from([0x0b])), 1, "wire type 3"],
    ["the field 0", delimited(Buffer.from([0x00, 0x00])), 1, "no field number"],
    ["a name that is a number", delimited(whole(1, 5)), 1, "wire type 0"],
    ["a name that is no UTF-8", delimited(field(1, Buffer.from([0xff]))), 1, "not UTF-8"],
    ["a family without a name", delimited(whole(3, 1)), 1, "without a name"],
    ["an unknown type", delimited(field(1, "a"), whole(3, 7)), 1, "7 is no metric type"],
    [
      "a value of another type",
      delimited(field(1, "a"), whole(3, 1), field(4, field(3, double(1, 2)))),
      8,
      "another type",
    ],
    ["a metric without a value", delimited(field(1, "a"), field(4, label)), 6, "no value"],
    [
      "two metrics of the same labels",
      delimited(field(1, "a"), ...twice(field(4, field(3, double(1, 1))))),
      19,
      "second",
    ],
    ["a label twice", delimited(field(1, "a"), field(4, label, label, field(3, double(1, 1)))), 16, '"k" twice'],
    ["a negative counter", delimited(field(1, "a"), field(4, field(3, double(1, -1)))), 8, "must not be -1"],
    ["a family twice", Buffer.concat(twice(delimited(field(1, "a")))), 4, "share a name"],
    ["buckets that fall", histogram(whole(1, 3), bucket(2, 1), bucket(1, 2)), 10, "less than"],
    ["bounds that fall", histogram(whole(1, 3), bucket(1, 2), bucket(2, 1)), 10, "does not exceed"],
    ["more in buckets than counted", histogram(whole(1, 1), bucket(2, 1)), 10, "counts 1 events"],
    ["a schema out of reach", histogram(whole(5, 18), whole(7, 1), whole(1, 1)), 10, "between -4 and 8"],
    ["spans without buckets", histogram(span(0, 127)), 10, "fewer buckets"],
    ["buckets without spans", histogram(delta(1)), 10, "more buckets"],
    ["spans that overlap", histogram(span(0, 1), span(-1, 1), delta(1), delta(1)), 10, "overlap"],
    ["negative buckets", histogram(span(0, 1), delta(-1)), 10, "holds -1"],
    ["native buckets that do not add up", histogram(whole(1, 1), span(0, 1), delta(2)), 10, "hold 2 events"],
  ])("refuses %s", (_name, page, offset, message) => {
    let error: unknown;
    try {
      parsePage(page, "protobuf");
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: "invalid_page", message: expect.stringContaining(message) as string });
    expect(error).toMatchObject({ position: { offset } });
  });
});

function twice(part: Buffer): Buffer[] {
  return [part, part];
}

function bucket(count: number, bound: number): Buffer {
  return field(3, whole(1, count), double(2, bound));
}
