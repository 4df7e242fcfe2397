import { describe, expect, it } from "vitest";
import { createIdGenerator } from "./ids.ts";

describe("createIdGenerator", () => {
  it("makes ids of random digits, all of them different", () => {
    const ids = createIdGenerator();
    const seen = new Set<string>();
    const counts = new Map<string, number>();
    for (let number = 0; number < 10_000; number++) {
      const [traceId, spanId] = [ids.generateTraceId(), ids.generateSpanId()];
      expect(traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(spanId).toMatch(/^[0-9a-f]{16}$/);
      seen.add(traceId).add(spanId);
      for (const digit of traceId + spanId) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    }
    expect(seen.size).toBe(20_000);
    // 480,000 digits, 30,000 of each kind give or take 1,000, which is six standard deviations.
    for (const [digit, count] of counts) expect(Math.abs(count - 30_000), digit).toBeLessThan(1_000);
    expect(counts.size).toBe(16);
  });
});
