import { ROOT_CONTEXT } from "@opentelemetry/api";
import type { Context, ContextManager } from "@opentelemetry/api";

/** Where every copy of version 1 of the API keeps what was registered with it. Made by the first registration and never replaced. */
const registryKey = Symbol.for("opentelemetry.js.api.1");

interface Registry {
  readonly context?: ContextManager;
}

// A property of a constant is read in fewer steps than a variable of a module.
const found: { registry: Registry | undefined } = { registry: undefined };

/** What knows the active context; undefined where nobody has registered one, so that there is none but the root. */
export function contextManager(): ContextManager | undefined {
  found.registry ??= (globalThis as { readonly [registryKey]?: Registry })[registryKey];
  return found.registry?.context;
}

/**
 * What `context.active()` of the API answers. Every measurement asks, and the API's own way (a symbol of the global object, looked up each
 * time) would cost a bound one more than everything else together.
 */
export function activeContext(): Context {
  return contextManager()?.active() ?? ROOT_CONTEXT;
}

/** False where nobody can have a span: no context is given, and there is nobody to ask for the active one. */
export function mayBeSampled(given: Context | undefined): boolean {
  return given !== undefined || contextManager() !== undefined;
}
