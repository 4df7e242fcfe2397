import type { Attributes } from "@opentelemetry/api";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { createRetirement } from "./retirement.ts";

function create() {
  const clock = createVirtualClock();
  const removed: Attributes[] = [];
  const retirement = createRetirement({ afterMs: 300_000, remove: (labels) => void removed.push(labels), clock });
  return { clock, removed, retirement };
}

describe("retirement of series", () => {
  it("removes each when its time is over, not before", async () => {
    const { clock, removed, retirement } = create();
    retirement.retire({ provider: "a" });
    await clock.advance(100_000);
    retirement.retire({ provider: "b" });
    await clock.advance(199_999);
    expect(removed).toEqual([]);
    await clock.advance(1);
    expect(removed).toEqual([{ provider: "a" }]);
    await clock.advance(100_000);
    expect(removed).toEqual([{ provider: "a" }, { provider: "b" }]);
  });

  it("keeps what comes back, and starts anew for what goes again, whatever the order of the labels", async () => {
    const { clock, removed, retirement } = create();
    retirement.retire({ type: "libvirt", provider: "a" });
    await clock.advance(200_000);
    retirement.retain({ provider: "a", type: "libvirt" });
    await clock.advance(200_000);
    expect(removed).toEqual([]);
    retirement.retire({ type: "libvirt", provider: "a" });
    await clock.advance(200_000);
    retirement.retire({ provider: "a", type: "libvirt" });
    await clock.advance(200_000);
    expect(removed).toEqual([]);
    await clock.advance(100_000);
    expect(removed).toEqual([{ type: "libvirt", provider: "a" }]);
  });

  it("removes nothing after its end", async () => {
    const { clock, removed, retirement } = create();
    retirement.retire({ provider: "a" });
    retirement[Symbol.dispose]();
    await clock.advance(400_000);
    expect(removed).toEqual([]);
  });
});
