import type { FamilySpec } from "./family.ts";
import { anyValue, oneOf } from "./label.ts";
import { gcBucketsSeconds } from "./sets.ts";

const owners = ["process"] as const;
const onLinux = "the kernel offers /proc";
const atCollection = "read at every collection";
const sinceLastRead = "read at every collection, over the time since the one before";

function lag(what: string) {
  return {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "seconds",
    owners,
    help: `${what} delay of the event loop since the last collection, in seconds.`,
    movesWhen: sinceLastRead,
  } as const;
}

/** Names and meanings of the Prometheus client library guidelines, "Process metrics", and of prom-client where it adds to them. */
export const processFamilies = {
  process_cpu_user_seconds_total: {
    type: "counter",
    observed: true,
    labels: {},
    unit: "seconds",
    owners,
    help: "CPU time spent in user mode, in seconds.",
    movesWhen: atCollection,
  },
  process_cpu_system_seconds_total: {
    type: "counter",
    observed: true,
    labels: {},
    unit: "seconds",
    owners,
    help: "CPU time spent in the kernel, in seconds.",
    movesWhen: atCollection,
  },
  process_cpu_seconds_total: {
    type: "counter",
    observed: true,
    labels: {},
    unit: "seconds",
    owners,
    help: "CPU time spent in user mode and in the kernel, in seconds.",
    movesWhen: atCollection,
  },
  process_start_time_seconds: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "seconds",
    owners,
    help: "Start of the process in seconds since the Unix epoch.",
    movesWhen: "never after the start",
  },
  process_resident_memory_bytes: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "bytes",
    owners,
    help: "Resident memory in bytes.",
    movesWhen: atCollection,
  },
  process_virtual_memory_bytes: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "bytes",
    owners,
    onlyIf: onLinux,
    help: "Virtual memory in bytes.",
    movesWhen: atCollection,
  },
  process_heap_bytes: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "bytes",
    owners,
    onlyIf: onLinux,
    help: "Size of the data segment of the process in bytes.",
    movesWhen: atCollection,
  },
  process_open_fds: {
    type: "gauge",
    observed: true,
    labels: {},
    owners,
    onlyIf: onLinux,
    help: "File descriptors open now.",
    movesWhen: atCollection,
  },
  process_max_fds: {
    type: "gauge",
    observed: true,
    labels: {},
    owners,
    onlyIf: onLinux,
    help: "File descriptors the process may open.",
    movesWhen: atCollection,
  },
} as const satisfies Record<string, FamilySpec>;

const space = anyValue("heap space of V8", "new", "old");

/** Names of prom-client's default metrics for Node.js, except those it has deprecated. */
export const nodejsFamilies = {
  nodejs_eventloop_lag_seconds: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "seconds",
    owners,
    help: "Time a callback queued at the collection waited for its turn on the event loop, in seconds.",
    movesWhen: atCollection,
  },
  nodejs_eventloop_lag_min_seconds: lag("Shortest"),
  nodejs_eventloop_lag_max_seconds: lag("Longest"),
  nodejs_eventloop_lag_mean_seconds: lag("Mean"),
  nodejs_eventloop_lag_stddev_seconds: lag("Standard deviation of the"),
  nodejs_eventloop_lag_p50_seconds: lag("50th percentile of the"),
  nodejs_eventloop_lag_p90_seconds: lag("90th percentile of the"),
  nodejs_eventloop_lag_p99_seconds: lag("99th percentile of the"),
  nodejs_active_resources: {
    type: "gauge",
    observed: true,
    labels: { type: anyValue("type of the resource", "TCPSocketWrap") },
    owners,
    help: "Resources that keep the event loop alive now, by type.",
    movesWhen: atCollection,
  },
  nodejs_active_resources_total: {
    type: "gauge",
    observed: true,
    labels: {},
    owners,
    help: "Resources that keep the event loop alive now.",
    movesWhen: atCollection,
    accepts: {
      "total-suffix": "prom-client publishes this gauge under a counter's name, and dashboards depend on it.",
    },
  },
  nodejs_heap_size_total_bytes: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "bytes",
    owners,
    help: "Size of the V8 heap in bytes.",
    movesWhen: atCollection,
  },
  nodejs_heap_size_used_bytes: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "bytes",
    owners,
    help: "Used part of the V8 heap in bytes.",
    movesWhen: atCollection,
  },
  nodejs_external_memory_bytes: {
    type: "gauge",
    observed: true,
    labels: {},
    unit: "bytes",
    owners,
    help: "Memory outside the V8 heap that its objects hold, in bytes.",
    movesWhen: atCollection,
  },
  nodejs_heap_space_size_total_bytes: {
    type: "gauge",
    observed: true,
    labels: { space },
    unit: "bytes",
    owners,
    help: "Size of a V8 heap space in bytes.",
    movesWhen: atCollection,
  },
  nodejs_heap_space_size_used_bytes: {
    type: "gauge",
    observed: true,
    labels: { space },
    unit: "bytes",
    owners,
    help: "Used part of a V8 heap space in bytes.",
    movesWhen: atCollection,
  },
  nodejs_heap_space_size_available_bytes: {
    type: "gauge",
    observed: true,
    labels: { space },
    unit: "bytes",
    owners,
    help: "Free part of a V8 heap space in bytes.",
    movesWhen: atCollection,
  },
  nodejs_version_info: {
    type: "gauge",
    observed: true,
    labels: {
      version: anyValue("version of Node.js with its leading v", "v26.10.0"),
      major: anyValue("first part of the version", "26"),
      minor: anyValue("second part of the version", "10"),
      patch: anyValue("third part of the version", "0"),
    },
    owners,
    help: "Always 1, with the version of Node.js in its labels.",
    movesWhen: "never after the start",
  },
  nodejs_gc_duration_seconds: {
    type: "histogram",
    labels: { kind: oneOf("major", "minor", "incremental", "weakcb") },
    buckets: gcBucketsSeconds,
    unit: "seconds",
    owners,
    onlyIf: "a garbage collection has happened",
    help: "Pauses of the garbage collector in seconds, by kind.",
    movesWhen: "a garbage collection ended",
  },
} as const satisfies Record<string, FamilySpec>;
