import { describe, expect, it } from "vitest";
import { createSeededRandom } from "./random.ts";

const draws = (seed: number, name: string, count: number): number[] => {
  const random = createSeededRandom(seed);
  return Array.from({ length: count }, () => random.next(name));
};

describe("createSeededRandom", () => {
  it("gives every seed and name a stream of its own that is always the same", () => {
    expect(draws(1, "a", 3)).toEqual(draws(1, "a", 3));
    expect(draws(1, "a", 3)).not.toEqual(draws(2, "a", 3));
    expect(draws(1, "a", 3)).not.toEqual(draws(1, "b", 3));
  });

  it("does not let one stream move another", () => {
    const random = createSeededRandom(1);
    const mixed = [1, 2, 3].map(() => {
      random.next("b");
      return random.next("a");
    });
    expect(mixed).toEqual(draws(1, "a", 3));
  });

  it("keeps its documented values", () => {
    expect(draws(1, "rpcRate/CreateVM", 2)).toEqual([0.5634814035731259, 0.19130925357283102]);
  });

  it("spreads evenly", () => {
    const buckets = Array<number>(10).fill(0);
    for (const draw of draws(42, "a", 10_000)) buckets[Math.floor(draw * 10)]! += 1;
    for (const count of buckets) expect(count).toBeGreaterThan(850);
    const range = { min: 3, max: 5 };
    const random = createSeededRandom(1);
    const seen = new Set(Array.from({ length: 100 }, () => random.between("r", range)));
    expect([...seen].sort()).toEqual([3, 4, 5]);
  });
});
