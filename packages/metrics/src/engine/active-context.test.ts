import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { afterEach, describe, expect, it } from "vitest";
import { activeContext } from "./active-context.ts";

describe("activeContext", () => {
  afterEach(() => context.disable());

  const key = Symbol("key");
  const inside = (): readonly unknown[] =>
    context.with(ROOT_CONTEXT.setValue(key, "value"), () => [activeContext().getValue(key), context.active()]);

  it("answers what the API answers: before, while and after a context manager is registered, and for the next one", async () => {
    expect(activeContext()).toBe(context.active());
    expect(inside()).toEqual([undefined, ROOT_CONTEXT]);
    for (let manager = 0; manager < 2; manager++) {
      context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
      expect(activeContext()).toBe(ROOT_CONTEXT);
      const [value, active] = inside();
      expect(value).toBe("value");
      expect(active).not.toBe(ROOT_CONTEXT);
      await context.with(ROOT_CONTEXT.setValue(key, 1), async () => {
        await Promise.resolve();
        expect(activeContext()).toBe(context.active());
        expect(activeContext().getValue(key)).toBe(1);
      });
      context.disable();
      expect(activeContext()).toBe(ROOT_CONTEXT);
    }
  });
});
