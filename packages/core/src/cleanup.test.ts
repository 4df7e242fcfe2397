import { describe, expect, it } from "vitest";
import { createAsyncCleanup, createCleanup } from "./cleanup.ts";

describe("createCleanup", () => {
  it("runs its steps once, the last one first", () => {
    const ran: string[] = [];
    const cleanup = createCleanup();
    const used = { [Symbol.dispose]: () => void ran.push("used") };
    expect(cleanup.use(used)).toBe(used);
    cleanup.defer(() => void ran.push("deferred"));
    cleanup[Symbol.dispose]();
    cleanup[Symbol.dispose]();
    expect(ran).toEqual(["deferred", "used"]);
  });

  it("runs every step although others throw, and keeps all errors", () => {
    const ran: string[] = [];
    const cleanup = createCleanup();
    cleanup.defer(() => fail("first"));
    cleanup.defer(() => void ran.push("between"));
    cleanup.defer(() => fail("last"));
    expect(() => cleanup[Symbol.dispose]()).toThrow(
      expect.objectContaining({ errors: [new Error("last"), new Error("first")] }),
    );
    expect(ran).toEqual(["between"]);
  });
});

describe("createAsyncCleanup", () => {
  it("waits for each step before the next, both kinds of disposable", async () => {
    const ran: string[] = [];
    {
      await using cleanup = createAsyncCleanup();
      cleanup.use({ [Symbol.dispose]: () => void ran.push("sync") });
      cleanup.use({
        async [Symbol.asyncDispose]() {
          await Promise.resolve();
          ran.push("async");
        },
      });
      cleanup.defer(() => void ran.push("deferred"));
    }
    expect(ran).toEqual(["deferred", "async", "sync"]);
  });

  it("moves its steps in their order", async () => {
    const ran: string[] = [];
    const cleanup = createAsyncCleanup();
    cleanup.defer(() => void ran.push("first"));
    cleanup.defer(() => void ran.push("second"));
    const moved = cleanup.move();
    await cleanup[Symbol.asyncDispose]();
    expect(ran).toEqual([]);
    await moved[Symbol.asyncDispose]();
    expect(ran).toEqual(["second", "first"]);
  });

  it("rejects with the only error there was, after all steps", async () => {
    const ran: string[] = [];
    const cleanup = createAsyncCleanup();
    cleanup.defer(() => void ran.push("before"));
    cleanup.defer(async () => fail("in between"));
    await expect(cleanup[Symbol.asyncDispose]()).rejects.toThrow("in between");
    expect(ran).toEqual(["before"]);
  });
});

function fail(message: string): never {
  throw new Error(message);
}
