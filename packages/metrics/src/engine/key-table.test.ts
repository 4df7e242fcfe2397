import type { Attributes } from "@opentelemetry/api";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyTable } from "./key-table.ts";
import { NestedRows } from "./nested-rows.ts";
import { PackedRows } from "./packed-rows.ts";
import { noRow } from "./rows.ts";

const keys = ["a", "b", "c"];
const value = (width: number) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: width }).map((index) => `v${index}`) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(0, 1, NaN, null, true, "", "0") },
  );
// Few values make most combinations exist, many make the table give up its packed places.
const steps = fc.constantFrom(2, 6, 4000).chain((width) =>
  fc.array(fc.tuple(fc.constantFrom("add", "add", "delete"), fc.tuple(value(width), value(width), value(width))), {
    maxLength: 200,
    size: "max",
  }),
);

describe("KeyTable", () => {
  it("holds what a plain list of pairs would hold, whether packed, nested or on the way", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const table = new KeyTable(keys);
        const expected = new Map<string, { readonly attributes: Attributes; readonly row: number }>();
        for (const [index, [step, values]] of all.entries()) {
          const attributes = Object.fromEntries<unknown>(keys.map((key, at) => [key, values[at]]));
          const id = values.map((each) => `${typeof each}${String(each)}`).join("\n");
          const known = expected.get(id);
          expect(table.find(attributes)).toBe(known?.row ?? noRow);
          expect(table.findOrdered(attributes)).toBe(known?.row ?? noRow);
          if (step === "add" && known === undefined) {
            table.add(attributes, index);
            expected.set(id, { attributes, row: index });
          } else if (step === "delete" && known !== undefined) {
            table.delete(attributes);
            expected.delete(id);
          }
        }
        for (const { attributes, row } of expected.values()) expect(table.find(attributes)).toBe(row);
        expect(table.size).toBe(expected.size);
      }),
    );
  });

  it("finds series whatever else attributes have, in order only those with exactly its keys", () => {
    for (const sparse of [false, true]) {
      const table = new KeyTable(["a", "b"]);
      for (let index = 0; index < 200; index++) {
        table.add({ a: sparse ? index : 0, b: index }, index);
      }
      const a = sparse ? 7 : 0;
      expect(table.find({ b: 7, more: 1, a })).toBe(7);
      expect(table.findOrdered({ a, b: 7 })).toBe(7);
      for (const other of [{ b: 7, a }, { a }, { a, b: 7, more: 1 }, {}, Object.create({ a, b: 7 }) as Attributes]) {
        expect(table.findOrdered(other)).toBe(noRow);
      }
    }
  });
});

describe("PackedRows", () => {
  it("refuses when most places would stay empty, and then has added nothing", () => {
    const rows = new PackedRows(["a", "b"]);
    let added = 0;
    while (rows.add({ a: added, b: -added }, added)) added++;
    expect(added).toBeGreaterThan(16);
    expect(added).toBeLessThan(200);
    expect([...rows.entries()]).toHaveLength(added);
    expect(rows.find({ a: added, b: -added })).toBe(noRow);
  });

  it("gives the numbers of values that are gone to others, so that coming and going takes no room", () => {
    const rows = new PackedRows(["a", "b"]);
    for (let index = 0; index < 10_000; index++) {
      expect(rows.add({ a: `a${index}`, b: `b${index}` }, index)).toBe(true);
      rows.delete({ a: `a${index}`, b: `b${index}` });
    }
    expect([...rows.entries()]).toEqual([]);
  });
});

describe("NestedRows", () => {
  it("lists what it holds, and no more after it was deleted", () => {
    const rows = new NestedRows(["a", "b"]);
    rows.add({ a: 1, b: "x" }, 1);
    rows.add({ a: 1, b: "y" }, 2);
    rows.delete({ a: 1, b: "x" });
    expect([...rows.entries()]).toEqual([[{ a: 1, b: "y" }, 2]]);
    rows.delete({ a: 1, b: "y" });
    expect([...rows.entries()]).toEqual([]);
    expect(rows.find({ a: 1, b: "y" })).toBe(noRow);
  });
});
