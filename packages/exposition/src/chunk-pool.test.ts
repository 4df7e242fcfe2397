import { describe, expect, it } from "vitest";
import { chunkBytes, createChunkPool } from "./chunk-pool.ts";

describe("createChunkPool", () => {
  it("lends what came back, once", () => {
    const pool = createChunkPool();
    const first = pool.take(10);
    expect(first.byteLength).toBe(chunkBytes);
    pool.give([first.subarray(0, 5)]);
    pool.give([first]);
    expect(pool.take(10)).toBe(first);
    expect(pool.take(10)).not.toBe(first);
  });

  it("leaves alone what it did not lend, and lends what is larger only once", () => {
    const pool = createChunkPool();
    const foreign = Buffer.allocUnsafeSlow(chunkBytes);
    const large = pool.take(chunkBytes + 1);
    pool.give([foreign, large, Buffer.from("of memory shared by many")]);
    expect(large.byteLength).toBe(chunkBytes + 1);
    expect(pool.take(1)).not.toBe(foreign);
  });
});
