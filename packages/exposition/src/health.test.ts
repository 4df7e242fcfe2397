import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { createHealth } from "./health.ts";

describe("createHealth", () => {
  it("is ok without checks", async () => {
    expect(await createHealth().readiness.run()).toEqual({ ok: true, checks: {} });
  });

  it("names every check with its outcome and keeps liveness and readiness apart", async () => {
    const health = createHealth();
    health.readiness.add("fine", () => true);
    health.readiness.add("reason", () => "cache not synced");
    health.readiness.add("later", () => Promise.resolve("no leader"));
    health.readiness.add("throws", () => {
      throw new Error("socket closed");
    });
    health.readiness.add("rejects", () => Promise.reject(new Error("refused")));
    health.readiness.add("empty", () => "");
    expect(await health.readiness.run()).toEqual({
      ok: false,
      checks: {
        fine: true,
        reason: "cache not synced",
        later: "no leader",
        throws: "socket closed",
        rejects: "refused",
        empty: "failed",
      },
    });
    expect((await health.liveness.run()).ok).toBe(true);
  });

  it("gives up on a check that hangs and does not start it again until it has ended", async () => {
    const clock = createVirtualClock();
    const health = createHealth({ checkTimeoutMs: 100, clock });
    let calls = 0;
    let finish: (outcome: true) => void = () => {};
    health.liveness.add("slow", () => {
      calls++;
      return new Promise<true>((resolve) => (finish = resolve));
    });
    for (let probe = 0; probe < 3; probe++) {
      const report = health.liveness.run();
      await clock.advance(100);
      expect(await report).toEqual({ ok: false, checks: { slow: "no answer within 100 ms" } });
    }
    expect(calls).toBe(1);
    finish(true);
    await clock.advance(0);
    const report = health.liveness.run();
    finish(true);
    expect((await report).ok).toBe(true);
    expect(calls).toBe(2);
    expect(clock.pending).toBe(0);
  });

  it("refuses a second check of a name, and takes it after the first is gone", async () => {
    const { readiness } = createHealth();
    const first = readiness.add("cache", () => "no");
    expect(() => readiness.add("cache", () => true)).toThrow(expect.objectContaining({ code: "duplicate_check" }));
    first[Symbol.dispose]();
    readiness.add("cache", () => true);
    // Disposing again must not remove the successor.
    first[Symbol.dispose]();
    expect(await readiness.run()).toEqual({ ok: true, checks: { cache: true } });
  });

  it("refuses a timeout that is none", () => {
    expect(() => createHealth({ checkTimeoutMs: 0 })).toThrow(/checkTimeoutMs/);
  });
});
