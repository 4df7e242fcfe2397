// Which attributes are one series: exactly those that are equal, whatever they hold and in whatever order they are written.
import { Agent } from "node:http";
import type { Attributes } from "@opentelemetry/api";
import { createAllowListAttributesProcessor } from "@opentelemetry/sdk-metrics";
import type { ViewOptions } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openProvider } from "./manual-reader.test.helper.ts";

function openCounter(limit = 100_000, view: Partial<ViewOptions> = {}) {
  const { reader, meter } = openProvider({
    views: [{ instrumentName: "*", aggregationCardinalityLimit: limit, ...view }],
  });
  const counter = meter.createCounter("counter");
  const points = async () =>
    (await reader.points("counter")).map(({ attributes, value }) => ({ attributes, value: value as number }));
  return { counter, points };
}

const different: readonly (readonly [string, readonly Attributes[]])[] = [
  ["strings and numbers", [{ a: "1" }, { a: 1 }, { a: "1.0" }, { a: true }, { a: "true" }]],
  ["numbers without JSON", [{ a: NaN }, { a: null }, { a: Infinity }, { a: -Infinity }, { a: "NaN" }, { a: "null" }]],
  ["nothing and emptiness", [{}, { a: "" }, { "": "" }, { "": "a" }, { a: null }, { a: [] }, { a: {} }]],
  [
    "separators in values",
    [{ a: "x", b: "y" }, { a: "x,b=y" }, { a: 'x",b="y' }, { a: "x\u0000b\u0000y" }, { a: "x|y" }],
  ],
  ["separators in keys", [{ "a=x,b": "y" }, { a: "x,b=y" }, { "a:1": "x" }, { a: "1:x" }, { "1:a1:x": "" }]],
  [
    "lone surrogates",
    [{ a: "\ud800" }, { a: "\udc00" }, { a: "\ufffd" }, { a: "\ud800\udc00" }, { a: "\udc00\ud800" }],
  ],
  ["spellings of one letter", [{ a: "\u00e9" }, { a: "e\u0301" }, { a: "E\u0301" }, { a: "é " }]],
  [
    "names of prototypes",
    [{ ["__proto__"]: "x" }, { constructor: "x" }, { toString: "x" }, { hasOwnProperty: "x" }, {}],
  ],
  [
    "arrays",
    [{ a: ["1"] }, { a: [1] }, { a: "1" }, { a: ["1", "2"] }, { a: ["1,2"] }, { a: [["1"], "2"] }, { a: ["1", ["2"]] }],
  ],
  [
    "maps and bytes",
    [{ a: { b: "c" } }, { a: { b: ["c"] } }, { a: { bc: "" } }, { a: new Uint8Array([1]) }, { a: [1] }, { a: "01" }],
  ],
];

const same: readonly (readonly [string, readonly Attributes[]])[] = [
  [
    "another order of keys",
    [
      { a: "1", b: 2, c: true },
      { c: true, b: 2, a: "1" },
      { b: 2, a: "1", c: true },
    ],
  ],
  ["arrays of equal items", [{ a: [1, "2"] }, { a: [1, "2"] }]],
  ["maps in another order", [{ a: { b: 1, c: [2] } }, { a: { c: [2], b: 1 } }]],
  ["NaN", [{ a: NaN }, { a: Number("x") }]],
  ["a key without a value", [{ a: "1" }, { a: "1", b: undefined }, { b: undefined, a: "1" }]],
  ["an object without a prototype", [{ a: "1" }, Object.assign(Object.create(null) as Attributes, { a: "1" })]],
  ["inherited keys", [{ a: "1" }, Object.assign(Object.create({ b: "2" }) as Attributes, { a: "1" })]],
];

describe("series identity", () => {
  it.each(different)("keeps apart: %s", async (_name, sets) => {
    const { counter, points } = openCounter();
    for (const round of [1, 2]) for (const [index, set] of sets.entries()) counter.add(round * 2 ** index, set);
    const all = await points();
    expect(all.map(({ value }) => value)).toEqual(sets.map((_set, index) => 3 * 2 ** index));
    expect(all.map(({ attributes }) => attributes)).toEqual(sets);
  });

  it.each(same)("takes for one: %s", async (_name, sets) => {
    const { counter, points } = openCounter();
    for (const round of [1, 2]) for (const set of sets) counter.add(round, set);
    expect((await points()).map(({ value }) => value)).toEqual([3 * sets.length]);
  });

  it("agrees with a comparison key by key, for any attributes in any order, recorded or bound", async () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 3 }),
      fc.constantFrom("", "a", "b", "__proto__", "\ud800"),
    );
    const scalar = fc.oneof(text, fc.constantFrom(0, 1, NaN, Infinity, true, false, null));
    const value = fc.oneof(
      { weight: 5, arbitrary: scalar },
      { weight: 1, arbitrary: fc.array(scalar, { maxLength: 2 }) },
    );
    const entries = fc.uniqueArray(fc.tuple(text, value), { maxLength: 3, selector: ([key]) => key });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(entries, fc.boolean()), { maxLength: 20 }), async (recordings) => {
        const { counter, points } = openCounter();
        const expected: { attributes: Attributes; value: number }[] = [];
        for (const [pairs, bound] of recordings) {
          const attributes = Object.fromEntries(pairs) as Attributes;
          if (bound) counter.bind(attributes).add(1);
          else counter.add(1, attributes);
          const known = expected.find((point) => equal(point.attributes, attributes));
          if (known === undefined) expected.push({ attributes, value: 1 });
          else known.value++;
        }
        expect(await points()).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("shows attributes as they were when they were recorded", async () => {
    const { counter, points } = openCounter();
    const attributes = { list: ["x"], plain: "x" };
    const bound = counter.bind(attributes);
    counter.add(1, attributes);
    attributes.list.push("y");
    attributes.plain = "y";
    bound.add(1);
    counter.add(4, attributes);
    expect(await points()).toEqual([
      { attributes: { list: ["x"], plain: "x" }, value: 2 },
      { attributes: { list: ["x", "y"], plain: "y" }, value: 4 },
    ]);
  });

  it("leaves out what is no attribute value", async () => {
    const { counter, points } = openCounter();
    counter.add(1, { f: () => 1, s: Symbol("s"), b: 1n, ok: "yes" });
    counter.add(2, {
      map: new Map([["a", 1]]),
      date: new Date(0),
      socket: new Agent(),
      ok: "yes",
    });
    counter.add(4, "text" as unknown as Attributes);
    counter.add(8, null as unknown as Attributes);
    expect(await points()).toEqual([
      { attributes: { ok: "yes" }, value: 3 },
      { attributes: {}, value: 12 },
    ]);
  });

  it("leaves out values that contain themselves or grow without end, in no time", async () => {
    const { counter, points } = openCounter();
    const cycle: Record<string, unknown> = { a: "x" };
    Object.assign(cycle, { one: cycle, two: cycle, three: [cycle] });
    let wide: object = { end: true };
    for (let level = 0; level < 15; level++) wide = { a: wide, b: wide, c: wide, d: wide };
    let chain: Record<string, unknown> | undefined;
    for (let node = 0; node < 20; node++) {
      const before = chain;
      chain = { before };
      if (before !== undefined) before["after"] = chain;
    }
    for (const value of [cycle, wide, chain, [[cycle]], Array.from({ length: 1_001 }, (_, index) => index)]) {
      counter.add(1, { value, ok: "yes" });
    }
    counter.add(1, { value: Array.from({ length: 900 }, (_, index) => index) });
    // The same value twice is no cycle.
    const shared = { a: 1 };
    counter.add(1, { value: [shared, shared] });
    const all = await points();
    expect(all.map(({ attributes, value }) => [Object.keys(attributes), value])).toEqual([
      [["ok"], 5],
      [["value"], 1],
      [["value"], 1],
    ]);
    expect(all[2]?.attributes).toEqual({ value: [{ a: 1 }, { a: 1 }] });
  });

  it("freezes what it keeps, values within values included", async () => {
    const { counter, points } = openCounter();
    counter.add(1, { list: [["a"]], map: { deep: { deeper: 1 } } });
    const { list, map } = (await points())[0]?.attributes as { list: unknown[][]; map: { deep: object } };
    expect([list, list[0], map, map.deep].every((value) => Object.isFrozen(value))).toBe(true);
  });

  it("survives attributes that throw, losing that measurement only", async () => {
    const { counter, points } = openCounter();
    const hostile = {
      get a(): string {
        throw new Error("no");
      },
    };
    counter.add(1, hostile);
    counter.add(2, { a: "x" });
    expect(await points()).toEqual([{ attributes: { a: "x" }, value: 2 }]);
  });

  it("adds up what a view makes one, whatever else the attributes hold", async () => {
    const { counter, points } = openCounter(100, {
      attributesProcessors: [createAllowListAttributesProcessor(["keep", "list"])],
    });
    for (let user = 0; user < 500; user++) counter.add(1, { user: `u${user}`, keep: "x" });
    counter.add(1, { keep: "x", user: ["u"] });
    counter.add(1, { keep: "x" });
    counter.add(1, { user: "u", list: ["x"] });
    expect(await points()).toEqual([
      { attributes: { keep: "x" }, value: 502 },
      { attributes: { list: ["x"] }, value: 1 },
    ]);
  });
});

describe("colliding strings", () => {
  /** Equal under `hash = hash * 31 + unit`: each pair may be written in two ways. */
  const polynomial = Array.from({ length: 10_000 }, (_, index) =>
    Array.from({ length: 14 }, (_unused, bit) => ((index >> bit) & 1 ? "BB" : "Aa")).join(""),
  );
  /** Digits that an engine may hash as the number they are, and put into few places of a table with a power of two of them. */
  const numeric = Array.from({ length: 10_000 }, (_, index) => String(index * 1024));
  const plain = Array.from({ length: 10_000 }, (_, index) => `value-${index}`);

  it.each([
    ["a polynomial hash", polynomial],
    ["a hash of numbers", numeric],
  ])("keep their own series under %s, and take no quadratic time", async (_name, strings) => {
    const measure = async (values: readonly string[]): Promise<number> => {
      const { counter, points } = openCounter();
      const started = performance.now();
      for (const value of values) counter.add(1, { value, zone: "a" });
      for (const value of values) counter.add(1, { [value]: "key" });
      for (const value of values) counter.add(1, { zone: "a", value });
      const tookMs = performance.now() - started;
      const all = await points();
      expect(all.filter(({ value }) => value === 2)).toHaveLength(values.length);
      expect(all.filter(({ value }) => value === 1)).toHaveLength(values.length);
      return tookMs;
    };
    await measure(plain);
    const usual = await measure(plain);
    // Quadratic would be thousands of times as long.
    expect(await measure(strings)).toBeLessThan(50 * usual + 100);
  });
});

function equal(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal((a as Attributes)[key], (b as Attributes)[key]))
  );
}
