import { stack } from "@almanac/catalog";
import type { Logger } from "@almanac/core";
import type { MeterProvider } from "@opentelemetry/api";
import { createInstruments } from "./instruments.ts";
import { observeEventLoop } from "./process-event-loop.ts";
import { observeGarbageCollection } from "./process-gc.ts";
import { observeProcFs } from "./process-proc-fs.ts";
import { observeRuntime } from "./process-runtime.ts";

/**
 * Serves the `process_*` and `nodejs_*` families of the stack catalog on a provider until disposed: CPU, memory, file descriptors (where
 * the kernel offers /proc), event loop, garbage collector, heap, active resources, version. Call it once per process.
 */
export function observeProcess(meterProvider: MeterProvider, options: { readonly logger?: Logger } = {}): Disposable {
  const instruments = createInstruments(stack, meterProvider, options);
  const observations = [
    ...observeRuntime(instruments),
    ...observeProcFs(instruments),
    ...observeEventLoop(instruments),
    observeGarbageCollection(instruments),
  ];
  return {
    [Symbol.dispose]() {
      for (const observation of observations.splice(0)) observation[Symbol.dispose]();
    },
  };
}
