import { getHeapSpaceStatistics } from "node:v8";
import type { stack } from "@almanac/catalog";
import { sharedReading } from "./shared-reading.ts";
import type { Instruments } from "./types.ts";

const microsecondsPerSecond = 1e6;

/** CPU, memory, heap, active resources and version: whatever Node answers at once. */
export function observeRuntime(instruments: Instruments<typeof stack>): Disposable[] {
  const cpu = sharedReading(() => process.cpuUsage());
  const memory = sharedReading(() => process.memoryUsage());
  const spaces = sharedReading(() =>
    // prom-client's names of the spaces: new, old, code, without the suffix.
    getHeapSpaceStatistics().map((s) => ({ ...s, labels: { space: s.space_name.replace(/_space$/, "") } })),
  );
  const resources = sharedReading(countActiveResources());
  const startSeconds = Date.now() / 1000 - process.uptime();
  const version = process.version;
  const [major = "", minor = "", patch = ""] = version.slice(1).split(".");

  return [
    instruments.process_cpu_user_seconds_total.observe((observe) => observe(cpu().user / microsecondsPerSecond)),
    instruments.process_cpu_system_seconds_total.observe((observe) => observe(cpu().system / microsecondsPerSecond)),
    instruments.process_cpu_seconds_total.observe((observe) =>
      observe((cpu().user + cpu().system) / microsecondsPerSecond),
    ),
    instruments.process_start_time_seconds.observe((observe) => observe(startSeconds)),
    instruments.process_resident_memory_bytes.observe((observe) => observe(memory().rss)),
    instruments.nodejs_heap_size_total_bytes.observe((observe) => observe(memory().heapTotal)),
    instruments.nodejs_heap_size_used_bytes.observe((observe) => observe(memory().heapUsed)),
    instruments.nodejs_external_memory_bytes.observe((observe) => observe(memory().external)),
    instruments.nodejs_heap_space_size_total_bytes.observe((observe) => {
      for (const space of spaces()) observe(space.space_size, space.labels);
    }),
    instruments.nodejs_heap_space_size_used_bytes.observe((observe) => {
      for (const space of spaces()) observe(space.space_used_size, space.labels);
    }),
    instruments.nodejs_heap_space_size_available_bytes.observe((observe) => {
      for (const space of spaces()) observe(space.space_available_size, space.labels);
    }),
    instruments.nodejs_active_resources.observe((observe) => {
      for (const [type, count] of resources()) observe(count, { type });
    }),
    instruments.nodejs_active_resources_total.observe((observe) => {
      observe([...resources().values()].reduce((sum, count) => sum + count, 0));
    }),
    instruments.nodejs_version_info.observe((observe) => observe(1, { version, major, minor, patch })),
  ];
}

/** Counts by type. A type once seen stays at 0 when nothing of it is active, since a reader would otherwise repeat its last value. */
function countActiveResources(): () => ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  return () => {
    for (const type of counts.keys()) counts.set(type, 0);
    for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1);
    return counts;
  };
}
