import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { linkSignals } from "./link-signals.ts";

describe("linkSignals", () => {
  it("aborts with the reason of the first source that does", () => {
    const [one, two] = [new AbortController(), new AbortController()];
    using linked = linkSignals(one.signal, undefined, two.signal);
    two.abort(new Error("two"));
    one.abort(new Error("one"));
    expect(linked.signal.reason).toMatchObject({ message: "two" });
  });

  it("is aborted from the start by a source that is", () => {
    using linked = linkSignals(AbortSignal.abort(new Error("before")));
    expect(linked.signal.reason).toMatchObject({ message: "before" });
  });

  it("lets any number of listeners share a source without a warning", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const source = new AbortController();
    const links = Array.from({ length: 20 }, () => linkSignals(source.signal));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    for (const link of links) link[Symbol.dispose]();
    expect(warnings).toEqual([]);
  });

  it("leaves nothing on its sources once it is disposed", () => {
    const source = new AbortController();
    const linked = linkSignals(source.signal);
    linked.signal.addEventListener("abort", () => {});
    linked[Symbol.dispose]();
    expect(getEventListeners(source.signal, "abort")).toHaveLength(0);
    source.abort();
    expect(linked.signal.aborted).toBe(false);
  });
});
