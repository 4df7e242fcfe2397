import { describe, expect, it } from "vitest";
import { createVirtualClock } from "@almanac/testkit";
import { sleep } from "./clock.ts";

describe("sleep", () => {
  it("resolves when the time has passed and not before", async () => {
    const clock = createVirtualClock();
    let awake = false;
    const sleeping = sleep(100, { clock }).then(() => (awake = true));
    await clock.advance(99);
    expect(awake).toBe(false);
    await clock.advance(1);
    await sleeping;
    expect(awake).toBe(true);
  });

  it("rejects with the signal's reason and leaves no timer behind", async () => {
    const clock = createVirtualClock();
    const controller = new AbortController();
    const sleeping = sleep(100, { clock, signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(sleeping).rejects.toThrow("enough");
    expect(clock.pending).toBe(0);
  });

  it("rejects at once under a signal that has aborted already", async () => {
    await expect(sleep(100, { signal: AbortSignal.abort(new Error("too late")) })).rejects.toThrow("too late");
  });
});
