import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteTextList, textAt } from "./byte-texts.ts";
import { createChunkPool } from "./chunk-pool.ts";
import { formatValue } from "./number.ts";
import { TextSink } from "./text-sink.ts";

const seed = 20_260_401;

function written(write: (sink: TextSink) => void): string {
  const pool = createChunkPool();
  // Memory that held another page.
  const used = pool.take(1);
  used.fill("~");
  pool.give([used]);
  const sink = new TextSink(pool);
  sink.reserve(1_000);
  write(sink);
  return Buffer.concat(sink.end()).toString();
}

describe("TextSink", () => {
  it.each([0, -0, 1, 9, 10, 99, 100, 101, 999, 1_000, 65_535, 1e5, 1e6, 1e7, 1e8, 1e9, 2 ** 31 - 1, 2 ** 31, 2 ** 53])(
    "writes %d, its negative and what lies beside it as formatValue does",
    (value) => {
      for (const near of [value, -value, value + 1, value - 1, value + 0.5]) {
        expect(written((sink) => sink.value(near))).toBe(formatValue(near));
      }
    },
  );

  it("writes any number as formatValue does", () => {
    const numbers = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(NaN, Infinity, -Infinity));
    fc.assert(
      fc.property(numbers, (value) => {
        expect(written((sink) => sink.value(value))).toBe(formatValue(value));
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it.each([
    ["0123456789abcdef", true],
    ['0123456789abcde"', false],
    ["\n123456789abcdef", false],
    ["01234567\\9abcdef", false],
    ["0123456789abcdeü", false],
    ["0123456789abcde{", false],
    ["0123456789 bcdef", false],
    ["0123456789ABCDEF", false],
    ["0123456789abcde\u0122", false],
  ])("takes %j for an id: %s", (id, taken) => {
    let said = false;
    expect(written((sink) => (said = sink.id(id)))).toBe(taken ? id : "");
    expect(said).toBe(taken);
  });

  it("puts pieces of any kind together in any order, across chunks", () => {
    const piece = fc.oneof(
      fc.record({ kind: fc.constant("text" as const), text: fc.string({ unit: "binary", maxLength: 200 }) }),
      fc.record({ kind: fc.constant("copy" as const), text: fc.string({ unit: "grapheme", maxLength: 60 }) }),
      fc.record({ kind: fc.constant("twice" as const), text: fc.string({ unit: "binary-ascii", minLength: 1 }) }),
      fc.record({ kind: fc.constant("long" as const), text: fc.constantFrom("ü".repeat(30_000), "x".repeat(70_000)) }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const texts = new ByteTextList(pieces.map(({ text }) => text)).texts();
        const chunks: Uint8Array[] = [];
        const sink = new TextSink(createChunkPool());
        let expected = "";
        for (const [place, { kind, text }] of pieces.entries()) {
          if (kind === "text" || kind === "long") {
            sink.write(text);
          } else {
            sink.reserve((texts.lengths[place] as number) * 2);
            const start = sink.position;
            sink.copy(texts, place);
            if (kind === "twice") sink.repeat(start, texts.lengths[place] as number);
          }
          expected += kind === "twice" ? text + text : text;
          chunks.push(...sink.take());
        }
        chunks.push(...sink.end());
        // Half a surrogate pair becomes the replacement character.
        expect(Buffer.concat(chunks).toString()).toBe(Buffer.from(expected).toString());
      }),
      { seed, numRuns: 300 },
    );
  });
});

describe("ByteTextList", () => {
  it("holds what was set last, and keeps what it lent as it was", () => {
    const change = fc.tuple(fc.nat(40), fc.string({ unit: "grapheme", maxLength: 20 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
        const list = new ByteTextList();
        const expected: string[] = [];
        const lent: { readonly texts: ReturnType<ByteTextList["texts"]>; readonly expected: readonly string[] }[] = [];
        for (const [place, text, lend] of changes) {
          list.set(place, text);
          expected[place] = text;
          if (lend) lent.push({ texts: list.texts(), expected: [...expected] });
        }
        lent.push({ texts: list.texts(), expected });
        for (const { texts, expected } of lent) {
          for (const [place, text] of expected.entries()) expect(textAt(texts, place)).toBe(text ?? "");
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  it("knows when most of it is overwritten", () => {
    const list = new ByteTextList();
    const text = "x".repeat(1_000);
    for (let place = 0; place < 100; place++) list.set(place, text);
    expect(list.wasteful).toBe(false);
    for (let round = 0; round < 2; round++) for (let place = 0; place < 100; place++) list.set(place, text);
    expect(list.wasteful).toBe(true);
  });
});
