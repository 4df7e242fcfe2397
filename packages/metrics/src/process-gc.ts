import { PerformanceObserver } from "node:perf_hooks";
import type { LabelsOf, stack } from "@almanac/catalog";
import type { Instruments } from "./types.ts";

type GcKind = LabelsOf<typeof stack, "nodejs_gc_duration_seconds">["kind"];

/** V8's GCType bits, by prom-client's names; 2 is the minor mark-sweep that V8 may run in place of a scavenge. */
const kinds: Readonly<Record<number, GcKind>> = { 1: "minor", 2: "minor", 4: "major", 8: "incremental", 16: "weakcb" };

/** Records every pause of the garbage collector from now on. */
export function observeGarbageCollection(instruments: Instruments<typeof stack>): Disposable {
  const histogram = instruments.nodejs_gc_duration_seconds;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = (entry as { readonly detail?: { readonly kind?: number } }).detail?.kind ?? 0;
      histogram.record(entry.duration / 1000, { kind: kinds[kind] ?? "other" });
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return { [Symbol.dispose]: () => observer.disconnect() };
}
