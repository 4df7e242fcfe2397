import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";

let users = 0;
let ours: AsyncLocalStorageContextManager | undefined;

/**
 * Makes the active span follow `await` and callbacks. The API has one context manager for the whole process: the first caller registers it,
 * the last one to release it takes it away, and one that somebody else registered is left alone.
 */
export function useContextManager(): Disposable {
  if (users++ === 0) {
    const manager = new AsyncLocalStorageContextManager().enable();
    if (context.setGlobalContextManager(manager)) ours = manager;
    else manager.disable();
  }
  let released = false;
  return {
    [Symbol.dispose]() {
      if (released) return;
      released = true;
      if (--users > 0 || ours === undefined) return;
      context.disable();
      ours = undefined;
    },
  };
}
