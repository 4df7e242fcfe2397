import { ROOT_CONTEXT } from "@opentelemetry/api";
import type { Context, ContextManager } from "@opentelemetry/api";

/** Where every copy of version 1 of the API keeps what was registered with it. Made by the first registration and never replaced. */
const registryKey = Symbol.for("opentelemetry.js.api.1");

interface Registry {
  readonly context?: ContextManager;
}

let registry: Registry | undefined;

/**
 * What `context.active()` of the API answers. Every measurement asks, and the API's own way (a symbol of the global object, looked up each
 * time) would cost a bound one more than everything else together.
 */
export function activeContext(): Context {
  registry ??= (globalThis as { readonly [registryKey]?: Registry })[registryKey];
  const manager = registry?.context;
  return manager === undefined ? ROOT_CONTEXT : manager.active();
}
