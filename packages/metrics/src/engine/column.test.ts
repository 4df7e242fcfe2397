import type { AnyValue } from "@opentelemetry/api";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Column, noPart } from "./column.ts";

/** As the table does it: bits grow with the values, and move when others' grow. */
function addTo(column: Column, value: AnyValue, shift: number): number {
  while (!column.hasRoom(value)) column.place(column.bits + 1, shift);
  return column.add(value);
}

const prefix = "a-long-prefix-that-many-names-have-";
const shapes: fc.Arbitrary<(index: number) => AnyValue> = fc.constantFrom<(index: number) => AnyValue>(
  (index) => `zone-${index}`,
  (index) => `${index}.example.com`,
  (index) => `${prefix}${index}${prefix}`,
  (index) => String.fromCharCode(0xd800 + index),
  (index) => `${index}`,
  (index) => "x".repeat(index),
  (index) => (index % 3 === 0 ? index : index % 3 === 1 ? `${index}` : index % 2 === 0),
);

describe("Column", () => {
  it("has the parts that a Map would have, whatever its values have in common, come, go and move", () => {
    const steps = fc.array(
      fc.record({ kind: fc.constantFrom("add", "add", "add", "delete", "move"), index: fc.nat({ max: 120 }) }),
      { maxLength: 300, size: "max" },
    );
    fc.assert(
      fc.property(shapes, steps, (shape, all) => {
        const column = new Column("key", undefined);
        const uses = new Map<AnyValue, number>();
        let shift = 0;
        for (const { kind, index } of all) {
          const value = shape(index);
          const known = uses.get(value);
          if (kind === "add") {
            addTo(column, value, shift);
            uses.set(value, (known ?? 0) + 1);
          } else if (kind === "delete" && known !== undefined) {
            column.delete(value);
            if (known === 1) uses.delete(value);
            else uses.set(value, known - 1);
          } else if (kind === "move") {
            shift = index % 7;
            column.place(column.bits, shift);
          }
        }
        const parts = [...uses.keys()].map((value) => column.part(value));
        expect(parts).not.toContain(noPart);
        expect(new Set(parts).size).toBe(uses.size);
        for (const [at, value] of [...uses.keys()].entries()) {
          expect(column.valueAt(parts[at]!)).toBe(value);
          expect(parts[at]! >> shift).toBeLessThan(2 ** column.bits);
        }
        for (let index = 0; index <= 125; index++) {
          for (const value of [shape(index), `other-${index}`, `zone-${index} `]) {
            if (!uses.has(value)) expect(column.part(value)).toBe(noPart);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("finds texts that are made anew as well as those it was given", () => {
    const column = new Column("key", undefined);
    for (let index = 0; index < 50; index++) addTo(column, `host-${index}`, 0);
    for (let index = 0; index < 50; index++) {
      const made = ["ho", "st", "-", String(index)].join("");
      expect(column.part(made)).toBe(column.part(`host-${index}`));
      expect(column.part(Buffer.from(made).toString())).toBe(index);
    }
  });

  it("takes no quadratic time for texts that differ nowhere it looks", () => {
    const middle = (index: number) => `${"a".repeat(40)}${index}${"b".repeat(40)}`;
    const plain = (index: number) => `host-${index}`;
    const measure = (name: (index: number) => string, count: number): number => {
      const started = performance.now();
      const column = new Column("key", undefined);
      for (let index = 0; index < count; index++) addTo(column, name(index), 0);
      for (let index = 0; index < count; index++) expect(column.part(name(index)) >= 0).toBe(true);
      return performance.now() - started;
    };
    measure(plain, 4000);
    const usual = measure(plain, 4000);
    // Quadratic would be thousands of times as long.
    expect(measure(middle, 4000)).toBeLessThan(50 * usual + 200);
  });
});
