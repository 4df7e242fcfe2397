import { describe, expect, it } from "vitest";
import { checkTotal, createRandom, formats, fuzzInput } from "./fuzz.test.helper.ts";

describe("parsePage", () => {
  it.each(formats)("returns families or throws its own error on any input as %s", (format) => {
    const seed = 20260301;
    const random = createRandom(seed);
    let accepted = 0;
    const inputs = 15_000;
    for (let count = 0; count < inputs; count++) {
      const input = fuzzInput(format, random);
      try {
        if (checkTotal(input, format)) accepted++;
      } catch (cause) {
        throw new Error(`seed ${seed}, input ${count}: ${input.toString("hex")}`, { cause });
      }
    }
    // Only so does it reach the rules behind the grammar.
    expect(accepted).toBeGreaterThan(inputs / 20);
    expect(accepted).toBeLessThan(inputs);
  });
});
